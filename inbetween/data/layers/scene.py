"""One scene of layers, rendered at any time, with its true motion."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.layers.motion import Bend, Camera, Matrix, Motion, Points
from inbetween.data.layers.store import Texture

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Area = tuple[slice, slice]

STILL = 0.5  # pixels: a point that moves less between the keyframes has spacing t
_CELL = 8  # pixels between grid points; coordinates are computed there and interpolated between
_MARGIN = 2  # grid points around an area, for the interpolation
_SOLID = 127  # opacity above which a layer hides what lies behind it
_LONGEST = 41  # pixels of motion blur


@dataclass(frozen=True)
class Layer:
    """An image that moves.

    A point q of the layer, in pixels from its centre at scale 1, is seen at
    camera(s) ... carrier(s) motion(s) (q + bend(q, s)).

    Args:
        texture: Its image.
        density: Texture pixels per pixel at scale 1.
        motion: Its own motion.
        bend: Its deformation.
        depth: Parallax: 1 moves with the camera as a background does, 0 not at all.
        carriers: Motions of the layers that it is attached to, applied after its own in this order.
        endless: The texture is continued by reflection, for backgrounds.
        solid: It has its own flow; the pixels of a shadow have the flow of the layer below.
        shutter: Exposure as a share of the time between two frames, for motion blur.
    """

    texture: Texture
    density: float
    motion: Motion
    bend: Bend | None = None
    depth: float = 1.0
    carriers: tuple[Motion, ...] = ()
    endless: bool = False
    solid: bool = True
    shutter: float = 0.0


class Frame(NamedTuple):
    """A rendered frame."""

    image: Image
    layer: NDArray[np.uint8]  # (H, W) number of the layer on top, counted from 0
    flows: NDArray[np.float32]  # (H, W, 2 K) flow (x, y) in pixels to each of K times


class LayerScene:
    """Layers over a background, rendered at any time.

    Args:
        layers: From the farthest to the nearest, the first one endless; at most 255.
        camera: The camera.
        size: Height and width in pixels.
        step: Time between two frames, for motion blur.
    """

    def __init__(self, layers: list[Layer], camera: Camera, size: tuple[int, int], step: float) -> None:
        self.layers, self.camera, self.size, self.step = layers, camera, size, step
        self.middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])

    def _matrix(self, layer: Layer, s: float) -> Matrix:
        """Transform from the layer's points to pixels at s, (3, 3), without its bend."""
        matrix = layer.motion.matrix(s)
        for carrier in layer.carriers:
            matrix = carrier.matrix(s) @ matrix
        matrix = self.camera.matrix(s, layer.depth) @ matrix
        matrix[:2, 2] += self.middle
        return matrix

    def places(self, layer: Layer, points: Points, s: float) -> Points:
        """Where points of a layer are seen at s, (P, 2) in pixels."""
        if layer.bend is not None:
            points = points + layer.bend.offsets(points, s)
        return _moved(points, self._matrix(layer, s))

    def points(self, layer: Layer, places: Points, s: float) -> Points:
        """The points of a layer seen at places (P, 2) in pixels at s."""
        inverse = np.asarray(np.linalg.inv(self._matrix(layer, s)), np.float64)
        points = _moved(places, inverse)
        return points if layer.bend is None else layer.bend.inverse(points, s)

    def _area(self, layer: Layer, s: float, margin: float) -> Area | None:
        """The part of the image that a layer can cover, or None."""
        height, width = self.size
        if layer.endless:
            return slice(0, height), slice(0, width)
        high, wide = (length / layer.density / 2 for length in layer.texture.shape[:2])
        if layer.bend is not None:
            high, wide = high + layer.bend.reach, wide + layer.bend.reach
        corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]])
        corners = _moved(corners, self._matrix(layer, s))
        left, top = np.floor(corners.min(0) - 1 - margin).clip(0).astype(int)
        right, bottom = np.ceil(corners.max(0) + 2 + margin).astype(int)
        right, bottom = min(right, width), min(bottom, height)
        return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None

    def render(self, s: float, others: tuple[float, ...] = ()) -> Frame:
        """Render the frame at s in [0, 1], with its flow to other times."""
        height, width = self.size
        canvas = np.zeros((height, width, 4), np.uint8)
        number = np.zeros((height, width), np.uint8)
        flows = np.zeros((height, width, 2 * len(others)), np.float32)
        for k, layer in enumerate(self.layers):
            speed = self._speed(layer, s) if layer.shutter else np.zeros(2)
            blur = min(float(np.hypot(*speed)), _LONGEST)
            area = self._area(layer, s, blur / 2)
            if area is None:
                continue
            grid = _Grid(area)
            points = self.points(layer, grid.places, s)
            seen = self._show(layer, grid, points)
            if blur > 2:
                seen = cv2.filter2D(seen, -1, _blur_kernel(speed, blur), borderType=cv2.BORDER_REPLICATE)
            opacity = cv2.extractChannel(seen, 3)
            below = cv2.multiply(canvas[area], cv2.merge([255 - opacity] * 4), scale=1 / 255)
            canvas[area] = cv2.add(below, seen)
            if layer.solid:
                solid = cv2.threshold(opacity, _SOLID, 255, cv2.THRESH_BINARY)[1]
                cv2.copyTo(np.full_like(opacity, k), solid, number[area])
                if others:
                    moved = [self.places(layer, points, other) - grid.places for other in others]
                    smooth = layer.bend is not None
                    cv2.copyTo(grid.filled(np.concatenate(moved, 1), smooth), solid, flows[area])
        return Frame(np.asarray(cv2.cvtColor(canvas, cv2.COLOR_RGBA2RGB), np.uint8), number, flows)

    def _show(self, layer: Layer, grid: "_Grid", points: Points) -> Texture:
        """A layer rendered in an area, (h, w, 4)."""
        rows, columns = layer.texture.shape[:2]
        place = points * layer.density + [(columns - 1) / 2, (rows - 1) / 2]
        border = cv2.BORDER_REFLECT if layer.endless else cv2.BORDER_CONSTANT
        lookup = grid.filled(place, layer.bend is not None)
        return np.asarray(
            cv2.remap(layer.texture, lookup, None, cv2.INTER_LINEAR, borderMode=border), np.uint8
        )

    def _speed(self, layer: Layer, s: float) -> NDArray[np.float64]:
        """Displacement (x, y) in pixels of the layer's centre during the exposure at s."""
        half = layer.shutter * self.step / 2
        early, late = max(s - half, 0.0), min(s + half, 1.0)
        middle = np.zeros((1, 2))
        moved = (self.places(layer, middle, late) - self.places(layer, middle, early))[0]
        return np.asarray(moved * (2 * half / (late - early)))

    def visible(self, frame: Frame, there: Frame) -> NDArray[np.float32]:
        """Visibility (1, H, W): 1 where a frame's point is inside the other image and not occluded there.

        Args:
            frame: Rendered with its flow to the other frame's time first.
            there: The other frame.
        """
        height, width = self.size
        y, x = np.mgrid[:height, :width]
        column = np.rint(x + frame.flows[..., 0]).astype(int)
        row = np.rint(y + frame.flows[..., 1]).astype(int)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        same = there.layer[row.clip(0, height - 1), column.clip(0, width - 1)] == frame.layer
        return np.asarray((inside & same)[None], np.float32)


def spacing(to_first: NDArray[np.float32], to_last: NDArray[np.float32], t: float) -> NDArray[np.float32]:
    """How far each pixel's point has moved along its path at t.

    With x(s) its position at s, this is <x(t) - x(0), x(1) - x(0)> / |x(1) - x(0)|^2, clipped to [0, 1]
    (distance indexing, arXiv 2311.08007), and t where it moves less than half a pixel between the keyframes.

    Args:
        to_first: (2, H, W) x(0) - x(t).
        to_last: (2, H, W) x(1) - x(t).
        t: The time of the frame.

    Returns:
        (1, H, W).
    """
    displacement = to_last - to_first
    length = np.sum(displacement**2, 0)
    share = np.clip(np.sum(-to_first * displacement, 0) / np.maximum(length, 1e-6), 0, 1)
    return np.asarray(np.where(length < STILL**2, np.float32(t), share)[None], np.float32)


def _moved(points: Points, matrix: Matrix) -> Points:
    """Points (P, 2) under an affine map; without BLAS, whose last digits depend on the number of threads."""
    x, y = points.T
    return np.stack([row[0] * x + row[1] * y + row[2] for row in matrix[:2]], 1)


class _Grid:
    """A coarse grid of points over an area of the image, and interpolation between them."""

    def __init__(self, area: Area) -> None:
        self.shape = tuple(part.stop - part.start for part in area)
        count = [-(-length // _CELL) + 2 * _MARGIN for length in self.shape]
        y, x = (
            part.start + _CELL * (np.arange(n) - _MARGIN) + (_CELL - 1) / 2
            for part, n in zip(area, count, strict=True)
        )
        self.count = count
        self.places = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), -1).reshape(-1, 2)

    def filled(self, values: NDArray[np.float64], smooth: bool) -> NDArray[np.float32]:
        """Interpolate values (P, C) at the points to all pixels, (h, w, C); affine ones exactly."""
        rows, columns = self.count
        height, width = self.shape
        coarse = values.astype(np.float32).reshape(rows, columns, -1)
        if smooth:
            # OpenCV's cubic interpolation bends straight lines
            lines = _finer(coarse.transpose(1, 0, 2).reshape(columns, -1))[:width]
            across = lines.reshape(width, rows, -1).transpose(1, 0, 2).reshape(rows, -1)
            return _finer(across)[:height].reshape(height, width, -1)
        fine = cv2.resize(coarse, (columns * _CELL, rows * _CELL), interpolation=cv2.INTER_LINEAR)
        start = _MARGIN * _CELL
        return np.asarray(fine[start : start + height, start : start + width])


@cache
def _weights() -> NDArray[np.float32]:
    """Catmull-Rom weights (5, _CELL) of the five grid points around a cell, for each of its pixels."""
    place = (np.arange(_CELL) + 0.5) / _CELL - 0.5
    x = np.abs(place[None] - np.arange(-_MARGIN, _MARGIN + 1)[:, None])
    near, far = (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0)).astype(np.float32)


def _finer(coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Upsample values (n + 4, R) at grid points by _CELL along the first axis, to (n _CELL, R)."""
    count = len(coarse) - 2 * _MARGIN
    fine = np.zeros((count, _CELL, coarse.shape[1]), np.float32)
    for k, weights in enumerate(_weights()):
        fine += weights[:, None] * coarse[k : k + count, None]
    return fine.reshape(count * _CELL, -1)


def _blur_kernel(speed: NDArray[np.float64], length: float) -> NDArray[np.float32]:
    """The kernel of linear motion blur."""
    size = int(length) // 2 * 2 + 3
    half = speed / np.hypot(*speed) * length / 2 * 16
    middle = np.array([size // 2, size // 2]) * 16
    kernel = np.zeros((size, size), np.uint8)
    first, last = (tuple(int(v) for v in np.rint(middle + sign * half)) for sign in (-1, 1))
    cv2.line(kernel, first, last, 255, 1, cv2.LINE_AA, 4)
    return np.asarray(kernel / kernel.sum(dtype=np.float64), np.float32)
