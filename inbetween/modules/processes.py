"""Means over the samples of all processes, so that two train as one does.

DDP takes the mean of the processes' gradients. That is the gradient of one process wherever a loss is a mean
over samples; these are for what is not.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.distributed.nn import functional as differentiable


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def mean_per_sample(total: Tensor, samples: int) -> Tensor:
    """The mean of something over the samples of all processes, for a loss to be divided by.

    With it (sum over a process's samples / their number) / mean_per_sample is, in the mean over processes
    that Lightning and DDP take, the sum over all samples divided by the total over all.

    Args:
        total: () the sum over this process's samples.
        samples: How many those are.

    Returns:
        () float32, without gradient.
    """
    pair = torch.stack([total.detach().float(), total.new_full((), samples, dtype=torch.float32)])
    if _together():
        distributed.all_reduce(pair)
    return pair[0] / pair[1]


def mean_of_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over processes that have equally many samples, with gradients to each."""
    if not _together():
        return value
    total: Tensor = differentiable.all_reduce(value)  # type: ignore[no-untyped-call]  # torch's
    return total / distributed.get_world_size()
