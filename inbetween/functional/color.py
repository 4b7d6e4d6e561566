"""Luma of colour images."""

from torch import Tensor

from inbetween.functional.constants import constant

LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in ITU-R BT.601


def luma(images: Tensor) -> Tensor:
    """Luma Y (..., 1, H, W) of RGB images (..., 3, H, W), in their range and dtype."""
    weights = constant(images, *LUMA).view(3, 1, 1)
    return (images * weights).sum(-3, keepdim=True)
