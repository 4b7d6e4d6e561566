"""Motion: eased values, a tree of joints, and limbs that bend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inbetween.data.synthetic.curves import Points

Matrix = NDArray[np.float64]  # (3, 3) affine, homogeneous
Memo = dict["Joint", Matrix]


@dataclass(frozen=True)
class Ease:
    """Easing: 0 at t = 0, 1 at t = 1, continuous, slower at a soft start or end.

    Args:
        soft_in: Exponent in [1, 3] of the start; 1 is linear.
        soft_out: Exponent in [1, 3] of the end; 1 is linear.
        delay: Share of the span before the motion starts (follow-through of hair and cloth).
        overshoot: Overshoot before the motion settles, as a share of it.
    """

    soft_in: float = 1.0
    soft_out: float = 1.0
    delay: float = 0.0
    overshoot: float = 0.0

    def __call__(self, t: float) -> float:
        """Share of the motion done at t in [0, 1]."""
        u = min(max((t - self.delay) / (1 - self.delay), 0.0), 1.0)
        into, out = u**self.soft_in, 1 - (1 - u) ** self.soft_out
        e = (1 - u) * into + u * out
        return float(e + self.overshoot * 4 * u * (1 - u) * u)


@dataclass(frozen=True)
class Track:
    """A value from `start` to `end` with easing, with an additional `arc` at halfway."""

    start: float
    end: float
    ease: Ease
    arc: float = 0.0

    def __call__(self, t: float) -> float:
        """The value at t in [0, 1]."""
        e = self.ease(t)
        bulge = self.arc * math.sin(math.pi * min(max(e, 0.0), 1.0)) if self.arc else 0.0
        return self.start + (self.end - self.start) * e + bulge


Value = float | Track


def at(value: Value, t: float) -> float:
    """`value` at t: itself when it is a number."""
    return value(t) if isinstance(value, Track) else value


def times(value: Value, factor: float) -> Value:
    """`value` scaled by `factor` at every t."""
    if isinstance(value, Track):
        return Track(value.start * factor, value.end * factor, value.ease, value.arc * factor)
    return value * factor


def inverse(track: Track) -> Track:
    """The width that preserves the area, at both keyframes, for a height of `track`."""
    return Track(1 / track.start, 1 / track.end, track.ease)


class Joint:
    """A node of the skeleton, relative to its parent.

    local = translate(at + shift) rotate(turn) shear(lean) scale(size). Rest coordinates of parts
    have their origin at their joint.

    Args:
        parent: Its parent joint; None for the world.
        at: Position in the parent's coordinates.
        turn: Angle in degrees, clockwise on screen.
        shift: Further displacement, x and y.
        size: Scale of x and y.
        lean: x gained for each unit of y.
    """

    def __init__(
        self,
        parent: "Joint | None" = None,
        at: tuple[float, float] = (0.0, 0.0),
        turn: Value = 0.0,
        shift: tuple[Value, Value] = (0.0, 0.0),
        size: tuple[Value, Value] = (1.0, 1.0),
        lean: Value = 0.0,
    ) -> None:
        self.parent, self.at, self.turn = parent, at, turn
        self.shift, self.size, self.lean = shift, size, lean

    def local(self, t: float) -> Matrix:
        """Frame at t in the parent's coordinates, (3, 3)."""
        a = math.radians(at(self.turn, t))
        c, s = math.cos(a), math.sin(a)
        sx, sy, lean = at(self.size[0], t), at(self.size[1], t), at(self.lean, t)
        x, y = self.at[0] + at(self.shift[0], t), self.at[1] + at(self.shift[1], t)
        return np.array([[c * sx, (c * lean - s) * sy, x], [s * sx, (s * lean + c) * sy, y], [0.0, 0.0, 1.0]])

    def world(self, t: float, memo: Memo) -> Matrix:
        """Frame at t in world coordinates; `memo` keeps the frames of one t."""
        matrix = memo.get(self)
        if matrix is None:
            matrix = self.local(t)
            if self.parent is not None:
                matrix = self.parent.world(t, memo) @ matrix
            memo[self] = matrix
        return matrix


class Feature(Joint):
    """A point on a sphere of radius `radius` that turns and nods: eyes, nose and hair of a head in 3-D.

    The point is at `spot` on the front of the sphere; turning by `yaw` degrees moves it sideways and
    foreshortens its surroundings, which is affine for each point.
    """

    def __init__(
        self,
        parent: Joint,
        spot: tuple[float, float],
        radius: float,
        yaw: Value,
        nod: Value,
        turn: Value = 0.0,
        size: tuple[Value, Value] = (1.0, 1.0),
    ) -> None:
        super().__init__(parent, spot, turn, size=size)
        self.radius, self.yaw, self.nod = radius, yaw, nod
        self.around = [math.asin(min(max(s / radius, -0.9), 0.9)) for s in spot]

    def local(self, t: float) -> Matrix:
        """Frame at t in the parent's coordinates, (3, 3)."""
        matrix = super().local(t)
        for axis, value in enumerate((self.yaw, self.nod)):
            angle = self.around[axis] + math.radians(at(value, t))
            angle = min(max(angle, -1.2), 1.2)
            matrix[axis, 2] += self.radius * (math.sin(angle) - math.sin(self.around[axis]))
            matrix[axis, :2] *= max(math.cos(angle) / math.cos(self.around[axis]), 0.3)
        return matrix


class Bend:
    """A limb along +y that bends: a strip of triangles, each of them affine at every t.

    The centre line turns away from straight down by theta(s) = sum of angle * smoothstep about each
    knuckle; positive angles turn towards +x. Parts on the limb move with the triangles.

    Args:
        joint: Where the limb starts.
        length: Length of the centre line at rest.
        reach: Half width of the strip; at least that of the parts on it.
        knuckles: (share of the length, width of the bend as a share, angle in degrees).
        pad: Share of the length by which the strip extends straight beyond both ends.
        n: Segments between both ends.
    """

    def __init__(
        self,
        joint: Joint,
        length: float,
        reach: float,
        knuckles: Sequence[tuple[float, float, Value]],
        pad: float = 0.3,
        n: int = 9,
    ) -> None:
        self.joint, self.length, self.reach, self.knuckles = joint, length, reach, knuckles
        s = np.concatenate([[-pad], np.linspace(0, 1, n + 1), [1 + pad]])
        self.s, self.y = s, s * length
        middle = (s[:-1] + s[1:]) / 2
        self.blend = np.stack([self._smoothstep((middle - k) / max(w, 1e-3) + 0.5) for k, w, _ in knuckles])
        self.blend_at = np.stack([self._smoothstep((s - k) / max(w, 1e-3) + 0.5) for k, w, _ in knuckles])
        i = np.arange(n + 2)
        left, right = 2 * i, 2 * i + 1
        self.corners = np.stack([left, right, left + 2, right, right + 2, left + 2], 1).reshape(-1, 3)
        rest = np.empty((2 * len(s), 2))
        rest[0::2], rest[1::2] = np.stack([-reach + 0 * s, self.y], 1), np.stack([reach + 0 * s, self.y], 1)
        self.rest = rest
        homogeneous = np.concatenate([rest, np.ones((len(rest), 1))], 1)[self.corners].transpose(0, 2, 1)
        self.unrest = np.linalg.inv(homogeneous)

    @property
    def pieces(self) -> int:
        """Number of triangles."""
        return len(self.corners)

    @staticmethod
    def _smoothstep(x: Points) -> Points:
        x = np.clip(x, 0, 1)
        return x * x * (3 - 2 * x)

    def triangle(self, points: Points) -> NDArray[np.intp]:
        """Index of the triangle of each rest point (n, 2)."""
        i = np.clip(np.searchsorted(self.y, points[:, 1], side="right") - 1, 0, len(self.y) - 2)
        a = (points[:, 0] + self.reach) / (2 * self.reach)
        b = (points[:, 1] - self.y[i]) / (self.y[i + 1] - self.y[i])
        return 2 * i + (a + b > 1)

    def centre(self, t: float) -> tuple[Points, NDArray[np.float64]]:
        """Centre line (m, 2) in the joint's coordinates and its angles theta (m,) in radians."""
        angles = np.radians([at(value, t) for _, _, value in self.knuckles])
        theta, theta_at = angles @ self.blend, angles @ self.blend_at
        step = np.stack([np.sin(theta), np.cos(theta)], 1) * np.diff(self.y)[:, None]
        line = np.concatenate([np.zeros((1, 2)), np.cumsum(step, 0)])
        return line - line[1], theta_at

    def affines(self, t: float, memo: Memo) -> NDArray[np.float64]:
        """(K, 2, 3) affines from rest to world, one for each triangle."""
        line, theta = self.centre(t)
        side = np.stack([np.cos(theta), -np.sin(theta)], 1) * self.reach
        posed = np.empty_like(self.rest)
        posed[0::2], posed[1::2] = line - side, line + side
        frame = self.joint.world(t, memo)
        posed = posed @ frame[:2, :2].T + frame[:2, 2]
        return np.asarray(posed[self.corners].transpose(0, 2, 1) @ self.unrest)


class Tip(Joint):
    """The frame at a share `s` of a bent limb: for a hand-held object."""

    def __init__(
        self, bend: Bend, s: float = 1.0, turn: Value = 0.0, size: tuple[Value, Value] = (1.0, 1.0)
    ) -> None:
        super().__init__(bend.joint, (0.0, 0.0), turn, size=size)
        self.bend, self.s = bend, s

    def local(self, t: float) -> Matrix:
        """Frame at t in the limb's joint's coordinates, (3, 3)."""
        line, theta = self.bend.centre(t)
        angle = float(np.interp(self.s, self.bend.s, theta))
        matrix = super().local(t)
        c, s = math.cos(angle), math.sin(angle)
        # theta turns +y towards +x, against the clockwise rotation of a joint
        frame = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        frame[:2, 2] = [np.interp(self.s, self.bend.s, line[:, k]) for k in (0, 1)]
        return frame @ matrix
