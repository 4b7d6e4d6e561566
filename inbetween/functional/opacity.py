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
