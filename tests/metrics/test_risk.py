from itertools import pairwise, permutations

import pytest
import torch

from inbetween.metrics import (
    area_under_risk_coverage,
    excess_area_under_risk_coverage,
    mean_at_coverage,
    review_label,
)


@pytest.mark.parametrize(
    ("coverage", "mean"), [(1.0, 3.0), (0.8, 2.0), (0.61, 2.0), (0.6, 4 / 3), (0.01, 1.0)]
)
def test_least_sure_windows_are_left_out(coverage, mean):
    scores = torch.tensor([1.0, 7.0, 2.0, 4.0, 1.0])
    uncertainties = torch.tensor([0.1, 0.9, 0.3, 0.5, 0.2])
    assert mean_at_coverage(scores, uncertainties, coverage) == pytest.approx(mean)


def test_a_judge_that_errs_gains_nothing():
    scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert mean_at_coverage(scores, -scores, 0.5) == 3.5


def test_review_labels_part_at_the_thresholds():
    errors = [0.0, 0.1, 0.11, 0.3, 0.31, 1.0]
    assert [review_label(error, (0.1, 0.3)) for error in errors] == ["easy"] * 2 + ["check"] * 2 + [
        "redraw"
    ] * 2


def brute_force_area(risks, uncertainties):
    """The mean over all orders that put no surer window behind a less sure one."""
    orders = [
        order
        for order in permutations(range(len(risks)))
        if all(uncertainties[a] <= uncertainties[b] for a, b in pairwise(order))
    ]
    areas = [
        sum(sum(risks[i] for i in order[:k]) / k for k in range(1, len(order) + 1)) / len(order)
        for order in orders
    ]
    return sum(areas) / len(areas)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_areas_are_those_of_brute_force(seed, levels):
    stream = torch.Generator().manual_seed(seed)
    risks = torch.rand(6, generator=stream, dtype=torch.float64)
    uncertainties = torch.randint(levels, (6,), generator=stream)
    area = area_under_risk_coverage(risks, uncertainties)
    assert area == pytest.approx(brute_force_area(risks.tolist(), uncertainties.tolist()), abs=1e-14)
    # the ideal order is the best of all
    best = min(brute_force_area(risks.tolist(), order) for order in permutations(range(6)))
    excess = excess_area_under_risk_coverage(risks, uncertainties)
    assert excess == pytest.approx(area - best, abs=1e-14)
    assert excess >= -1e-15


def test_areas_of_known_orders():
    risks = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert area_under_risk_coverage(risks, risks) == pytest.approx((1 + 1.5 + 2) / 3)
    assert excess_area_under_risk_coverage(risks, 10 * risks - 4) == 0
    assert area_under_risk_coverage(risks, -risks) == pytest.approx((3 + 2.5 + 2) / 3)
    assert area_under_risk_coverage(risks, torch.zeros(3)) == pytest.approx(2)


def test_one_that_doubts_all_alike_gains_nothing():
    """Which of them was kept used to depend on the order of the windows."""
    scores = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert mean_at_coverage(scores, torch.ones(4), 0.5) == 3
    assert mean_at_coverage(scores, torch.tensor([2.0, 2.0, 2.0, 1.0]), 0.5) == 4
