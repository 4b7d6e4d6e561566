"""Selective prediction: whether a method's predicted error ranks its results by quality."""

import math
from bisect import bisect_left

import torch
from torch import Tensor

REVIEW_LABELS = ("easy", "check", "redraw")


def review_label(error: float, thresholds: tuple[float, float]) -> str:
    """What an animator should do about a frame.

    Args:
        error: Mean absolute error in [0, 1] that the method expects of it.
        thresholds: Up to the first a frame is `easy`, up to the second to `check`, beyond to `redraw`.
    """
    return REVIEW_LABELS[bisect_left(thresholds, error)]


def mean_at_coverage(scores: Tensor, uncertainties: Tensor, coverage: float) -> float:
    """Mean score of the windows with the lowest uncertainty: a point of the risk-coverage curve.

    Selective prediction's measure (Geifman and El-Yaniv, arXiv 1705.08500): the mean that
    remains if the most uncertain windows are left to a person. Of windows with equal uncertainty any may be
    kept: the mean is the expected one.

    Args:
        scores: (n,) one per window, n at least 1.
        uncertainties: (n,) the predicted error of each; only their order counts.
        coverage: Share in (0, 1] of the windows that is kept, rounded up to whole windows.

    Returns:
        The mean, in the scores' unit.
    """
    return float(_most_certain_first(scores, uncertainties)[: math.ceil(len(scores) * coverage)].mean())


def area_under_risk_coverage(risks: Tensor, uncertainties: Tensor) -> float:
    """AURC: the mean risk of what a method keeps, over all numbers of windows that it may keep.

    `(1 / n) sum_k (1 / k) sum_{i <= k} risk_i`, windows in the order of their uncertainties: the area under
    the risk-coverage curve of selective prediction (Geifman and El-Yaniv, arXiv 1705.08500). Random
    uncertainties give the mean risk; uncertainties in the order of the risks give the minimum, which is more
    than 0. Of equal uncertainties it is the expected area.

    Args:
        risks: (n,) one per window, lower is better, n at least 1.
        uncertainties: (n,) the predicted error of each; only their order counts.

    Returns:
        The area, in the risks' unit.
    """
    kept = torch.arange(1, len(risks) + 1, dtype=torch.float64)
    return float((_most_certain_first(risks, uncertainties).cumsum(0) / kept).mean())


def excess_area_under_risk_coverage(risks: Tensor, uncertainties: Tensor) -> float:
    """E-AURC: the part of the AURC that comes from a wrong order, and not from the risks themselves.

    AURC less that of the ideal order (Geifman et al., arXiv 1805.08206), so that methods of different
    quality can be compared; 0 is best.

    Args:
        risks: See `area_under_risk_coverage`.
        uncertainties: See `area_under_risk_coverage`.

    Returns:
        The excess, 0 or more, in the risks' unit.
    """
    return area_under_risk_coverage(risks, uncertainties) - area_under_risk_coverage(risks, risks)


def _most_certain_first(scores: Tensor, uncertainties: Tensor) -> Tensor:
    """Scores (n,) float64 in the order of their uncertainties; of equal ones, their mean."""
    ordered, order = uncertainties.cpu().sort()
    _, count = torch.unique_consecutive(ordered, return_counts=True)
    parts = torch.split(scores.cpu().double()[order], count.tolist())
    return torch.cat([part.mean().expand(len(part)) for part in parts])
