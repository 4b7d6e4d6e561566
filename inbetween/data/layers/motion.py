"""Motion of layers: poses along arcs with a spacing each, a camera, and smooth bending."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from inbetween.data.synthetic.motion import Ease

Matrix = NDArray[np.float64]  # (3, 3) affine, homogeneous
Points = NDArray[np.float64]  # (P, 2), x then y

STEEPEST = 0.55  # how much neighbouring points may be pulled together: below 1 a bend can be undone
_NEAR = 0.01  # pixels: when undoing a bend comes to an end
_ROUNDS = 12  # of undoing a bend; each leaves at most STEEPEST of the error


@dataclass(frozen=True)
class Pose:
    """Where something stands.

    Args:
        x: Pixels from the image's middle.
        y: Pixels from the image's middle, down.
        turn: Radians, clockwise on screen.
        grow: Logarithm of the scale.
        stretch: Logarithm of how much taller it is than wide, its area kept.
    """

    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0
    grow: float = 0.0
    stretch: float = 0.0


@dataclass(frozen=True)
class Motion:
    """From one pose to another, along an arc, with a spacing of its own.

    Args:
        start: Pose at 0.
        end: Pose at 1.
        ease: Share of the way done at each time.
        arc: How far the path bulges halfway, as a share of its length; the sign says to which side.
        shake: Pixels of trembling beside the path.
        beat: Radians of trembling from 0 to 1.
        pivot: Pixels, x and y, from the middle of what moves to the point it turns and grows about.
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
        """The same motion beside it."""
        start = replace(self.start, x=self.start.x + x, y=self.start.y + y)
        return replace(self, start=start, end=replace(self.end, x=self.end.x + x, y=self.end.y + y))

    def matrix(self, s: float) -> Matrix:
        """From what moves, its origin in its middle, to the image, its origin in its middle."""
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
        motion: Of the image's content, as a layer at depth 1 shows it.
    """

    motion: Motion

    def matrix(self, s: float, depth: float) -> Matrix:
        """How a layer is shifted, turned and magnified: near ones more, at depth 0 not at all."""
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
        x: Pixels of the pivot from the layer's middle.
        y: The same, down.
        side: Radians: on which side of the pivot the part lies.
        width: Pixels over which the swing grows from nothing to all.
        first: Radians at the start.
        last: Radians at the end.
    """

    x: float
    y: float
    side: float
    width: float
    first: float
    last: float


class Bend:
    """A smooth deformation: waves that run through a layer, and a part that swings about a pivot.

    A point q goes to

        q + sum_m a_m(u) v_m sin(k_m q + phase_m + rate_m s) + w(q) (R(angle(u)) - 1) (q - pivot),

    where u is the share of the motion done at s and w grows smoothly from 0 to 1 across the pivot. What would
    fold the layer is lowered.

    Args:
        ease: Share of the way done at each time.
        waves: (M, 8) rows k_x, k_y, v_x, v_y, phase, rate, a(0), a(1); k in radians per pixel, v in pixels.
        hinge: What swings, or None.
        radius: Pixels from the layer's middle to its farthest point.
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
        #: Pixels that a point is moved at most.
        self.reach = float(most.sum()) * share
        if self.hinge is not None:
            angle = max(abs(self.hinge.first), abs(self.hinge.last))
            self.reach += (radius + math.hypot(self.hinge.x, self.hinge.y)) * angle

    def offsets(self, q: Points, s: float) -> Points:
        """How far each point is moved at s, (P, 2)."""
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

    def undo(self, moved: Points, s: float) -> Points:
        """The points that are moved to `moved` at s, (P, 2)."""
        q = moved
        for _ in range(_ROUNDS):
            q, before = moved - self.offsets(q, s), q
            if np.abs(q - before).max() < _NEAR:
                break
        return q
