"""Where and how a denoiser may change the latents that drawing starts from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

DISAGREEMENT = 0.5  # deviations of latents by which keyframes and start differ where something moves
TONE = 9  # cells, an odd number: side of the square over which a correction is zero on average


def compute_change_mask(*latents: Tensor) -> Tensor:
    """Where there may be something to correct: where keyframes and start do not agree, or nearly so.

    Elsewhere nothing moves, and a denoiser could only do harm.

    Args:
        *latents: (B, C, h, w) each: of both keyframes, and of where drawing starts.

    Returns:
        (B, 1, h, w) in [0, 1]: 0 where all agree within two cells.
    """
    together = torch.stack(latents)
    apart = (together.amax(0) - together.amin(0)).amax(1, keepdim=True)
    return F.max_pool2d(apart / DISAGREEMENT, 5, 1, 2).clamp(max=1)


def residual_of(output: Tensor, change_mask: Tensor) -> Tensor:
    """What is added to a start: lines, not tones.

    A drawing's tones are right in any start, and a denoiser that is not sure of them leaves stains around
    what moves. So the mean of its output around each cell is taken out.

    Args:
        output: (B, C, h, w), the denoiser's.
        change_mask: (B, 1, h, w) in [0, 1], as from `compute_change_mask`.

    Returns:
        (B, C, h, w), 0 where `change_mask` is.
    """

    def around(cells: Tensor) -> Tensor:
        return F.avg_pool2d(cells, TONE, 1, TONE // 2, count_include_pad=False)

    tone = around(change_mask * output) / around(change_mask).clamp(min=1e-3)
    return change_mask * (output - tone)
