"""Means over the samples of all processes, so that training does not depend on their number.

DDP averages the processes' gradients. That equals the gradient of a single process if the loss is a mean over
samples; these functions are for terms that are not.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.distributed.nn import functional as differentiable


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def mean_per_sample(total: Tensor, samples: int) -> Tensor:
    """The mean of a quantity over the samples of all processes, as the denominator of a loss.

    (sum over a process's samples / their number) / mean_per_sample, averaged over processes by Lightning and
    DDP, is the sum over all samples divided by the quantity's total over all.

    Args:
        total: () the sum over this process's samples.
        samples: Their number.

    Returns:
        () float32, without gradient.
    """
    pair = torch.stack([total.detach().float(), total.new_full((), samples, dtype=torch.float32)])
    if _together():
        distributed.all_reduce(pair)
    return pair[0] / pair[1]


def mean_of_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over processes with equally many samples, differentiable in each."""
    if not _together():
        return value
    total: Tensor = differentiable.all_reduce(value)  # type: ignore[no-untyped-call]  # torch's
    return total / distributed.get_world_size()
