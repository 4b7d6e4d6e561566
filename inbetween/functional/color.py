"""Colour as brightness."""

from torch import Tensor

from inbetween.functional.constants import constant

LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in the brightness Y of ITU-R BT.601


def luma(images: Tensor) -> Tensor:
    """Brightness Y (..., 1, H, W) of RGB images (..., 3, H, W), in their unit and dtype."""
    weights = constant(images, *LUMA).view(3, 1, 1)
    return (images * weights).sum(-3, keepdim=True)
