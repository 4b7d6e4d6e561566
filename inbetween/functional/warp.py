"""Backward warping: pull each output pixel from where a flow points."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Reading = Literal["bilinear", "bicubic"]  # how an image is read between its pixels
LARGE = 2**18  # pixels of a picture from which threads share it: starting them takes longer than a small one


def pixel_grid(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Coordinates of all pixels, (1, 2, H, W) float32, x then y, in pixels."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y])[None]


def backward_warp(image: Tensor, flow: Tensor, mode: Reading = "bilinear") -> Tensor:
    """Sample `image` at x + flow(x); beyond the border the border's pixel is repeated.

    To draw the frame at t from `first`, `flow` is the displacement from t back to 0, which is
    about `t * flow_10`; the flow from first to last has the wrong direction.

    Args:
        image: (B, C, H, W), any range.
        flow: (B, 2, H, W) in pixels, x then y, at the output's pixels.
        mode: How to read between pixels: `bicubic` keeps lines sharp and may leave the image's range.

    Returns:
        (B, C, H, W) in image's dtype.
    """
    if image.device.type == "mps":  # Apple's backend knows neither the border's padding nor bicubic reading
        return backward_warp(image.cpu(), flow.cpu(), mode).to(image.device)
    height, width = image.shape[-2:]
    x, y = flow.float().unbind(1)
    x = x + torch.arange(width, device=image.device, dtype=torch.float32)
    y = y + torch.arange(height, device=image.device, dtype=torch.float32)[:, None]
    grid = torch.stack([x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1], dim=-1)
    bands = _bands(len(image), height, width) if image.device.type == "cpu" else 1
    if bands > 1:
        grid = grid.reshape(bands, height // bands, width, 2)
    whole = image.float().expand(len(grid), -1, -1, -1)
    warped = F.grid_sample(whole, grid, mode=mode, padding_mode="border", align_corners=True)
    if bands > 1:
        warped = warped.transpose(0, 1).reshape(1, -1, height, width)
    return warped.to(image.dtype)


def _bands(images: int, height: int, width: int) -> int:
    """In how many bands of rows a processor is to read a picture: it shares out pictures, not their rows."""
    if images > 1 or height * width < LARGE:
        return 1
    return next(count for count in range(min(torch.get_num_threads(), height), 0, -1) if height % count == 0)
