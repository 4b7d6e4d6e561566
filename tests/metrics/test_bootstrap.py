"""Bootstrap intervals with known answers."""

import pytest
import torch

from inbetween.metrics import bootstrap_interval


def test_interval_of_normal_scores_is_the_textbook_one() -> None:
    scores = torch.randn(400, generator=torch.Generator().manual_seed(0))
    low, high = bootstrap_interval(scores)
    mean, error = float(scores.mean()), float(scores.std() / 20)
    assert low == pytest.approx(mean - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.15 * error)


def test_confidence_seed_and_constants() -> None:
    scores = torch.rand(50, generator=torch.Generator().manual_seed(1))
    narrow, wide = bootstrap_interval(scores, confidence=0.5), bootstrap_interval(scores, confidence=0.99)
    assert wide[0] < narrow[0] < float(scores.mean()) < narrow[1] < wide[1]
    assert bootstrap_interval(scores, seed=3) == bootstrap_interval(scores, seed=3)
    assert bootstrap_interval(scores, seed=3) != bootstrap_interval(scores, seed=4)
    assert bootstrap_interval(torch.full((7,), 0.25)) == (0.25, 0.25)


def test_windows_of_one_animation_do_not_count_as_independent() -> None:
    # four animations whose ten windows are all alike: only four independent observations
    levels = torch.randn(4, generator=torch.Generator().manual_seed(2))
    scores = levels.repeat_interleave(10)
    groups = [f"animation {i // 10}" for i in range(40)]
    alone, together = bootstrap_interval(scores), bootstrap_interval(scores, groups=groups)
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])
    assert bootstrap_interval(levels) == together
    assert bootstrap_interval(scores, groups=["one"] * 40) == pytest.approx((float(scores.mean()),) * 2)
