"""Which precision networks run fastest in: bfloat16 where the processor has instructions for it."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Literal, TypeVar

import torch
from torch.nn import functional as F

Precision = Literal["32-true", "bf16-mixed"]
Asked = TypeVar("Asked")
CHANNELS, SIDE, ROUNDS = 64, 32, 3  # of the convolution that is timed: a few milliseconds in all


def fastest(precision: Asked, accelerator: object = "auto") -> Asked | Literal["32-true"]:
    """What to compute in where `precision` is asked for.

    A processor without bfloat16 instructions computes in it by a detour: one with AVX2 alone convolves at
    less than a fifteenth of its float32 speed (`benchmark`).

    Args:
        precision: As Lightning's Trainer takes it.
        accelerator: As Lightning's Trainer takes it; `auto` is a processor only where there is nothing else.

    Returns:
        `32-true` in place of `bf16-mixed` on a processor that is no faster with it, else what was given.
    """
    on_processor = accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available())
    return "32-true" if precision == "bf16-mixed" and on_processor and not bfloat16_pays() else precision


@lru_cache(maxsize=1)
def bfloat16_pays() -> bool:
    """Whether this processor convolves faster in bfloat16 than in float32, by trying it once a process."""
    seconds = dict.fromkeys((torch.float32, torch.bfloat16), float("inf"))
    pictures = {
        dtype: torch.ones(1, CHANNELS, SIDE, SIDE, dtype=dtype).to(memory_format=torch.channels_last)
        for dtype in seconds
    }
    kernels = {dtype: torch.ones(CHANNELS, CHANNELS, 3, 3, dtype=dtype) for dtype in seconds}
    with torch.no_grad():
        for attempt in range(1 + ROUNDS):
            for dtype in seconds:
                start = time.perf_counter()
                F.conv2d(pictures[dtype], kernels[dtype], padding=1)
                if attempt:  # the first one prepares kernels
                    seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return seconds[torch.bfloat16] < seconds[torch.float32]
