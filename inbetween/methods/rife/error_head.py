"""The error head of spacing RIFE."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.warp import backward_warp
from inbetween.methods.rife.network import HIDDEN, Estimate

LEAST = 1e-3  # of [0, 1]: initial expected error where both warped keyframes agree


class ErrorHead(nn.Module):
    """Predicts the expected error of a frame from RIFE's estimate and both warped keyframes.

    Before training it is their disagreement, weighted by the mask m: 2 m (1 - m) |a - b|, as in `Rife`.

    Args:
        width: Channels within.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        inputs = HIDDEN + 1 + 4 + 1 + 1 + 3  # hidden, mask, flows, spacing, disagreement, mean colour
        final = nn.Conv2d(width, 4, 3, 1, 1)
        nn.init.zeros_(final.weight)
        final.bias = nn.Parameter(torch.zeros(4))
        self.body = nn.Sequential(
            nn.Conv2d(4 * inputs, width, 3, 1, 1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.LeakyReLU(0.1, inplace=True),
            final,
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, first: Tensor, last: Tensor, found: Estimate, spacing: Tensor) -> Tensor:
        """Log of the expected absolute error; its inputs get no gradients.

        Args:
            first: (M, 3, H, W) in [0, 1], H and W even.
            last: (M, 3, H, W) in [0, 1].
            found: RIFE's estimate.
            spacing: (M, 1, H, W) in [0, 1].

        Returns:
            (M, 1, H, W) float32.
        """
        with torch.no_grad():
            one, other = backward_warp(first, found.flows[:, :2]), backward_warp(last, found.flows[:, 2:])
            apart = (one - other).abs().mean(1, keepdim=True)
            mask = torch.sigmoid(found.mask)
            begin = (2 * mask * (1 - mask) * apart + LEAST).log()
            parts = [found.hidden, found.mask / 4, found.flows / 16, spacing, 4 * apart, (one + other) / 2]
            seen = F.pixel_unshuffle(torch.cat(parts, dim=1), 2)
        change = self.body(seen.contiguous(memory_format=torch.channels_last))
        return begin + F.pixel_shuffle(change.float(), 2)
