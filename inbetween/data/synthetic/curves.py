"""Outlines as point lists: smooth curves, offsets and strokes of varying width.

A polygon is (n, 2) float64, x then y, y pointing down, in the caller's units.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def smooth(points: ArrayLike, per: int = 6, closed: bool = True) -> Points:
    """Catmull-Rom curve through `points` (n, 2), `per` samples per segment."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        before = np.concatenate([knots[-1:], knots[:-1]])
        after, after2 = np.concatenate([knots[1:], knots[:1]]), np.concatenate([knots[2:], knots[:2]])
        here = knots
    else:
        padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
        before, here, after, after2 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    u = (np.arange(per) / per)[None, :, None]
    p_0, p_1, p_2, p_3 = (p[:, None] for p in (before, here, after, after2))
    curve = 0.5 * (
        2 * p_1
        + (p_2 - p_0) * u
        + (2 * p_0 - 5 * p_1 + 4 * p_2 - p_3) * u**2
        + (3 * p_1 - p_0 - 3 * p_2 + p_3) * u**3
    )
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, knots[-1:]])


def mirrored(half: ArrayLike, per: int = 6) -> Points:
    """Smooth closed outline symmetric about x = 0 from its right half, given from top to bottom."""
    right = np.asarray(half, dtype=np.float64)
    left = right[::-1] * [-1, 1]
    keep = np.abs(left[:, 0]) > 1e-9
    return smooth(np.concatenate([right, left[keep]]), per)


def ellipse(
    rx: float, ry: float, at: tuple[float, float] = (0.0, 0.0), n: int = 28, power: float = 1.0
) -> Points:
    """Ellipse of radii `rx`, `ry` about `at`; `power` below 1 squares it, above 1 makes it a star."""
    a = np.arange(n) * (2 * np.pi / n)
    c, s = np.cos(a), np.sin(a)
    x, y = np.sign(c) * np.abs(c) ** power, np.sign(s) * np.abs(s) ** power
    return np.stack([at[0] + rx * x, at[1] + ry * y], 1)


def box(width: float, height: float, at: tuple[float, float] = (0.0, 0.0), round_: float = 0.0) -> Points:
    """Rectangle about `at`, its corners rounded with radius `round_`."""
    r = min(round_, 0.499 * width, 0.499 * height)
    if r <= 0:
        corners = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]]) * [width / 2, height / 2]
        return np.asarray(corners + np.asarray(at))
    a = np.linspace(0, np.pi / 2, 5)
    arc = np.stack([np.cos(a), np.sin(a)], 1) * r
    inner = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [width / 2 - r, height / 2 - r]
    turn = [np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    return np.asarray(np.concatenate([inner[k] + arc @ turn[k] for k in range(4)]) + np.asarray(at))


def star(
    points: int, outer: float, inner: float, at: tuple[float, float] = (0.0, 0.0), turn: float = 0.0
) -> Points:
    """Star with sharp corners; `turn` in radians."""
    a = turn - np.pi / 2 + np.arange(2 * points) * np.pi / points
    r = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.stack([at[0] + r * np.cos(a), at[1] + r * np.sin(a)], 1)


def limb(length: float, profile: Sequence[tuple[float, float]], tip: float = 1.0) -> Points:
    """Tapered limb along +y from (0, 0): `profile` gives (share of length, half width).

    The end is rounded by `tip` times its half width and the start by its own half width.
    """
    s = np.array([p[0] for p in profile]) * length
    w = np.array([p[1] for p in profile])
    y = np.concatenate([np.linspace(s[k], s[k + 1], 4)[:-1] for k in range(len(s) - 1)] + [s[-1:]])
    x = np.interp(y, s, w)
    a = np.linspace(0, np.pi, 7)[1:-1]
    end = np.stack([w[-1] * np.cos(a), s[-1] + tip * w[-1] * np.sin(a)], 1)
    top = np.stack([-w[0] * np.cos(a), s[0] - w[0] * 0.8 * np.sin(a)], 1)
    return np.concatenate([np.stack([x, y], 1), end, np.stack([-x, y], 1)[::-1], top])


def lock(length: float, width: float, base: float = 0.8, belly: float = 0.3) -> Points:
    """Lock of hair along +y from (0, 0), widest at `belly`, ending in a point."""
    half = [
        (base * width, 0.0),
        (width, belly * length),
        (0.72 * width, 0.65 * length),
        (0.3 * width, 0.9 * length),
    ]
    right = smooth([*half, (0.0, length)], 5, closed=False)
    return np.concatenate([right, (right * [-1, 1])[::-1][1:], [[0.0, -0.5 * width]]])


def area(polygon: Points) -> float:
    """Signed area; positive when the outward normal is to the left of the direction of travel, on screen."""
    x, y = polygon[:, 0], polygon[:, 1]
    return float(0.5 * (x[:-1] @ y[1:] - x[1:] @ y[:-1] + x[-1] * y[0] - x[0] * y[-1]))


def normals(polygon: Points) -> Points:
    """Outward mitred normals (n, 2) of a closed polygon: moving along one by d moves both edges by d."""
    edge = np.concatenate([polygon[1:], polygon[:1]]) - polygon
    edge /= np.maximum(np.hypot(edge[:, 0], edge[:, 1]), 1e-9)[:, None]
    side = 1.0 if area(polygon) > 0 else -1.0
    out = edge[:, ::-1] * [side, -side]
    previous = np.concatenate([out[-1:], out[:-1]])
    dot = out[:, 0] * previous[:, 0] + out[:, 1] * previous[:, 1]
    return np.asarray((out + previous) / np.maximum(1 + dot, 0.55)[:, None])


def stroke(line: ArrayLike, width: float | Points, taper: tuple[float, float] = (1.0, 1.0)) -> Points:
    """Polygon of a pen stroke along an open line (n, 2); the ends' widths are multiplied by `taper`."""
    path = np.asarray(line, dtype=np.float64)
    step = np.empty_like(path)
    step[1:-1], step[0], step[-1] = path[2:] - path[:-2], path[1] - path[0], path[-1] - path[-2]
    step = step / np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)[:, None]
    s = np.arange(len(path)) / (len(path) - 1)
    swell = np.minimum(1, np.minimum(taper[0] + 4 * s, taper[1] + 4 * (1 - s)))
    half = (np.asarray(width, dtype=np.float64) * swell / 2)[:, None]
    side = np.stack([-step[:, 1], step[:, 0]], 1) * half
    return np.concatenate([path + side, (path - side)[::-1]])


def arc(
    rx: float, ry: float, start: float, end: float, at: tuple[float, float] = (0.0, 0.0), n: int = 12
) -> Points:
    """Open elliptic arc from angle `start` to `end` in degrees; 90 points down."""
    a = np.radians(np.linspace(start, end, n))
    return np.stack([at[0] + rx * np.cos(a), at[1] + ry * np.sin(a)], 1)
