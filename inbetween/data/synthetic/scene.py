"""One scene of synthetic animation: rendered at any t, with ground-truth motion."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.synthetic.backdrop import backdrop
from inbetween.data.synthetic.cast import cast
from inbetween.data.synthetic.motion import Joint
from inbetween.data.synthetic.parts import Image, Part
from inbetween.data.synthetic.pen import Kind, Mover, Pen
from inbetween.data.synthetic.stage import Stage, View
from inbetween.functional.seeds import sample_seed

KINDS: tuple[Kind, ...] = ("sketch", "color", "composition")
SUPERSAMPLE = 2  # rendered twice as large and averaged, against aliasing
STILL = 0.5  # pixels: a point that moves less from 0 to 1 has no spacing of its own
Flow = NDArray[np.float32]


class SyntheticScene:
    """A rendered scene, a pure function of (seed, index, kind).

    World coordinates have their origin at the frame's centre, y down, and 1 is the shorter side.
    Each part is a layer under an affine transform, or a bent limb of triangles that are affine each,
    so flow, occlusion and spacing follow from geometry alone. Shadows on the ground, glow and paper
    grain are rendered, but have no motion of their own: their pixels belong to the layer below.

    Args:
        seed: Base of the random stream.
        index: Number of the scene under this seed.
        kind: sketch (rough lines on paper), color (clean lines and flat fills on plain paper) or
            composition (painted background, shading).
        amount: Size of the motion in (0, 1.5]; None samples one, mostly small, about a tenth very large.
    """

    def __init__(self, seed: int, index: int, kind: Kind = "color", amount: float | None = None) -> None:
        rng = np.random.default_rng(sample_seed(seed, index, KINDS.index(kind)))
        if amount is None:
            amount = float(rng.uniform(1.0, 1.4) if rng.random() < 0.1 else 0.05 + 0.65 * rng.random() ** 1.5)
        self.kind, self.amount = kind, amount
        mover = Mover(rng, amount)
        self.camera = _camera(rng, mover)
        self.scenery = backdrop(rng, kind, self.camera)
        pen = Pen(rng, kind, self.scenery.paper)
        self.groups: list[list[Part]] = [*self.scenery.groups(pen), *cast(pen, mover, self.camera)]
        self.groups += self.scenery.front(pen)
        self.stage = Stage(self.groups, self.scenery.plane)
        self._painted: dict[tuple[int, int], Image] = {}
        self._warped: tuple[Image, NDArray[np.float64]] | None = None
        self._labels: dict[tuple[float, int, int], NDArray[np.int32]] = {}

    @staticmethod
    def _view(size: tuple[int, int], factor: int = 1) -> View:
        height, width = size
        return View(float(min(height, width) * factor), width * factor / 2 - 0.5, height * factor / 2 - 0.5)

    def draw(self, t: float, size: tuple[int, int]) -> Image:
        """The frame at t in [0, 1]: (H, W, 3) uint8 RGB for `size` = (H, W)."""
        height, width = size
        canvas = self._background(t, size)
        self.stage.draw(canvas, t, self._view(size, SUPERSAMPLE))
        frame = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
        return self.scenery.finish(frame)

    def _background(self, t: float, size: tuple[int, int]) -> Image:
        height, width = size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE
        if size not in self._painted:
            self._painted[size] = self.scenery.painted(size, SUPERSAMPLE)
        image = self._painted[size]
        if not self.scenery.paint:
            return image.copy()
        view = self._view(size, SUPERSAMPLE)
        pixels = np.array([[view.scale, 0, view.dx], [0, view.scale, view.dy], [0, 0, 1.0]])
        matrix = pixels @ self.scenery.plane.world(t, {}) @ self.scenery.to_rest(size, image.shape[:2])
        if (
            self._warped is None
            or self._warped[0].shape[:2] != (height, width)
            or (matrix != self._warped[1]).any()
        ):
            # four channels: OpenCV warps them three times as fast as three
            warped = cv2.warpAffine(
                image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            self._warped = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB), matrix
        return self._warped[0].copy()

    def _affines(self, t: float, size: tuple[int, int]) -> NDArray[np.float64]:
        """(L, 3, 3): from rest coordinates to pixels at t, for each label."""
        rows = self.stage.affines(t)[self.stage.label_row]
        full = np.zeros((len(rows), 3, 3))
        full[:, :2], full[:, 2, 2] = rows, 1.0
        view = self._view(size)
        return np.array([[view.scale, 0, view.dx], [0, view.scale, view.dy], [0, 0, 1.0]]) @ full

    def labels(self, t: float, size: tuple[int, int]) -> NDArray[np.int32]:
        """(H, W) int32: the affine piece on top at each pixel at t; 0 is the background."""
        key = (t, *size)
        if key not in self._labels:
            self._labels[key] = self.stage.label(size, t, self._view(size))
        return self._labels[key]

    def flow(self, t_from: float, t_to: float, size: tuple[int, int]) -> Flow:
        """Displacement of the surface point at each pixel of the frame at t_from.

        Args:
            t_from: Time of the frame at whose pixels the flow is given, in [0, 1].
            t_to: Time that the flow points to, in [0, 1].
            size: (H, W).

        Returns:
            (2, H, W) float32 in pixels, x then y.
        """
        moved = self._affines(t_to, size) @ np.linalg.inv(self._affines(t_from, size))
        label = self.labels(t_from, size)
        table = (moved[:, :2] - np.eye(3)[:2]).reshape(-1, 6).astype(np.float32)
        m = np.take(table, label.ravel(), 0).reshape(*size, 6)
        y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
        dx, dy = m[..., 0] * x + m[..., 1] * y + m[..., 2], m[..., 3] * x + m[..., 4] * y + m[..., 5]
        return np.asarray(np.stack([dx, dy]), np.float32)

    def visible(self, t_from: float, t_to: float, size: tuple[int, int]) -> Flow:
        """(1, H, W) float32: 1 where the surface point at t_from's pixel is topmost and in frame at t_to."""
        height, width = size
        flow = self.flow(t_from, t_to, size)
        y, x = np.mgrid[:height, :width]
        column, row = np.rint(x + flow[0]).astype(int), np.rint(y + flow[1]).astype(int)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        owner = self.stage.owner
        there = owner[self.labels(t_to, size)[row.clip(0, height - 1), column.clip(0, width - 1)]]
        return np.asarray((inside & (there == owner[self.labels(t_from, size)]))[None], np.float32)

    def spacing(self, t: float, size: tuple[int, int]) -> Flow:
        """How far along its path the surface point at each pixel of the frame at t has moved.

        With x(s) the point's position at time s, this is the projection on the line between keyframes,
        <x(t) - x(0), x(1) - x(0)> / |x(1) - x(0)|^2, clipped to [0, 1] (distance indexing,
        arXiv 2311.08007). Points that move less than half a pixel between keyframes have spacing t.

        Returns:
            (1, H, W) float32 in [0, 1].
        """
        to_first, to_last = self.flow(t, 0.0, size), self.flow(t, 1.0, size)
        path = to_last - to_first
        length = np.sum(path**2, 0)
        share = np.clip(np.sum(-to_first * path, 0) / np.maximum(length, 1e-6), 0, 1)
        return np.asarray(np.where(length < STILL**2, np.float32(t), share)[None], np.float32)


def _camera(rng: np.random.Generator, mover: Mover) -> Joint:
    if rng.random() < 0.55:
        return Joint()
    pan = 0.16
    zoom = mover.track(1.0, 0.16, still=0.5)
    return Joint(
        None,
        (0.0, 0.0),
        turn=mover.track(0, 6, still=0.6),
        size=(zoom, zoom),
        shift=(mover.track(0, pan), mover.track(0, 0.6 * pan, still=0.5)),
    )
