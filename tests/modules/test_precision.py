import time
from types import SimpleNamespace

import pytest
import torch

from inbetween.modules import precision
from inbetween.modules.precision import bfloat16_pays, fastest


@pytest.mark.parametrize(("slow", "pays"), [(torch.bfloat16, False), (torch.float32, True)])
def test_the_faster_one_is_found_by_trying(monkeypatch, slow, pays):
    def conv2d(x, weight, padding):
        time.sleep(0.02 if x.dtype == slow else 0.0)

    monkeypatch.setattr(precision, "F", SimpleNamespace(conv2d=conv2d))
    assert bfloat16_pays.__wrapped__() is pays


@pytest.mark.parametrize(
    ("asked", "accelerator", "pays", "used"),
    [
        ("bf16-mixed", "cpu", False, "32-true"),
        ("bf16-mixed", "cpu", True, "bf16-mixed"),
        ("bf16-mixed", "gpu", False, "bf16-mixed"),
        ("16-mixed", "cpu", False, "16-mixed"),
        (None, "cpu", False, None),
    ],
)
def test_only_a_processor_that_is_slower_with_bfloat16_goes_without(
    monkeypatch, asked, accelerator, pays, used
):
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: pays)
    assert fastest(asked, accelerator) == used


def test_auto_is_a_processor_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: False)
    for available, used in ((False, "32-true"), (True, "bf16-mixed")):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda available=available: available)
        assert fastest("bf16-mixed") == used
