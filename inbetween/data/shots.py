"""Which frames of a scene show the same drawing, and where a scene is cut."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.images import Pixels

VERSION = 1  # of what is found here; a change makes stored findings stale

_SIDE = 256  # pixels of the longer side that frames are compared at
_BLOCK = 8  # pixels of a block's side
_HOLD = 3.0  # largest change of a block's mean colour, of 255, between two exposures of one drawing


def thumbnail(image: Pixels) -> Pixels:
    """A picture as frames are compared: (h, w, 3), the longer side at most 256 pixels."""
    scale = min(_SIDE / max(image.shape[:2]), 1.0)
    width, height = (max(round(side * scale), 1) for side in (image.shape[1], image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def find_drawings(frames: list[Pixels]) -> list[int]:
    """For each frame, the number of the frame that first showed its drawing."""
    drawings = [0]
    for number in range(1, len(frames)):
        # the drawing's first frame, not the neighbour: a slow drift must not pass as a hold
        same = block_change(frames[drawings[-1]], frames[number]) < _HOLD
        drawings.append(drawings[-1] if same else number)
    return drawings


def block_change(first: Pixels, second: Pixels) -> float:
    """The largest change of a block's mean colour, of 255: noise averages out, a blink does not."""
    change = np.abs(blocks(first) - blocks(second))
    return float(change.max())


def blocks(image: Pixels) -> NDArray[np.float32]:
    """Mean colours of 8x8 blocks, (rows, columns, 3) of 255."""
    rows, columns = (max(side // _BLOCK, 1) for side in image.shape[:2])
    means = cv2.resize(image.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(means, dtype=np.float32)


def find_cuts(frames: list[Pixels]) -> list[int]:
    """Numbers of the frames that begin a new shot, without the scene's first."""
    return []
