"""Confidence intervals of a mean over windows."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor


def bootstrap_interval(
    scores: Tensor,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean score (Efron 1979).

    Windows of one animation are correlated; treating them as independent makes the interval too narrow.
    Given their animations as `groups`, whole animations are resampled instead (the cluster bootstrap), each
    with all its windows; with one group the interval has no width.

    Args:
        scores: (n,) one per window, n at least 1.
        confidence: Share of the resampled means inside the interval, in (0, 1).
        resamples: Number of bootstrap samples.
        seed: Of the resampling; equal seeds give equal intervals.
        groups: The animation of each window, n names.

    Returns:
        Lower and upper bound, in the scores' unit.
    """
    values = scores.cpu().double().numpy()
    names = np.arange(len(values)) if groups is None else np.asarray(groups)
    _, member = np.unique(names, return_inverse=True)
    totals = np.bincount(member, weights=values)
    sizes = np.bincount(member)
    resampled = np.random.default_rng(seed).integers(len(sizes), size=(resamples, len(sizes)))
    means = totals[resampled].sum(axis=1) / sizes[resampled].sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
