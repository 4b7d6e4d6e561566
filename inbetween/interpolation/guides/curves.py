"""Curves that guided regions travel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (K, 2), x then y, in pixels
STEPS = 32  # straight parts that a Bézier curve is drawn with


def bezier(points: Sequence[tuple[float, float]]) -> Points:
    """Cubic Bézier curves that follow each other, as a polyline.

    Args:
        points: 3 n + 1 of them: each curve begins where the one before ends, and has two control points.
    """
    corners, u = np.array(points, float), np.linspace(0, 1, STEPS + 1)[:, None]
    weights = (1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u**2 * (1 - u), u**3
    parts = [corners[:1]]
    for begin in range(0, len(corners) - 1, 3):
        own = corners[begin : begin + 4]
        parts.append(sum(weight * point for weight, point in zip(weights, own, strict=True))[1:])
    return np.concatenate(parts)


def length(path: Points) -> float:
    """Length of a polyline in pixels."""
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def along(path: Points, share: float) -> Points:
    """The point (2,) of a polyline at a share in [0, 1] of its length."""
    travelled = np.concatenate([[0.0], np.hypot(*np.diff(path, axis=0).T).cumsum()])
    place = share * travelled[-1]
    return np.array([np.interp(place, travelled, path[:, axis]) for axis in (0, 1)])
