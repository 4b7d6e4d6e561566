"""A method whose drawings say what was asked for."""

import time

import torch
from torch import Tensor

from inbetween.methods.spaced import SpacedMethod


class Marker(SpacedMethod):
    """Red is how far each pixel has gone, green is the candidate; the further, the more doubtful."""

    candidates = 3
    review_thresholds = (0.3, 0.6)
    calls = 0  # pairs that have been drawn
    seconds = 0.0  # that each takes

    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        Marker.calls += 1
        time.sleep(Marker.seconds)
        green = torch.full_like(spacing, candidate / 5)
        return torch.cat([spacing, green, torch.zeros_like(spacing)], dim=2), spacing
