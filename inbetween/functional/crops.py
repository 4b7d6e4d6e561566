"""Square crops at a different position of each image of a batch."""

import torch
from torch import Tensor


def crops_at(images: Tensor, corners: Tensor, side: int) -> Tensor:
    """One crop of each image, without a loop over images.

    Args:
        images: (B, C, H, W), any range.
        corners: (B, 2) int64: top and left of each crop, which is inside the image.
        side: Pixels of the crops, at most H and W.

    Returns:
        (B, C, side, side), with gradients.
    """
    along = torch.arange(side, device=images.device)
    rows, columns = (corners[:, axis, None] + along for axis in (0, 1))
    channels, width = images.shape[1], images.shape[-1]
    cut = images.gather(2, rows[:, None, :, None].expand(-1, channels, -1, width))
    return cut.gather(3, columns[:, None, None, :].expand(-1, channels, side, -1))
