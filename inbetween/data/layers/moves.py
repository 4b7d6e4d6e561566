"""Random motion of layers and camera: distances, paths and spacings."""

import numpy as np
from numpy.typing import NDArray

from inbetween.data.layers.motion import Bend, Hinge, Motion, Pose
from inbetween.data.synthetic.motion import Ease

_LARGEST = 0.34  # displacement, as a share of the shorter side
_MEDIAN = 0.07  # of the scenes' displacements


class Mover:
    """Samples the motion of a scene's camera and layers.

    Args:
        size: Height and width of the image in pixels.
        motion: Largest displacement as a share of the shorter side; None samples one: small ones are common,
            and one in twenty reaches a third.
        still: Probability that the camera does not move.
        rng: Source of all randomness.
    """

    def __init__(
        self, size: tuple[int, int], motion: float | None, still: float, rng: np.random.Generator
    ) -> None:
        self.size, self.rng, self.unit = size, rng, float(min(size))
        sampled = float(np.clip(np.exp(rng.normal(np.log(_MEDIAN), 0.95)), 0.004, _LARGEST))
        #: Typical displacement in pixels.
        self.amount = self.unit * (sampled if motion is None else motion * float(rng.uniform(0.1, 1.0)))
        self.pans = bool(rng.random() >= still)

    def camera(self) -> Motion:
        """The camera's motion: mostly pans, some zooms and rotations, a little shake."""
        rng, far = self.rng, self.amount * self.rng.uniform(0.3, 0.9)
        angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.integers(4) * np.pi / 2
        pan = far if rng.random() < 0.75 else 0.0
        rim = far / (self.unit / 2)
        zoom = np.clip(rng.uniform(-1, 1) * rim, -0.35, 0.35) if rng.random() < 0.4 or not pan else 0.0
        turn = np.clip(rng.uniform(-0.6, 0.6) * rim, -0.25, 0.25) if rng.random() < 0.2 else 0.0
        shake = min(0.25 * far, 0.02 * self.unit) * rng.random() if rng.random() < 0.12 else 0.0
        dx, dy = pan * np.cos(angle) / 2, pan * np.sin(angle) / 2
        middle = rng.uniform(-0.15, 0.15) if zoom else 0.0
        start = Pose(-dx, -dy, -turn / 2, middle - zoom / 2)
        end = Pose(dx, dy, turn / 2, middle + zoom / 2)
        arc = rng.uniform(-0.2, 0.2) if rng.random() < 0.2 else 0.0
        return Motion(start, end, self.ease(), arc, shake, rng.uniform(6, 30))

    def ease(self) -> Ease:
        """A spacing: mostly even; else eased at one end or both, some delayed, some with overshoot."""
        rng = self.rng
        if rng.random() < 0.45:
            return Ease()
        soft_in, soft_out = 1 + rng.random(2) * 1.2 * (rng.random(2) < 0.7)
        delay = rng.uniform(0.05, 0.35) if rng.random() < 0.1 else 0.0
        overshoot = rng.uniform(0.03, 0.12) if rng.random() < 0.08 else 0.0
        return Ease(float(soft_in), float(soft_out), float(delay), float(overshoot))

    def path(self, side: float, carried: bool) -> Motion:
        """The motion of a sprite; some stand still."""
        rng = self.rng
        height, width = self.size
        spread = (0.3 * side, 0.3 * side) if carried else (0.42 * height, 0.42 * width)
        y, x = rng.uniform(-1, 1, 2) * spread
        lean = rng.uniform(-0.2, 0.2) if rng.random() < 0.9 else rng.uniform(-np.pi, np.pi)
        if rng.random() < 0.2:
            pose = Pose(float(x), float(y), float(lean))
            return Motion(pose, pose)
        far = self.amount * rng.uniform(0.25, 1.0) * (0.6 if self.pans or carried else 1.0)
        angle = rng.uniform(0, 2 * np.pi)
        dx, dy = far * np.cos(angle) / 2, far * np.sin(angle) / 2
        rim = self.amount / max(side / 2, 1.0)
        turn = np.clip(rng.normal(0, 0.4) * rim, -0.8, 0.8) if rng.random() < 0.6 else 0.0
        grow = np.clip(rng.normal(0, 0.25) * rim, -0.35, 0.35) if rng.random() < 0.4 else 0.0
        stretch = np.clip(rng.normal(0, 0.2) * rim, -0.3, 0.3) if rng.random() < 0.25 else 0.0
        arc = rng.uniform(-0.35, 0.35) if rng.random() < 0.4 else 0.0
        start = Pose(
            float(x - dx), float(y - dy), float(lean - turn / 2), float(-grow / 2), float(-stretch / 2)
        )
        end = Pose(float(x + dx), float(y + dy), float(lean + turn / 2), float(grow / 2), float(stretch / 2))
        return Motion(start, end, self.ease(), float(arc))

    def bend(self, side: float, ease: Ease, line_boil: bool) -> Bend | None:
        """Deform a sprite at random: waves, a swinging part, and line boil where it is asked for."""
        rng = self.rng
        bends, swings = rng.random() < 0.4, rng.random() < 0.3
        if not (bends or swings or line_boil):
            return None
        rows = []
        if bends:
            for _ in range(int(rng.integers(1, 3))):
                length = side * rng.uniform(0.5, 1.6)
                far = min(self.amount * rng.uniform(0.1, 0.6), 0.15 * side)
                rows.append(self._wave(length, far, 0.0, *rng.uniform(-1, 1, 2)))
        if line_boil:
            for _ in range(2):
                length = max(side * rng.uniform(0.25, 0.8), 12.0)
                rows.append(
                    self._wave(length, self.unit * rng.uniform(0.001, 0.004), rng.uniform(8, 40), 1.0, 1.0)
                )
        hinge = None
        if swings:
            rim = self.amount / (0.4 * side)
            angle, middle = float(rng.normal(0, 0.6) * rim), rng.uniform(-0.5, 0.5)
            x, y = rng.uniform(-0.25, 0.25, 2) * side
            hinge = Hinge(
                float(x), float(y), float(rng.uniform(0, 2 * np.pi)), float(side * rng.uniform(0.3, 0.8)),
                float((middle - 0.5) * angle), float((middle + 0.5) * angle),
            )  # fmt: skip
        return Bend(ease, np.array(rows).reshape(-1, 8), hinge, 0.6 * side)

    def _wave(self, length: float, far: float, rate: float, low: float, high: float) -> NDArray[np.float64]:
        along, across, phase = self.rng.uniform(0, 2 * np.pi, 3)
        k = 2 * np.pi / length
        return np.array(
            [
                k * np.cos(along),
                k * np.sin(along),
                far * np.cos(across),
                far * np.sin(across),
                phase,
                rate,
                low,
                high,
            ]
        )
