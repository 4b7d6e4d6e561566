"""The share of an in-between that one keyframe shows at most."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.utils.data import default_collate

from inbetween.data import SyntheticAnimation, WindowSpec
from inbetween.metrics import one_sided_shares, visible_in_keyframes
from inbetween.types import WindowBatch


def sliding(step: int) -> torch.Tensor:
    """Three frames (3, 3, 64, 80) of a textured picture that slides to the right."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 6, 12, generator=generator)
    wide = torch.nn.functional.interpolate(noise, size=(64, 136), mode="bicubic").clamp(0, 1)[0]
    return torch.stack([wide[..., 28 - step * k : 108 - step * k] for k in range(3)])


def test_what_enters_is_in_last_alone_and_what_leaves_in_first() -> None:
    in_first, in_last = visible_in_keyframes(sliding(6))[0].float().mean(dim=1)
    # the columns on the left have come in, those on the right are about to leave
    assert in_first[:5].mean() < 0.1
    assert in_first[8:].mean() > 0.95
    assert in_last[-5:].mean() < 0.1
    assert in_last[:-8].mean() > 0.95


def test_nothing_is_hidden_where_nothing_moves() -> None:
    assert visible_in_keyframes(sliding(0)).all()
    assert visible_in_keyframes(torch.ones(3, 3, 32, 32)).all()


def test_padding_and_unknown_truth_and_small_windows(make_batch: Callable[..., WindowBatch]) -> None:
    clip = sliding(6)
    batch = make_batch(3, between=1, height=64, width=80)
    for name, frames in (("first", clip[0]), ("targets", clip[1:2]), ("last", clip[2])):
        batch[name] = torch.stack([frames] * 3)  # type: ignore[literal-required]
    whole, same, _ = one_sided_shares(batch)
    assert whole == same == pytest.approx(12 / 80, abs=0.03)
    batch["box"] = torch.tensor([[0, 0, 64, 40], [0, 0, 64, 80], [0, 0, 11, 80]])
    inner, outer, small = one_sided_shares(batch)
    assert outer == whole
    assert inner == pytest.approx(12 / 40, abs=0.06)  # what lies outside the box is not looked at
    assert math.isnan(small)
    # true where it is known
    known = torch.ones(3, 1, 1, 64, 80)
    known[0, ..., 30:50] = 0
    known[1] = torch.nan
    batch["visible_t0"], batch["visible_t1"] = known, torch.ones(3, 1, 1, 64, 80)
    assert one_sided_shares(batch) == pytest.approx([10 / 40, outer, 0])


def test_the_estimate_follows_the_truth() -> None:
    windows = SyntheticAnimation(truth=True).dataset("val", WindowSpec(between=1, size=(128, 128)))
    batch = default_collate([windows[0, index] for index in range(12)])
    true = torch.tensor(one_sided_shares(batch))
    del batch["visible_t0"], batch["visible_t1"]
    estimate = torch.tensor(one_sided_shares(batch))
    assert torch.corrcoef(torch.stack([true, estimate]))[0, 1] > 0.7
    assert float(estimate.mean()) == pytest.approx(float(true.mean()), rel=0.5)
