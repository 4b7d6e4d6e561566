"""The background of a scene, paper or a painted plane, and post-processing."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from inbetween.data.synthetic.curves import Points
from inbetween.data.synthetic.motion import Joint, Matrix
from inbetween.data.synthetic.parts import Color, Fixed, Image, Part
from inbetween.data.synthetic.pen import Pen

ROOM = 0.28  # world units painted beyond the frame, for camera moves
REACH = 1.6  # half width of layers that span the frame
WHITE: Color = (255, 255, 255)
Layer = tuple[Joint, Points, Color, tuple[Points, Color] | None]


@dataclass
class Scenery:
    """Background of a scene: paper, or a painted plane with scenery in front of it, and post-processing.

    Args:
        paper: RGB of plain paper.
        plane: Joint of the painted plane.
        paint: Shapes on the plane, in order: polygon in world units, RGB, softness of its edge in world
            units. Without shapes it is plain paper.
        gradient: RGB at the top and at the bottom below the paint.
        grain: Strength of the paint's texture in levels of 255.
        tooth: Share of a pencil line that the paper's texture leaves out.
        bloom: Strength of the glow of bright areas.
        tint: RGB of the light, for the whole frame.
        vignette: How much darker the corners are.
        grain_seed: Seed of the textures.
        middle: Scenery behind the subjects: joint, outline, RGB, and a second tone with its RGB.
        near: Scenery in front of the subjects, in the same form.
    """

    paper: Color
    plane: Joint
    paint: list[tuple[Points, Color, float]] = field(default_factory=list)
    gradient: tuple[Color, Color] = (WHITE, WHITE)
    grain: float = 0.0
    tooth: float = 0.0
    bloom: float = 0.0
    tint: Color | None = None
    vignette: float = 0.0
    grain_seed: int = 0
    middle: list[Layer] = field(default_factory=list)
    near: list[Layer] = field(default_factory=list)
    _teeth: tuple[Image, Image] | None = None
    _dark: Image | None = None

    @staticmethod
    def reach(size: tuple[int, int]) -> tuple[float, float]:
        """Half width and half height of the painted plane in world units: the frame and a margin."""
        height, width = size
        return 0.5 * width / min(size) + ROOM, 0.5 * height / min(size) + ROOM

    def to_rest(self, size: tuple[int, int], shape: tuple[int, int]) -> Matrix:
        """(3, 3) from pixels of the painted image to the plane's coordinates."""
        wide, high = self.reach(size)
        x, y = 2 * wide / shape[1], 2 * high / shape[0]
        return np.array([[x, 0, -wide + x / 2], [0, y, -high + y / 2], [0, 0, 1.0]])

    def painted(self, size: tuple[int, int], factor: int) -> Image:
        """The plane as an RGBA image for frames of `size`, or the paper, `factor` times as large."""
        if not self.paint:
            canvas = np.empty((size[0] * factor, size[1] * factor, 3), np.uint8)
            cv2.rectangle(canvas, (0, 0), (canvas.shape[1], canvas.shape[0]), self.paper, -1)
            return canvas
        wide, high = self.reach(size)
        density = 1.2 * min(size)
        width, height = round(2 * wide * density), round(2 * high * density)
        ramp = np.clip(np.linspace(-high, high, height) + 0.5, 0, 1)[:, None]
        top, bottom = (np.array(c, float) for c in self.gradient)
        column = (top + (bottom - top) * ramp).astype(np.uint8)[:, None]
        image = cv2.resize(column, (width, height), interpolation=cv2.INTER_NEAREST)
        back = np.linalg.inv(self.to_rest(size, (height, width)))
        for polygon, color, soft in self.paint:
            pixels = np.rint((polygon @ back[:2, :2].T + back[:2, 2]) * 16).astype(np.int32)
            if soft == 0:
                cv2.fillPoly(image, [pixels], color, cv2.LINE_AA, 4)
            else:
                _airbrush(image, pixels, color, soft * density)
        if self.grain > 0:
            rng = np.random.default_rng(self.grain_seed)
            noise = rng.normal(self.grain, self.grain, (height // 5, width // 5)).clip(0, 60).astype(np.uint8)
            image = cv2.add(image, cv2.cvtColor(cv2.resize(noise, (width, height)), cv2.COLOR_GRAY2RGB))
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA))

    def groups(self, pen: Pen) -> list[list[Part]]:
        """Scenery behind the characters."""
        return [[_scenic(pen, *item)] for item in self.middle]

    def front(self, pen: Pen) -> list[list[Part]]:
        """Scenery in front of the characters."""
        return [[_scenic(pen, *item)] for item in self.near]

    def finish(self, frame: Image) -> Image:
        """Post-processing fixed to the frame: paper grain under pencil, bloom, tint and vignette."""
        height, width = frame.shape[:2]
        if self.tooth > 0:
            if self._teeth is None or self._teeth[0].shape != frame.shape:
                rng = np.random.default_rng(self.grain_seed)
                rough = rng.integers(0, int(255 * self.tooth), (height, width), np.uint8)
                bare = np.empty_like(frame)
                cv2.rectangle(bare, (0, 0), (width, height), self.paper, -1)
                self._teeth = bare, cv2.cvtColor(rough, cv2.COLOR_GRAY2RGB)
            bare, rough = self._teeth
            frame = cv2.add(frame, cv2.multiply(cv2.subtract(bare, frame), rough, scale=1 / 255))
        if self.bloom > 0:
            small = cv2.resize(frame, (-(-width // 4), -(-height // 4)), interpolation=cv2.INTER_AREA)
            soft = cv2.GaussianBlur(small, (0, 0), 0.02 * min(height, width))
            frame = cv2.addWeighted(
                frame, 1.0, cv2.resize(soft, (width, height)), self.bloom, -128 * self.bloom
            )
        if self.tint is not None:
            ramp = np.arange(256, dtype=np.float64)[:, None] * (np.asarray(self.tint) / 255)
            frame = cv2.LUT(frame, ramp.round().clip(0, 255).astype(np.uint8)[None])
        if self.vignette > 0:
            if self._dark is None or self._dark.shape != frame.shape:
                y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
                dark = 255 * (1 - self.vignette * np.clip(x * x + y * y - 0.4, 0, 2))
                self._dark = cv2.cvtColor(dark.round().astype(np.uint8), cv2.COLOR_GRAY2RGB)
            frame = cv2.multiply(frame, self._dark, scale=1 / 255)
        return np.asarray(frame)


def _airbrush(image: Image, polygon: Fixed, color: Color, sigma: float) -> None:
    """A polygon with soft edges, blurred at a quarter of the size."""
    pad = int(3 * sigma) + 4
    low, high = (polygon.min(0) >> 4) - pad, (polygon.max(0) >> 4) + pad
    left, top = max(int(low[0]), 0) // 4 * 4, max(int(low[1]), 0) // 4 * 4
    below = image[top : int(high[1]), left : int(high[0])]
    if below.size == 0 or min(below.shape[:2]) < 4:
        return
    small = np.zeros((below.shape[0] // 4, below.shape[1] // 4), np.uint8)
    cv2.fillPoly(small, [(polygon - np.array([left * 16, top * 16], np.int32)) // 4], 255, cv2.LINE_AA, 4)
    small = cv2.GaussianBlur(small, (0, 0), max(sigma / 4, 0.5), borderType=cv2.BORDER_CONSTANT)
    mask = cv2.resize(small, below.shape[1::-1]).astype(np.float32) / 255
    paint = np.empty_like(below)
    cv2.rectangle(paint, (0, 0), below.shape[1::-1], color, -1)
    below[:] = cv2.blendLinear(paint, np.ascontiguousarray(below), mask, 1 - mask)


def _scenic(pen: Pen, joint: Joint, outline: Points, color: Color, tone: tuple[Points, Color] | None) -> Part:
    pen.scale = 1.0
    marks = [] if tone is None else [pen.patch(*tone)]
    return pen.part(joint, outline, color, marks, line=0.0 if pen.bare else 0.7, shade=0.0)
