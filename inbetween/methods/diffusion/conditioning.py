"""Conditions of the denoiser: a token for t, and the density of lines."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.lines import line_masks
from inbetween.functional.time_codes import TIME_CODE_SIZE, time_code


class TimeToken(nn.Module):
    """A learned token for the position t: Linear, SiLU, Linear on `time_code(t)`.

    Runs in float32 whatever the autocast: bf16 could not tell t = 0.250 from t = 0.251.

    Args:
        dim: D, the width of the token.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(TIME_CODE_SIZE, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        """Tokens (..., D) float32 for positions t (...,) in [0, 1]."""
        with torch.autocast(t.device.type, enabled=False):
            token: Tensor = self.layers(time_code(t))
        return token


def line_density(images: Tensor, multiple: int) -> Tensor:
    """Share of line pixels in each latent pixel.

    Args:
        images: (B, 3, H, W) in [0, 1], H and W multiples of `multiple`.
        multiple: Pixels along a side of one latent pixel.

    Returns:
        (B, 1, H / multiple, W / multiple) float32 in [0, 1], on images' device.
    """
    return F.avg_pool2d(line_masks(images).float(), multiple)
