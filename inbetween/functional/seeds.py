"""One random generator per sample, so that results do not depend on batches or processes."""

import hashlib

import torch
from torch import Tensor

from inbetween.types import Window


def sample_seed(*parts: int) -> int:
    """A seed in [0, 2**63) from integers such as (seed, epoch, index); the same on all machines."""
    text = ",".join(str(int(part)) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generators(seeds: Tensor) -> list[torch.Generator]:
    """One CPU generator per sample from seeds (B,) int64 in [0, 2**63)."""
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds.tolist()]


def generator_of(window: Window) -> torch.Generator:
    """One CPU generator from a window's own seed."""
    return torch.Generator().manual_seed(int(window["seed"]))
