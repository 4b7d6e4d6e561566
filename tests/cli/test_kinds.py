"""Which errors are the user's: memory, files, and what Lightning refuses; never a fault of a method's."""

import errno

import cv2
import numpy as np
import pytest
import torch
from jsonargparse import ArgumentError

from inbetween.mistakes import mistake_behind, reason

WORKER = (
    "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  x\n"
)


def no_memory() -> list[Exception]:
    """What libraries say where there is no more memory."""
    found: list[Exception] = [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total of 8 GiB"),
        RuntimeError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA` to enable assertions."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError(f"{WORKER}RuntimeError: DefaultCPUAllocator: can't allocate memory: 12 bytes"),
        RuntimeError(f"{WORKER}numpy._core._exceptions._ArrayMemoryError: Unable to allocate 75.5 GiB"),
        cv2.error("OpenCV(4.9.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 12 bytes"),
        MemoryError(),
    ]
    for ask in (lambda: torch.empty(10**15), lambda: np.empty(10**15)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            ask()
        found.append(caught.value)
    return found


@pytest.mark.parametrize("error", no_memory(), ids=lambda error: str(error)[:30] or "MemoryError")
def test_too_little_memory(error: Exception) -> None:
    for command, smaller in {
        "interpolate": "smaller keyframes",
        "benchmark": "--sizes",
        "fit": "data.size",
    }.items():
        text = str(mistake_behind(error, command))
        assert text.startswith("There is not enough memory (")
        assert smaller in text
        assert "\n" not in text
        assert "Traceback" not in text
    # and where a library has laid another error around it
    outer = ValueError("Does not validate")
    outer.__cause__ = error
    assert str(mistake_behind(outer, "fit")).startswith("There is not enough memory (")


def test_a_file_that_cannot_be_used() -> None:
    text = str(mistake_behind(PermissionError(errno.EACCES, "Permission denied", "logs"), "compare"))
    assert text.startswith("logs cannot be used (Permission denied): ")
    assert "--output" in text
    assert mistake_behind(OSError("something else"), "fit") is None


@pytest.mark.parametrize(
    "kind", [ValueError, RuntimeError, KeyError, TypeError, AssertionError, ZeroDivisionError]
)
def test_a_fault_is_no_mistake(kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        raise kind("shapes do not match")
    assert mistake_behind(caught.value, "fit") is None


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        (
            'Parser key "model": Problem with given class_path \'a.B\': Parser key "lr": Expected a'
            " <class 'float'>. Got value: small",
            "lr of a.B is small, expected a number; `--help` lists the keys.",
        ),
        (
            "Parser key \"t\": Expected a <class 'int'>. Got value: x",
            "t is x, expected a whole number; `--help` lists the keys.",
        ),
    ],
)
def test_what_jsonargparse_says(said: str, instead: str) -> None:
    assert str(mistake_behind(ArgumentError(None, said), "fit")) == instead


def test_a_reason_is_two_sentences_at_most() -> None:
    assert reason(ValueError("`a` is bad. Give `b`. See https://x.")) == "a is bad; Give b"
