"""Batches."""

from torch import Tensor


def repeat_samples(tensor: Tensor, count: int) -> Tensor:
    """Each sample of (B, ...) `count` times in a row, (B count, ...); the same tensor if once."""
    return tensor if count == 1 else tensor.repeat_interleave(count, 0)
