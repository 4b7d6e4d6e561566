"""Which timesteps the samples of a diffusion training get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

TrainFrom = Literal["truth", "slerp", "flow"]


def drawn_each(streams: list[torch.Generator], draw: Callable[[torch.Generator], Tensor]) -> Tensor:
    """One draw (...) from each of B streams, (B, ...)."""
    return torch.stack([draw(stream) for stream in streams])


def timesteps_of(streams: list[torch.Generator], steps: int, logit_mean: float | None) -> Tensor:
    """Timesteps (B,) int64 of training samples.

    Args:
        streams: One per sample.
        steps: Number of timesteps of the noise schedule.
        logit_mean: Mean of a logit-normal share of them, of deviation 1 (arXiv 2403.03206); None draws
            uniformly.
    """
    if logit_mean is None:
        return drawn_each(streams, lambda stream: torch.randint(steps, (), generator=stream))
    shares = (drawn_each(streams, lambda stream: torch.randn((), generator=stream)) + logit_mean).sigmoid()
    return (shares * steps).long().clamp(max=steps - 1)  # the sigmoid of a large number is 1


def path_timesteps(streams: list[torch.Generator], furthest: float) -> tuple[Tensor, Tensor]:
    """Where on the paths from starts to the truth training samples lie, evenly among all such places.

    Args:
        streams: One per sample.
        furthest: The largest timestep at which drawing begins.

    Returns:
        Timesteps (B,) int64 at which the paths begin, and those that they have come to, no larger.
    """
    shares = drawn_each(streams, lambda stream: torch.rand(2, generator=stream)).sqrt()
    begin = (shares[:, 0] * furthest).long().clamp(max=max(int(furthest) - 1, 0))
    return begin, (shares[:, 1] * (begin + 1)).long().minimum(begin)
