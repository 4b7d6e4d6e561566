import pytest
import torch

from inbetween.metrics import mean_of_surest, verdict


@pytest.mark.parametrize(
    ("coverage", "mean"), [(1.0, 3.0), (0.8, 2.0), (0.61, 2.0), (0.6, 4 / 3), (0.01, 1.0)]
)
def test_least_sure_windows_are_left_out(coverage, mean):
    scores = torch.tensor([1.0, 7.0, 2.0, 4.0, 1.0])
    doubts = torch.tensor([0.1, 0.9, 0.3, 0.5, 0.2])
    assert mean_of_surest(scores, doubts, coverage) == pytest.approx(mean)


def test_a_judge_that_errs_gains_nothing():
    scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert mean_of_surest(scores, -scores, 0.5) == 3.5


def test_verdicts_part_at_the_limits():
    errors = [0.0, 0.1, 0.11, 0.3, 0.31, 1.0]
    assert [verdict(error, (0.1, 0.3)) for error in errors] == ["easy"] * 2 + ["check"] * 2 + ["redraw"] * 2
