"""The fastest precision of a device: bfloat16 where it has fast instructions for it."""

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
REPLACED = "bfloat16 is not faster on this machine: using float32 (32-true)."


def resolve_precision(precision: Asked, accelerator: object = "auto") -> Asked | Literal["32-true"]:
    """The precision to compute in where `precision` is requested.

    The result depends on the hardware alone: the same machine always gives the same one.

    Args:
        precision: As Lightning's Trainer takes it.
        accelerator: As Lightning's Trainer takes it; `auto` is the CPU only where there is no other.

    Returns:
        `32-true` in place of `bf16-mixed` on devices without fast bfloat16, else `precision`.
    """
    mixed = precision in ("bf16-mixed", "bf16")  # Lightning has two names for it
    return "32-true" if mixed and not _has_bfloat16(accelerator) else precision


def frozen_dtype_on(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """The dtype of frozen weights on a device: `dtype`, or float32 in place of slow bfloat16."""
    slow = resolve_precision("bf16-mixed", device.type) != "bf16-mixed"
    return torch.float32 if slow else dtype


def _has_bfloat16(accelerator: object) -> bool:
    if accelerator in ("auto", "gpu"):
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        accelerator = found.type if found else "cpu"
    if accelerator == "cpu":
        return bfloat16_pays()
    if accelerator == "cuda":
        # GPUs before Ampere emulate it
        return not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)
    # Apple's GPUs: some emulate it, and no speed-up was measured. Of others the user decides
    return accelerator != "mps"


def bfloat16_pays() -> bool:
    """Whether this processor has instructions that multiply in bfloat16.

    Measured with this project's networks, a processor with those of vectors alone (`avx512_bf16`) trains 1.5
    to 2.1 times as fast as in float32 and runs inference 1.1 to 2 times as fast; tiles (`amx_bf16`) gain
    more; with neither, a convolution takes several times as long. What was not measured, such as Arm
    processors, computes in float32.
    """
    return not MULTIPLIES.isdisjoint(_instructions())


def _instructions() -> set[str]:
    """The CPU's flags as Linux names them; empty where neither Linux nor torch lists them."""
    if CPUINFO.is_file():
        lines = [line for line in CPUINFO.read_text().splitlines() if line.startswith("flags")]
        # machines with two kinds of cores have what all of them have
        return set.intersection(*(set(line.partition(":")[2].split()) for line in lines)) if lines else set()
    # not in every torch that is allowed
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return {name for name, has in capabilities.items() if has is True}
