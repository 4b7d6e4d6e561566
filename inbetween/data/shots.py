"""Which frames of a scene show the same drawing, and where a scene is cut.

Both are found once, when a scene is decoded, on small copies of its frames, so that they do not depend on
the size trained at. The thresholds were set by measurement on drawn scenes of 256 pixels.

Holds: the smallest things drawn, a pupil of 3 pixels moving by 1, a mouth or a blink, change the mean
luma of some 5x5 pixels by 22 of 255 or more; two exposures of one drawing with grain (sigma 2) and JPEG
compression (quality 85), by less than 4.

Cuts: of 4499 neighbours within scenes 4 come out as cut, and those change their whole background at once.
Where two scenes were joined, 69 to 79 % of the joints between different drawings are found, and a third of
those where the same character goes on on the same white paper; most of the others have next to nothing on
one side.
"""

from collections.abc import Iterable
from itertools import pairwise

import cv2
import numpy as np

from inbetween.data.images import Pixels
from inbetween.functional.color import LUMA

VERSION = 3  # of what is found here; a change makes stored findings stale

_SIDE = 256  # pixels of the longer side that frames are compared at for holds
_LUMA = np.array(LUMA, np.float32)
_HOLD_LUMA = 4.0  # largest change, of 255, of the mean luma of 5x5 pixels within a hold
_HOLD_COLOR = 6.0  # the same for what is left without luma, of 12x12 pixels: codecs store colour coarsely

_CUT_SIDE = 64  # pixels of both sides that frames are compared at for cuts
_BLOCK = 8  # pixels of a block's side there
_REACH = 12  # pixels a block may have moved there
_CONTEXT = 6  # drawings before and after a cut that show the scene's own motion
_CUT_CHANGE = 0.03  # mean change, of 1, below which nothing is a cut
_CUT_SHARE = 0.6  # of the picture must be gone: a large thing that pops up covers less


def thumbnail(image: Pixels) -> Pixels:
    """A picture as frames are compared: (h, w, 3), the longer side at most 256 pixels."""
    scale = min(_SIDE / max(image.shape[:2]), 1.0)
    width, height = (max(round(side * scale), 1) for side in (image.shape[1], image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def find_shots(frames: Iterable[Pixels]) -> tuple[list[int], list[int]]:
    """Find the holds and cuts of a scene in one pass over its frames, keeping little of them.

    Args:
        frames: The scene's thumbnails (h, w, 3), all of one size, at least one.

    Returns:
        For each frame, the number of the frame that first showed its drawing; and the numbers of the
        frames that begin a new shot, without the scene's first.
    """
    drawings: list[int] = []
    squares: dict[int, Pixels] = {}
    shown = None
    for number, frame in enumerate(frames):
        # the drawing's first frame, not the neighbour: a slow drift must not pass as a hold
        if shown is None or not is_hold(shown, frame):
            shown = frame
            squares[number] = _square(frame)
        drawings.append(next(reversed(squares)))
    return drawings, _find_cuts(squares)


def is_hold(first: Pixels, second: Pixels) -> bool:
    """Whether two frames (h, w, 3) show the same drawing: noise averages out, a blink does not."""
    change = second.astype(np.float32) - first
    luma = change @ _LUMA
    if np.abs(cv2.blur(luma, (5, 5))).max() >= _HOLD_LUMA:
        return False
    color = change - luma[..., None]
    return bool(np.abs(cv2.blur(color, (12, 12))).max() < _HOLD_COLOR)


def _find_cuts(squares: dict[int, Pixels]) -> list[int]:
    """Keys of the drawings that begin a new shot.

    A cut changes the picture more than the scene's own motion does, and leaves little of it in reach on
    either side. What pops up in an unchanged picture is no cut: everything from before is still there.
    Of cuts within six drawings of each other only the strongest is found.
    """
    numbers = list(squares)
    change = np.array([cv2.absdiff(squares[a], squares[b]).mean() / 255 for a, b in pairwise(numbers)])
    cuts = []
    for k, amount in enumerate(change):
        others = np.concatenate([change[max(k - _CONTEXT, 0) : k], change[k + 1 : k + 1 + _CONTEXT]])
        ratio = amount / (others.max(initial=0) + 0.01)
        # the share is at most 1: most frames need not be searched
        if amount > _CUT_CHANGE and ratio >= 1:
            share = _share_gone(squares[numbers[k]], squares[numbers[k + 1]])
            if share > _CUT_SHARE and ratio * share >= 1:
                cuts.append(numbers[k + 1])
    return cuts


def _square(image: Pixels) -> Pixels:
    small = cv2.resize(image, (_CUT_SIDE, _CUT_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def _share_gone(first: Pixels, second: Pixels) -> float:
    """The share in [0, 1] of each picture that the other does not hold nearby, the lesser of the two."""
    return min(_share_new(first, second), _share_new(second, first))


def _share_new(before: Pixels, after: Pixels) -> float:
    """Blocks of `after` that are nowhere near in `before`, as a share of those that show something."""
    around = cv2.copyMakeBorder(before, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REPLICATE)
    new = shown = 0
    for y in range(0, _CUT_SIDE, _BLOCK):
        for x in range(0, _CUT_SIDE, _BLOCK):
            block = after[y : y + _BLOCK, x : x + _BLOCK]
            field = around[y : y + _BLOCK + 2 * _REACH, x : x + _BLOCK + 2 * _REACH]
            squares = max(float(cv2.matchTemplate(field, block, cv2.TM_SQDIFF).min()), 0.0)
            texture = float(block.std((0, 1)).max())
            is_new = np.sqrt(squares / block.size) > max(12.0, texture / 2)
            new += is_new
            shown += is_new or texture > 8
    return new / (shown + 4)  # a nearly empty picture proves nothing


def find_cuts(frames: Iterable[Pixels]) -> list[int]:
    return find_shots(frames)[1]
