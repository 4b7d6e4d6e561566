"""Frames are kept of the worst windows, the best and some between, however many there are."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from inbetween.commands.compare import kept
from inbetween.commands.compare.kept import KeptWindow, Output, WindowKeeper
from inbetween.types import WindowBatch


def batch_of(indices: list[int], side: int = 16) -> WindowBatch:
    """Windows whose frames have their index as colour, in the upper half of padding that is 255."""
    colours = torch.tensor(indices).float() / 255
    images = colours[:, None, None, None].expand(-1, 3, side, side).clone()
    images[:, :, side // 2 :] = 1
    box = torch.tensor([[0, 0, side // 2, side]] * len(indices))
    batch = {
        "first": images,
        "last": images,
        "targets": images[:, None].expand(-1, 2, -1, -1, -1),
        "box": box,
        "index": torch.tensor(indices),
    }
    return cast(WindowBatch, batch)


def outputs_of(batch: WindowBatch) -> list[Output]:
    frames = (batch["targets"] * 255).round().byte()
    errors: Tensor = torch.full((len(frames), 2, 1, *frames.shape[-2:]), 0.25)
    return [Output(frames, None), Output(frames, errors)]


def keep(count: int, badness: list[float | None], batch_size: int = 5) -> list[KeptWindow]:
    keeper = WindowKeeper(count, len(badness), methods=2, between=2)
    for start in range(0, len(badness), batch_size):
        indices = list(range(start, min(start + batch_size, len(badness))))
        batch = batch_of(indices)
        keeper.offer(batch, outputs_of(batch), [badness[index] for index in indices])
        assert len(keeper.kept) <= 5 * count / 3 + 1  # at any time: memory is bounded
    found = keeper.windows()
    assert len(found) == len({window.index for window in found}) == min(count, len(badness))
    return found


def test_the_worst_the_best_and_some_between() -> None:
    badness = np.random.default_rng(0).permutation(100).astype(float).tolist()
    found = keep(12, badness)
    reasons = {window.index: window.reason for window in found}
    order = sorted(range(100), key=lambda index: -badness[index])
    for place in range(6):
        assert reasons[order[place]] == f"worst {place + 1}"
    assert [reasons[order[-1]], reasons[order[-2]]] == ["best 1", "best 2"]
    between = sorted(index for index, reason in reasons.items() if reason == "between")
    assert len(between) == 4
    assert np.diff([0, *between, 100]).max() < 50  # from everywhere
    assert [window.index for window in found[:6]] == order[:6]
    assert [window.index for window in found[-2:]] == order[:-3:-1][::-1]


@pytest.mark.parametrize("count", [1, 2, 5, 24])
def test_few_windows_are_kept_once_each(count: int) -> None:
    badness = [3.0, 1.0, 2.0, 5.0, 4.0]
    found = keep(count, badness)
    assert found[0].index == max(range(len(badness)), key=badness.__getitem__)


def test_windows_without_a_score_are_neither_good_nor_bad() -> None:
    badness: list[float | None] = [None] * 20
    badness[7] = 1.0
    found = {window.index: window.reason for window in keep(6, badness)}
    assert found[7] == "worst 1"
    assert {reason for index, reason in found.items() if index != 7} == {"between"}


def test_a_window_is_kept_without_padding_and_alone() -> None:
    (window,) = keep(1, [0.0, 9.0, 1.0, 2.0])
    assert window.truth.shape == (4, 8, 16, 3)
    assert {int(value) for value in np.unique(window.truth)} == {1}
    assert [frames.shape for frames in window.frames] == [(2, 8, 16, 3)] * 2
    assert window.errors[0] is None
    assert window.errors[1] is not None
    assert window.errors[1].shape == (2, 8, 16)
    assert (window.errors[1] == 128).all()
    assert all(frames.base is None or frames.base.nbytes == frames.nbytes for frames in window.frames)


def test_many_large_frames_are_kept_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "PIXELS", 40 * 100 * 50**2)
    assert WindowKeeper(24, 500, methods=6, between=14).side == 50
    assert WindowKeeper(1, 500, methods=1, between=1).side == kept.SIDE
    assert WindowKeeper(1, 500, methods=1, between=1000).side == 16_383 // 1002
