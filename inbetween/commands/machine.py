"""The machine: its description, matrix throughput, and a process's peak memory."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from inbetween.errors import UserError
from inbetween.weights.precision import Precision

Run = Callable[[], object]
# Large matrix operations: windows, channels and side of a 3x3 convolution; side of square matrices.
CONVOLUTION = (8, 256, 32)
PRODUCT = 2048


def open_fabric(accelerator: str, precision: Precision) -> L.Fabric:
    """The device to compute on, and the precision to compute in.

    Raises:
        UserError: There is no such device here.
    """
    try:
        return L.Fabric(accelerator=accelerator, devices=1, precision=precision)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"accelerator {accelerator} cannot be used here: use auto or cpu.") from error


def description(device: torch.device) -> dict[str, Any]:
    """What the results of a benchmark depend on, besides the code."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def matrix_work(device: torch.device) -> dict[str, tuple[int, Run]]:
    """Convolutions and matrix products, forward and backward, at shapes that suit a machine.

    Returns:
        For each name, such as `bfloat16 convolution`: its floating-point operations, and what runs it.
    """
    work: dict[str, tuple[int, Run]] = {}
    for dtype in (torch.bfloat16, torch.float32):
        name = str(dtype).removeprefix("torch.")
        windows, channels, side = CONVOLUTION
        x = torch.randn(windows, channels, side, side, device=device, dtype=dtype)
        weight = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
        x, weight = (
            value.contiguous(memory_format=torch.channels_last).requires_grad_() for value in (x, weight)
        )
        work[f"{name} convolution"] = _counted(_forward_and_backward(_convolution, x, weight))
        a, b = torch.randn(2, PRODUCT, PRODUCT, device=device, dtype=dtype)
        a, b = a.requires_grad_(), b.requires_grad_()
        work[f"{name} matrix product"] = _counted(_forward_and_backward(torch.matmul, a, b))
    return work


def _convolution(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=1)


def _forward_and_backward(function: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Run:
    gradient = torch.ones_like(function(a, b))

    def run() -> None:
        torch.autograd.grad(function(a, b), (a, b), gradient)

    return run


def _counted(run: Run) -> tuple[int, Run]:
    return operations(run), run


def operations(run: Run) -> int:
    """Floating-point operations of matrix products, convolutions and attention while `run` runs once."""
    # torch counts attention on GPUs; on CPUs it is an operator of another name
    aten = torch.ops.aten
    attention = {
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }
    with FlopCounterMode(display=False, custom_mapping=attention) as counter:
        run()
    return int(counter.get_total_flops())


def _attention(query: torch.Size, key: torch.Size, *_: object, **__: object) -> int:
    """Two products of (Lq, d) with (d, Lk) in size, a multiplication and an addition at each element."""
    batch, heads, queries, width = query
    return 4 * batch * heads * queries * key[2] * width


def _attention_backward(_: torch.Size, query: torch.Size, key: torch.Size, *__: object, **___: object) -> int:
    """Five such products, the first being computed again."""
    return _attention(query, key) * 5 // 2


def peak_memory(device: torch.device) -> int:
    """Most bytes that this process has held: on a GPU its own memory, else the resident set.

    The resident set's high-water mark is the kernel's own, where it can be had without the mark of the
    process that started this one, which `getrusage` includes on Linux.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def synchronize(device: torch.device) -> None:
    """Wait for what an accelerator has been given to do."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
