"""Motion of layers: poses along arcs with a spacing each, a camera, and smooth bending."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from inbetween.data.synthetic.motion import Ease

Matrix = NDArray[np.float64]  # (3, 3) affine, homogeneous
Points = NDArray[np.float64]  # (P, 2), x then y

STEEPEST = 0.55  # Lipschitz constant of a bend's displacement: below 1 the bend is invertible
_TOLERANCE = 0.01  # pixels: of the fixed-point iteration that inverts a bend
_ITERATIONS = 12  # at most; each multiplies the error by STEEPEST or less


@dataclass(frozen=True)
class Pose:
    """Position, rotation and scale of a layer.

    Args:
        x: Pixels from the image's centre, to the right.
        y: Pixels from the image's centre, down.
        turn: Radians, clockwise on screen.
        grow: Logarithm of the scale.
        stretch: Logarithm of the ratio of vertical to horizontal scale, the area kept.
    """

    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0
    grow: float = 0.0
    stretch: float = 0.0


@dataclass(frozen=True)
class Motion:
    """Motion from one pose to another, along an arc, with its own spacing.

    Args:
        start: Pose at 0.
        end: Pose at 1.
        ease: Spacing: the share of the displacement reached at each time.
        arc: The path's largest distance from a straight line, as a share of its length; its sign is the side.
        shake: Amplitude of an oscillation around the path, in pixels.
        beat: Phase of that oscillation at 1, in radians.
        pivot: Pixels, x and y, from the layer's centre to the point of rotation and scaling.
    """

    start: Pose
    end: Pose
    ease: Ease = field(default_factory=Ease)
    arc: float = 0.0
    shake: float = 0.0
    beat: float = 0.0
    pivot: tuple[float, float] = (0.0, 0.0)

    def pose(self, s: float) -> Pose:
        """The pose at s in [0, 1]."""
        a, b, u = self.start, self.end, self.ease(s)
        bulge = self.arc * 4 * u * (1 - u)
        dx, dy = b.x - a.x, b.y - a.y
        return Pose(
            a.x + dx * u - dy * bulge + self.shake * math.sin(self.beat * s),
            a.y + dy * u + dx * bulge + self.shake * math.cos(1.3 * self.beat * s),
            a.turn + (b.turn - a.turn) * u,
            a.grow + (b.grow - a.grow) * u,
            a.stretch + (b.stretch - a.stretch) * u,
        )

    def shifted(self, x: float, y: float) -> "Motion":
        """The same motion, translated."""
        start = replace(self.start, x=self.start.x + x, y=self.start.y + y)
        return replace(self, start=start, end=replace(self.end, x=self.end.x + x, y=self.end.y + y))

    def matrix(self, s: float) -> Matrix:
        """Transform at s from the layer's coordinates to the image's, both relative to the centre."""
        p = self.pose(s)
        c, d = math.cos(p.turn), math.sin(p.turn)
        sx, sy = math.exp(p.grow - p.stretch / 2), math.exp(p.grow + p.stretch / 2)
        a, b, e, f = c * sx, -d * sy, d * sx, c * sy
        px, py = self.pivot
        x, y = p.x + px - a * px - b * py, p.y + py - e * px - f * py
        return np.array([[a, b, x], [e, f, y], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Camera:
    """A moving frame over layers at different depths.

    Args:
        motion: Apparent motion of a layer at depth 1.
    """

    motion: Motion

    def matrix(self, s: float, depth: float) -> Matrix:
        """Transform at s of a layer at a depth: the identity at 0, stronger for near layers (parallax)."""
        if depth == 0:
            return np.eye(3)
        p = self.motion.pose(s)
        scale = math.exp(p.grow * math.sqrt(depth))
        c, d = math.cos(p.turn) * scale, math.sin(p.turn) * scale
        return np.array([[c, -d, p.x * depth], [d, c, p.y * depth], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Hinge:
    """A part of a layer that swings about a pivot.

    Args:
        x: Pixels from the layer's centre to the pivot, to the right.
        y: The same, down.
        side: Direction from the pivot to the part, in radians.
        width: Pixels over which the rotation grows from none to full.
        first: Angle at the start, in radians.
        last: Angle at the end.
    """

    x: float
    y: float
    side: float
    width: float
    first: float
    last: float


class Bend:
    """A smooth deformation: travelling waves, and a part that swings about a pivot.

    A point q goes to

        q + sum_m a_m(u) v_m sin(k_m q + phase_m + rate_m s) + w(q) (R(angle(u)) - 1) (q - pivot),

    where u is the share of the motion done at s and w grows smoothly from 0 to 1 across the pivot. Amplitudes
    that would fold the layer are reduced.

    Args:
        ease: Spacing: the share of the motion done at each time.
        waves: (M, 8) rows k_x, k_y, v_x, v_y, phase, rate, a(0), a(1); k in radians per pixel, v in pixels.
        hinge: The swinging part, or None.
        radius: Pixels from the layer's centre to its farthest point.
    """

    def __init__(self, ease: Ease, waves: NDArray[np.float64], hinge: Hinge | None, radius: float) -> None:
        self.ease, self.hinge, self.radius = ease, hinge, radius
        self.k, self.v = waves[:, :2], waves[:, 2:4]
        self.phase, self.rate, self.low, self.high = waves[:, 4:].T
        limit = STEEPEST
        if hinge is not None:
            limit = STEEPEST / 2
            slope = 1 + 1.5 * radius / hinge.width
            share = min(limit / slope / max(abs(hinge.first), abs(hinge.last), 1e-9), 1.0)
            self.hinge = replace(hinge, first=hinge.first * share, last=hinge.last * share)
        most = np.hypot(*self.v.T) * np.maximum(np.abs(self.low), np.abs(self.high))
        share = min(limit / max(float((np.hypot(*self.k.T) * most).sum()), 1e-9), 1.0)
        self.v = self.v * share
        #: Largest displacement of a point in pixels.
        self.reach = float(most.sum()) * share
        if self.hinge is not None:
            angle = max(abs(self.hinge.first), abs(self.hinge.last))
            self.reach += (radius + math.hypot(self.hinge.x, self.hinge.y)) * angle

    def offsets(self, q: Points, s: float) -> Points:
        """The displacement of each point at s, (P, 2)."""
        u = self.ease(s)
        amount = self.low + (self.high - self.low) * u
        # without BLAS, whose last digits depend on the number of threads
        phase = q[:, :1] * self.k[:, 0] + q[:, 1:] * self.k[:, 1] + (self.phase + self.rate * s)
        moved = np.einsum("pm,mc->pc", np.sin(phase), self.v * amount[:, None])
        if self.hinge is not None:
            h = self.hinge
            angle = h.first + (h.last - h.first) * u
            x, y = q[:, 0] - h.x, q[:, 1] - h.y
            w = np.clip((x * math.cos(h.side) + y * math.sin(h.side)) / h.width, 0.0, 1.0)
            w = w * w * (3 - 2 * w)
            c, d = math.cos(angle) - 1, math.sin(angle)
            moved[:, 0] += w * (c * x - d * y)
            moved[:, 1] += w * (d * x + c * y)
        return np.asarray(moved)

    def inverse(self, moved: Points, s: float) -> Points:
        """The inverse: the points that the bend moves to `moved` at s, (P, 2)."""
        q = moved
        for _ in range(_ITERATIONS):
            q, before = moved - self.offsets(q, s), q
            if np.abs(q - before).max() < _TOLERANCE:
                break
        return q
