"""Memory that a model's weights take, and that there is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open

from inbetween.errors import UserError

GB = 1e9
MARGIN = 1.05  # what else is loaded


def weight_files(folder: Path, variant: str | None) -> list[Path]:
    """The safetensors files of one part of a pipeline that `from_pretrained` loads.

    Args:
        folder: Of the part.
        variant: Suffix of the weight files; of a part without it, those with none.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        name = re.sub(r"-\d+-of-\d+", "", path.stem)
        found.setdefault(name.partition(".")[2], []).append(path)
    return found.get(variant or "", found.get("", []))


def weight_bytes(files: Iterable[Path], itemsize: int) -> int:
    """Bytes that safetensors files take once loaded, from their headers.

    Args:
        files: Such as of one part of a pipeline.
        itemsize: Bytes of a number as it is kept.

    Raises:
        OSError: One cannot be read.
        SafetensorError: One is no safetensors file.
    """
    total = 0
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no dict
                total += torch.Size(file.get_slice(name).get_shape()).numel() * itemsize
    return total


def free_bytes(device: torch.device) -> int:
    """Free memory of a GPU, or of this machine; on an operating system that does not tell, without end."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 2**62


def check_memory(what: str, needed: int, device: torch.device, remedy: str) -> None:
    """Check, before anything is loaded, that weights have a place.

    Args:
        what: What is loaded, for the message.
        needed: Bytes.
        device: Where to.
        remedy: What the user can do.

    Raises:
        UserError: There is too little memory.
    """
    free = free_bytes(device)
    if needed * MARGIN > free:
        place = "this machine" if device.type == "cpu" else f"the GPU ({device})"
        raise UserError(
            f"The weights of {what} take {needed / GB:.3g} GB of memory, and {place} has {free / GB:.3g} GB"
            f" free: {remedy}."
        )
