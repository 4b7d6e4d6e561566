"""Alpha compositing on a plain background, and its inverse."""

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.color import luma


def composite(color: Tensor, opacity: Tensor, background: float) -> Tensor:
    """A transparent image on a grey background: `opacity color + (1 - opacity) background`.

    Args:
        color: (..., 3, H, W) in [0, 1], not premultiplied.
        opacity: (..., 1, H, W) in [0, 1].
        background: Brightness in [0, 1].

    Returns:
        (..., 3, H, W) in [0, 1].
    """
    return opacity * color + (1 - opacity) * background


def uncomposite(image: Tensor, opacity: Tensor, background: float) -> Tensor:
    """The colour of a transparent image that is `image` on the background: the inverse of `composite`.

    Warping and blending with weights that sum to one act alike on a composited image and its opacity, so
    that removing the background's share leaves none of its colour at any edge.

    Args:
        image: (..., 3, H, W) in [0, 1].
        opacity: (..., 1, H, W) in [0, 1].
        background: Brightness in [0, 1] of the background of `image`.

    Returns:
        (..., 3, H, W) in [0, 1], not premultiplied; 0 where opacity is 0.
    """
    premultiplied = image - (1 - opacity) * background
    return (premultiplied / opacity.clamp(min=1e-6)).clamp(0, 1) * (opacity > 0)


def blended(first: Tensor, last: Tensor, t: Tensor) -> Tensor:
    """Transparent images between two, mixed as light is: colours weigh as much as they are opaque.

    Args:
        first: (4, H, W) in [0, 1], RGB not premultiplied, then opacity.
        last: The same.
        t: The share of `last` in [0, 1] of each image (1, N), or of each of its pixels (1, N, 1, H, W).

    Returns:
        (N, 4, H, W) in [0, 1].
    """
    share = t[0].reshape(-1, 1, 1, 1) if t.ndim == 2 else t[0]
    opacity = (1 - share) * first[3:] + share * last[3:]
    visible = (opacity > 0).to(share)
    weight = visible * share * last[3:] / opacity.clamp(min=1e-6) + (1 - visible) * share
    return torch.cat([(1 - weight) * first[:3] + weight * last[:3], opacity], dim=1)


def contrasting_background(color: Tensor, opacity: Tensor) -> float:
    """White or black, whichever contrasts with the outer edge of the opaque area.

    Args:
        color: (B, 3, H, W) in [0, 1], not premultiplied.
        opacity: (B, 1, H, W) in [0, 1].

    Returns:
        1 for white, also if there is no edge; 0 for black, for bright images.
    """
    transparent_nearby = F.max_pool2d(1 - opacity, kernel_size=5, stride=1, padding=2)
    edge = opacity * transparent_nearby
    return 0.0 if torch.sum(luma(color) * edge) > 0.5 * torch.sum(edge) else 1.0
