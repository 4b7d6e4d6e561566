"""Drawings with transparency: laid on paper, and lifted off it again."""

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.color import luma


def composite(color: Tensor, opacity: Tensor, background: float) -> Tensor:
    """The picture that a see-through drawing gives on grey paper: `opacity color + (1 - opacity) paper`.

    Args:
        color: (..., 3, H, W) in [0, 1], not multiplied by opacity.
        opacity: (..., 1, H, W) in [0, 1].
        background: Brightness in [0, 1].

    Returns:
        (..., 3, H, W) in [0, 1].
    """
    return opacity * color + (1 - opacity) * background


def uncomposite(image: Tensor, opacity: Tensor, background: float) -> Tensor:
    """The colour of a drawing that gives `image` on paper; `composite` the other way round.

    Warping and blending with weights that add up to one change a picture on paper and its opacity alike,
    so what is left after the paper's share is taken out has nothing of the paper's colour at any edge.

    Args:
        image: (..., 3, H, W) in [0, 1].
        opacity: (..., 1, H, W) in [0, 1].
        background: Brightness in [0, 1] of the paper that `image` lies on.

    Returns:
        (..., 3, H, W) in [0, 1], not multiplied by opacity; 0 where there is nothing to be seen.
    """
    share = image - (1 - opacity) * background
    return (share / opacity.clamp(min=1e-6)).clamp(0, 1) * (opacity > 0)


def contrasting_background(color: Tensor, opacity: Tensor) -> float:
    """White or black, whichever a drawing's outer edge stands out from.

    Args:
        color: (B, 3, H, W) in [0, 1], not multiplied by opacity.
        opacity: (B, 1, H, W) in [0, 1].

    Returns:
        1 for white, also where there is no edge; 0 for black, for bright drawings.
    """
    clear_nearby = F.max_pool2d(1 - opacity, kernel_size=5, stride=1, padding=2)
    edge = opacity * clear_nearby
    return 0.0 if torch.sum(luma(color) * edge) > 0.5 * torch.sum(edge) else 1.0
