"""Padding of images to the sizes that a network takes."""

from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the right and bottom border until height and width are multiples of `multiple`.

    Args:
        images: (..., C, H, W), any range.
        multiple: Pixels, at least 1.

    Returns:
        (..., C, H', W') with the image at the top left: crop `[..., :H, :W]` to undo.
    """
    height, width = images.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not bottom and not right:
        return images
    flat = images.reshape(-1, *images.shape[-3:])
    padded = F.pad(flat, (0, right, 0, bottom), mode="replicate")
    return padded.view(*images.shape[:-3], *padded.shape[1:])
