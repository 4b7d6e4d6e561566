"""How images are brought to a window's size."""

from typing import Literal

import numpy as np

from inbetween.io.images import Pixels, resize


class Fit:
    """How images of one size are brought to a window's size without changing their aspect ratio.

    A stored image is `store` pixels large: the part of the source that a window shows, with
    head-room for a random crop if the source has the pixels for it. Given out, it fills `box`.

    Args:
        source: Height and width in pixels of the images on disk.
        size: Height and width in pixels of a window.
        mode: `pad` keeps the whole image, `crop` fills the window and crops both sides.
        keep: Smallest share of a side that a random crop keeps, in (0, 1]; 1 stores no head-room.
    """

    def __init__(
        self, source: tuple[int, int], size: tuple[int, int], mode: Literal["pad", "crop"], keep: float = 1.0
    ) -> None:
        ratios = (size[0] / source[0], size[1] / source[1])
        scale = min(ratios) if mode == "pad" else max(ratios)
        height, width = (
            min(max(round(side * scale), 1), limit) for side, limit in zip(source, size, strict=True)
        )
        # head-room that the disk does not hold would be blur
        room = max(min(1 / keep, 1 / scale), 1.0)
        self.margin = tuple(
            max(round((side - limit / scale) / 2), 0) for side, limit in zip(source, size, strict=True)
        )
        self.box = ((size[0] - height) // 2, (size[1] - width) // 2, height, width)
        self.store = (round(height * room), round(width * room))

    def picture(self, image: Pixels) -> Pixels:
        """Cut and resize a decoded image (source) to what is stored, (*store, 3)."""
        rows, columns = image.shape[:2]
        top, left = self.margin
        return resize(image[top : rows - top, left : columns - left], *self.store)


def pad(
    pictures: Pixels, box: tuple[int, int, int, int], size: tuple[int, int], color: tuple[int, ...]
) -> Pixels:
    """Lay images (F, h, w, 3) into windows (F, *size, 3) at box = (top, left, h, w), on `color` (RGB)."""
    top, left, height, width = box
    if (height, width) == size:
        return pictures
    canvas = np.empty((len(pictures), *size, 3), np.uint8)
    canvas[:] = np.asarray(color, np.uint8)
    canvas[:, top : top + height, left : left + width] = pictures
    return canvas
