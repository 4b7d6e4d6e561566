"""Numbers as tensors, cached on their device: copying them each time would stall a GPU."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=64)
def _on(device: torch.device, dtype: torch.dtype, values: tuple[float, ...]) -> Tensor:
    # inference tensors could not be used in training later
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def constant(like: Tensor, *values: float) -> Tensor:
    """Numbers as a tensor (n,) of another's device and dtype; never modify it in place.

    Args:
        like: Any tensor.
        *values: n numbers.
    """
    return _on(like.device, like.dtype, values)
