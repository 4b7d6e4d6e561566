"""Backward warping: sample the image where a flow points."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

WarpMode = Literal["bilinear", "bicubic"]  # interpolation between pixels
LARGE = 2**18  # pixels of an image from which splitting it among threads is faster


def pixel_grid(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Coordinates of all pixels, (1, 2, H, W) float32, x then y, in pixels."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y])[None]


def backward_warp(image: Tensor, flow: Tensor, mode: WarpMode = "bilinear") -> Tensor:
    """Sample `image` at x + flow(x); beyond the border the border's pixel is repeated.

    To warp `first` to t, `flow` is the flow from t to 0, which is about `t * flow_10`; the flow from first
    to last has the wrong direction.

    Args:
        image: (B, C, H, W), any range.
        flow: (B, 2, H, W) in pixels, x then y, at the output's pixels.
        mode: `bicubic` keeps lines sharper than `bilinear` and may exceed the image's range.

    Returns:
        (B, C, H, W) in image's dtype.
    """
    if image.device.type == "mps":  # no border padding, no bicubic mode there
        return backward_warp(image.cpu(), flow.cpu(), mode).to(image.device)
    height, width = image.shape[-2:]
    x, y = flow.float().unbind(1)
    x = x + torch.arange(width, device=image.device, dtype=torch.float32)
    y = y + torch.arange(height, device=image.device, dtype=torch.float32)[:, None]
    x, y = x.mul_(2 / max(width - 1, 1)).sub_(1), y.mul_(2 / max(height - 1, 1)).sub_(1)
    # x and y each contiguous: stacking them in pairs takes longer, sampling does not
    grid = torch.stack([x, y], dim=1).permute(0, 2, 3, 1)
    bands = _bands(len(image), height, width) if image.device.type == "cpu" else 1
    if bands > 1:
        grid = grid.reshape(bands, height // bands, width, 2)
    whole = image.float().expand(len(grid), -1, -1, -1)
    warped = F.grid_sample(whole, grid, mode=mode, padding_mode="border", align_corners=True)
    if bands > 1:
        warped = warped.transpose(0, 1).reshape(1, -1, height, width)
    return warped.to(image.dtype)


def _bands(images: int, height: int, width: int) -> int:
    """Number of bands of rows to split an image into: on a CPU, `grid_sample` parallelises over the batch."""
    if images > 1 or height * width < LARGE:
        return 1
    return next(count for count in range(min(torch.get_num_threads(), height), 0, -1) if height % count == 0)
