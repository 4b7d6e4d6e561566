"""Which precision networks run fastest in: bfloat16 where what computes has fast instructions for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

import torch

Precision = Literal["32-true", "bf16-mixed"]
Asked = TypeVar("Asked")
CPUINFO = Path("/proc/cpuinfo")  # on Linux: what the kernel lets programs use
# x86 processors' names of what multiplies in bfloat16: vectors, and tiles of matrices
MULTIPLIES = frozenset({"avx512_bf16", "amx_bf16"})
REPLACED = "This machine computes no faster in bfloat16: it computes in float32 (32-true)."


def resolve_precision(precision: Asked, accelerator: object = "auto") -> Asked | Literal["32-true"]:
    """What to compute in where `precision` is asked for.

    The answer depends on what the machine is, never on how busy it is: the same machine always gives the
    same one.

    Args:
        precision: As Lightning's Trainer takes it.
        accelerator: As Lightning's Trainer takes it; `auto` is a processor only where there is nothing else.

    Returns:
        `32-true` in place of `bf16-mixed` on what has no fast bfloat16, else what was given.
    """
    mixed = precision in ("bf16-mixed", "bf16")  # two names of Lightning's for one thing
    return "32-true" if mixed and not _has_bfloat16(accelerator) else precision


def frozen_dtype_on(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """What to keep frozen weights in on a device: `dtype`, or float32 in place of a bfloat16 that is slow."""
    slow = resolve_precision("bf16-mixed", device.type) != "bf16-mixed"
    return torch.float32 if slow else dtype


def _has_bfloat16(accelerator: object) -> bool:
    if accelerator in ("auto", "gpu"):
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        accelerator = found.type if found else "cpu"
    if accelerator == "cpu":
        return bfloat16_pays()
    if accelerator == "cuda":
        # GPUs before Ampere have it by emulation alone
        return not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)
    # Apple's GPUs: some emulate it, and none has been seen to gain by it. Others are the user's to know
    return accelerator != "mps"


def bfloat16_pays() -> bool:
    """Whether this processor has instructions that multiply in bfloat16.

    Measured with this project's networks, a processor with those of vectors alone (`avx512_bf16`) trains 1.5
    to 2.1 times as fast as in float32 and draws 1.1 to 2 times as fast; tiles (`amx_bf16`) gain more; with
    neither, a convolution takes several times as long. What was not measured, Arm's processors among it,
    computes in float32.
    """
    return not MULTIPLIES.isdisjoint(_instructions())


def _instructions() -> set[str]:
    """What the processor has, by the names of Linux; where neither Linux nor torch says so, nothing."""
    if CPUINFO.is_file():
        lines = [line for line in CPUINFO.read_text().splitlines() if line.startswith("flags")]
        # machines with two kinds of cores have what all of them have
        return set.intersection(*(set(line.partition(":")[2].split()) for line in lines)) if lines else set()
    # not in every torch that is allowed
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return {name for name, has in capabilities.items() if has is True}
