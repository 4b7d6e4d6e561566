"""Whether a method knows when it is wrong."""

import math
from bisect import bisect_left

from torch import Tensor

VERDICTS = ("easy", "check", "redraw")


def verdict(error: float, limits: tuple[float, float]) -> str:
    """What is to be done about a drawing.

    Args:
        error: Mean absolute error in [0, 1] that the method expects of it.
        limits: Up to the first a drawing is `easy`, up to the second to `check`, beyond to `redraw`.
    """
    return VERDICTS[bisect_left(limits, error)]


def mean_of_surest(scores: Tensor, doubts: Tensor, coverage: float) -> float:
    """Mean score of the windows a method is surest of: a point of the risk-coverage curve.

    Selective prediction's measure (Geifman and El-Yaniv, arXiv 1705.08500): what would remain if the
    least sure drawings were given back to be drawn by hand.

    Args:
        scores: (n,) one per window, n at least 1.
        doubts: (n,) how unsure the method is of each; only their order counts.
        coverage: Share in (0, 1] of the windows that is kept, rounded up to whole windows.

    Returns:
        The mean, in the scores' unit.
    """
    kept = math.ceil(len(scores) * coverage)
    order = doubts.argsort(stable=True)
    return float(scores[order[:kept]].double().mean())
