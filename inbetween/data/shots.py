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

Cuts between keyframes are judged pair by pair, since keyframes are few and far apart. In the benchmark of
`tests/data/cut_sequences.py` 204 of 210 are found, and 9 of 560 other neighbours come out as cut, 7 of them
by a thing that pops up over all that was there.
"""

from collections.abc import Iterable
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.functional.color import LUMA
from inbetween.io.images import Pixels

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
_CUT_SHARE = 0.6  # of the image must be gone: a large thing that pops up covers less

_PAIR_CHANGE = 0.015  # the same for keyframes, whose faint lines are made stronger
_STRONGEST = 4.0  # times that faint lines are made stronger
_FADE_SHARE = 0.3  # of the image must be gone whatever its brightness and contrast: a fade leaves less
_BLANK = 2.0  # deviation, of 255, below which an image shows nothing that may have been faded
_LAYOUT_CHANGE = 0.45  # of 1, between two keyframes: one redrawn in another pose changes less
_LAYOUT_SIDE = 8  # places along a side at which layouts are compared
_PAN_REACH = 24  # pixels that the whole image may have moved, of _CUT_SIDE
_PAN_DIFFERENCE = 0.6  # from the image moved, in its deviations: a pan leaves less


def thumbnail(image: Pixels) -> Pixels:
    """An image as frames are compared: (h, w, 3), the longer side at most 256 pixels."""
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


def find_cuts(keyframes: Iterable[Pixels]) -> list[int]:
    """Find the cuts between keyframes, each pair judged by itself.

    There is too little around them to know a scene's own motion by, as `find_shots` does. What changes where
    dark and light lie, and leaves little of the image in reach, is a cut, but a fade and a pan are none. A
    flash, or a black frame, is cut from what is before and behind.

    Args:
        keyframes: Thumbnails (h, w, 3), all of one size; one is kept at a time.

    Returns:
        Numbers, counted from 0, of the keyframes that begin another shot.
    """
    pairs = pairwise(_square(keyframe) for keyframe in keyframes)
    return [number for number, (first, second) in enumerate(pairs, start=1) if _is_cut(first, second)]


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

    A cut changes the image more than the scene's own motion does, and leaves little of it in reach on
    either side. What pops up in an unchanged image is no cut: everything from before is still there.
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


def _is_cut(first: Pixels, second: Pixels) -> bool:
    """Whether two squares show different shots; what takes longest to find out is asked last."""
    return (
        cv2.absdiff(first, second).mean() / 255 > _PAIR_CHANGE
        and _layout_change(first, second) > _LAYOUT_CHANGE
        and _share_gone(*_stretched(first, second)) > _CUT_SHARE
        and _share_gone(*_levelled(first, second)) > _FADE_SHARE
        and _pan_difference(first, second) > _PAN_DIFFERENCE
    )


def _layout_change(first: Pixels, second: Pixels) -> float:
    """How differently two squares are laid out, roughly: 0 alike, 1 as if on a blank sheet of the paper."""
    paper = _paper(first, second)
    a, b = (
        cv2.resize(square.astype(np.float32), (_LAYOUT_SIDE,) * 2, interpolation=cv2.INTER_AREA) - paper
        for square in (first, second)
    )
    # one unit of 255 more, so that noise on blank paper is no change
    return float(np.abs(a - b).sum() / (np.abs(a).sum() + np.abs(b).sum() + a.size))


def _stretched(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Two squares with what stands out from their paper made stronger by one factor, as faint lines need."""
    paper = _paper(first, second)
    strongest = np.percentile(np.abs(np.concatenate([first, second]) - paper), 98)
    gain = np.clip(127 / max(strongest, 1.0), 1, _STRONGEST)
    a, b = (((square - paper) * gain + paper).clip(0, 255).astype(np.uint8) for square in (first, second))
    return a, b


def _paper(first: Pixels, second: Pixels) -> NDArray[np.floating]:
    """The colour (3,) in the middle of all that two squares have."""
    return np.asarray(np.median(np.concatenate([first, second]), axis=(0, 1)))


def _levelled(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Two squares of one brightness and contrast, those of the stronger one; a blank one stays as it is."""
    if first.std((0, 1)).max() < second.std((0, 1)).max():
        second, first = _levelled(second, first)
        return first, second
    if second.std((0, 1)).max() < _BLANK:
        return first, second
    gain = first.std((0, 1)) / np.maximum(second.std((0, 1)), 0.5)
    level = (second - second.mean((0, 1))) * gain + first.mean((0, 1))
    return first, level.clip(0, 255).astype(np.uint8)


def _pan_difference(first: Pixels, second: Pixels) -> float:
    """What is left where one square lies on the other, moved as a whole, in deviations of their colour."""
    a = cv2.copyMakeBorder(first, *(_PAN_REACH,) * 4, cv2.BORDER_CONSTANT).astype(np.float32)
    inside = cv2.copyMakeBorder(np.ones(first.shape[:2], np.float32), *(_PAN_REACH,) * 4, cv2.BORDER_CONSTANT)
    b, whole = second.astype(np.float32), np.ones(second.shape[:2], np.float32)
    # mean of (a - b)^2 over the overlap, for all moves at once
    squares = (
        cv2.matchTemplate((a**2).sum(2), whole, cv2.TM_CCORR)
        + cv2.matchTemplate(inside, (b**2).sum(2), cv2.TM_CCORR)
        - 2 * cv2.matchTemplate(a, b, cv2.TM_CCORR)
    )
    least = (squares / cv2.matchTemplate(inside, whole, cv2.TM_CCORR)).min() / 3
    deviation = np.sqrt((first.var((0, 1)).mean() + second.var((0, 1)).mean()) / 2)
    return float(np.sqrt(max(least, 0.0)) / (deviation + 1))


def _square(image: Pixels) -> Pixels:
    small = cv2.resize(image, (_CUT_SIDE, _CUT_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def _share_gone(first: Pixels, second: Pixels) -> float:
    """The share in [0, 1] of each image that the other does not hold nearby, the lesser of the two."""
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
    return new / (shown + 4)  # a nearly empty image proves nothing
