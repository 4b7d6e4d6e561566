"""Masks of guides: polygons, or grey images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.errors import UserError
from inbetween.io.images import composited, read_layers

Share = NDArray[np.float32]  # (H, W) in [0, 1]
SUBPIXEL_BITS = 4  # of the coordinates that OpenCV takes


@dataclass(frozen=True)
class Mask:
    """Where a guide applies in one keyframe.

    Args:
        place: Its name in messages.
        polygon: Corners (x, y) in pixels. It may be drawn loosely: what looks like the background in it is
            left out.
        pixels: Instead, (H, W) in [0, 1]: exactly what belongs to it.
    """

    place: str
    polygon: tuple[tuple[float, float], ...] = ()
    pixels: Share | None = field(default=None, repr=False)

    @property
    def exact(self) -> bool:
        """Whether it shows what belongs to it to the pixel."""
        return self.pixels is not None

    def at_size(self, size: tuple[int, int]) -> Share:
        """The mask (H, W) for keyframes of `size` = (H, W).

        Raises:
            UserError: It has another size, or is empty there.
        """
        if self.pixels is None:
            share = filled(self.polygon, size)
        else:
            share = self.pixels
            if share.shape != size:
                own, wanted = (f"{width}x{height}" for height, width in (share.shape, size))
                raise UserError(f"{self.place} has {own} pixels and the keyframes {wanted}: give one size.")
        if share.max(initial=0) < 0.5:
            where = "is empty: paint white what moves" if self.exact else "covers nothing of the picture"
            raise UserError(f"{self.place} {where}; x goes right and y down, in the keyframes' pixels.")
        return share


def read_mask(path: Path, place: str) -> Mask:
    """A mask from an image file: white is inside, black outside; what is transparent is outside.

    Raises:
        UserError: It cannot be read.
    """
    if not path.is_file():
        raise UserError(f"{place} is {path}, and there is no such file: correct its name.")
    shown = composited(read_layers(path), (0, 0, 0))
    return Mask(place, pixels=shown.mean(2, dtype=np.float32) / np.float32(255))


def filled(polygon: tuple[tuple[float, float], ...], size: tuple[int, int]) -> Share:
    """A polygon (x, y) in pixels, filled: (H, W), 0 or 1."""
    canvas = np.zeros(size, np.uint8)
    corners = np.round(np.array(polygon) * 2**SUBPIXEL_BITS).clip(-(2**20), 2**20).astype(np.int32)
    cv2.fillPoly(canvas, [corners], 1, cv2.LINE_8, SUBPIXEL_BITS)
    return canvas.astype(np.float32)
