"""What a machine computes in depends on what it is, and on nothing else."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from inbetween.weights import precision
from inbetween.weights.precision import bfloat16_pays, resolve_precision


@pytest.mark.parametrize(
    ("text", "pays"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile\n", True),
        ("flags\t\t: avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni\n", False),
        # a name that only begins so
        ("flags\t\t: avx512_bf16x\n", False),
        # cores of two kinds: threads run on both
        ("flags\t\t: avx2 avx512_bf16\n\nflags\t\t: avx2\n", False),
        # Arm's, which were not measured
        ("Features\t: fp asimd bf16 i8mm svebf16\n", False),
        ("", False),
    ],
)
def test_the_processors_instructions_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, pays: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    assert bfloat16_pays() is pays


@pytest.mark.parametrize(
    ("cpu", "pays"),
    [
        (SimpleNamespace(get_capabilities=lambda: {"avx512_bf16": True, "cpu_name": "x"}), True),
        (SimpleNamespace(get_capabilities=lambda: {"avx512_bf16": False, "amx_bf16": False}), False),
        (SimpleNamespace(), False),  # an older torch
    ],
)
def test_torch_says_what_the_system_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: object, pays: bool
) -> None:
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(precision, "torch", SimpleNamespace(cpu=cpu))
    assert bfloat16_pays() is pays


def test_a_busy_machine_chooses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A convolution used to be timed: one that another process delayed changed what a run computed in."""
    convolve, found = torch.nn.functional.conv2d, []
    for slow in (torch.float32, torch.bfloat16):

        def conv2d(x: torch.Tensor, *args: object, slow: torch.dtype = slow, **named: object) -> torch.Tensor:
            time.sleep(0.01 if x.dtype == slow else 0.0)
            return convolve(x, *args, **named)

        monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
        # as in two processes
        getattr(bfloat16_pays, "cache_clear", lambda: None)()
        found.append(resolve_precision("bf16-mixed", "cpu"))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("asked", "accelerator", "pays", "used"),
    [
        ("bf16-mixed", "cpu", False, "32-true"),
        ("bf16", "cpu", False, "32-true"),
        ("bf16-mixed", "cpu", True, "bf16-mixed"),
        ("bf16-mixed", "tpu", False, "bf16-mixed"),
        ("bf16-mixed", "mps", True, "32-true"),
        ("16-mixed", "cpu", False, "16-mixed"),
        (None, "cpu", False, None),
    ],
)
def test_only_what_has_no_fast_bfloat16_goes_without(
    monkeypatch: pytest.MonkeyPatch, asked: object, accelerator: str, pays: bool, used: object
) -> None:
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: pays)
    assert resolve_precision(asked, accelerator) == used


@pytest.mark.parametrize("accelerator", ["auto", "gpu", "cuda"])
@pytest.mark.parametrize(("major", "used"), [(7, "32-true"), (8, "bf16-mixed")])
def test_gpus_before_ampere_go_without(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, major: int, used: str
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(major=major))
    assert resolve_precision("bf16-mixed", accelerator) == used


def test_auto_is_a_processor_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    for pays, used in ((False, "32-true"), (True, "bf16-mixed")):
        monkeypatch.setattr(precision, "bfloat16_pays", lambda pays=pays: pays)
        assert resolve_precision("bf16-mixed") == used
