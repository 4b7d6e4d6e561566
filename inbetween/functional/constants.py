"""Numbers as tensors that stay where they are used: copying them each time would stall a GPU."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=64)
def _on(device: torch.device, dtype: torch.dtype, values: tuple[float, ...]) -> Tensor:
    # made under `inference_mode` it could never take part in training
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def constant(like: Tensor, *values: float) -> Tensor:
    """Numbers as a tensor (n,) of a tensor's device and dtype; not to be changed in place.

    Args:
        like: Any tensor.
        *values: n numbers.
    """
    return _on(like.device, like.dtype, values)
