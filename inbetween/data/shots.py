"""Detects holds (frames that are shown several times) and cuts of a scene.

Both are detected once, when a scene is decoded, on thumbnails of its frames, so that they do not depend on
the training size. The thresholds were measured on hand-drawn scenes of 256 pixels.

Holds: the smallest changes, a pupil of 3 pixels moving by 1, a mouth or a blink, change the mean
luma of some 5x5 pixels by 22 of 255 or more; a held frame with grain (sigma 2) and JPEG
compression (quality 85), by less than 4.

Cuts: of 4499 pairs of neighbours within scenes 4 are false positives, and those change their whole background
at once. Where two scenes were joined, the recall is 69 to 79 % between different scenes, and a third where
the same character continues on the same white background; most of the missed ones are nearly empty on one
side.

Cuts between keyframes are detected pair by pair, since keyframes are few and far apart. In the benchmark of
`tests/data/cut_sequences.py` 204 of 210 are found, and 9 of 560 other pairs are false positives, 7 of them
where a large object appears in front of everything.
"""

from collections.abc import Iterable
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.functional.color import LUMA
from inbetween.io.images import Pixels

VERSION = 3  # of the detection; a change makes stored results stale

_SIDE = 256  # pixels of the longer side that frames are compared at for holds
_LUMA = np.array(LUMA, np.float32)
_HOLD_LUMA = 4.0  # largest change, of 255, of the mean luma of 5x5 pixels within a hold
_HOLD_COLOR = 6.0  # the same for chroma, of 12x12 pixels: codecs store colour coarsely

_CUT_SIDE = 64  # pixels of both sides that frames are compared at for cuts
_BLOCK = 8  # pixels of a block's side there
_REACH = 12  # pixels a block may have moved there
_CONTEXT = 6  # distinct frames before and after a cut, to measure the scene's own motion
_CUT_CHANGE = 0.03  # mean change, of 1, below which nothing is a cut
_CUT_SHARE = 0.6  # of the image must have disappeared: a large object that appears covers less

_PAIR_CHANGE = 0.015  # the same for keyframes, whose contrast is enhanced
_MAX_GAIN = 4.0  # largest contrast gain
_FADE_SHARE = (
    0.3  # of the image must have disappeared after matching brightness and contrast: in a fade less does
)
_BLANK = 2.0  # standard deviation, of 255, below which an image is blank
_LAYOUT_CHANGE = 0.45  # of 1, between two keyframes: another pose of the same character changes less
_LAYOUT_SIDE = 8  # pixels of a side at which layouts are compared
_PAN_REACH = 24  # pixels that the whole image may have moved, of _CUT_SIDE
_PAN_DIFFERENCE = 0.6  # from the shifted image, in standard deviations: a pan leaves less


def thumbnail(image: Pixels) -> Pixels:
    """A thumbnail (h, w, 3), the longer side at most 256 pixels."""
    scale = min(_SIDE / max(image.shape[:2]), 1.0)
    width, height = (max(round(side * scale), 1) for side in (image.shape[1], image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def find_shots(frames: Iterable[Pixels]) -> tuple[list[int], list[int]]:
    """Detect the holds and cuts of a scene in one pass over its frames, with little memory.

    Args:
        frames: The scene's thumbnails (h, w, 3), all of one size, at least one.

    Returns:
        For each frame, the number of the first frame of its hold; and the numbers of the
        frames that start a new shot, without the scene's first.
    """
    hold_starts: list[int] = []
    squares: dict[int, Pixels] = {}
    shown = None
    for number, frame in enumerate(frames):
        # compared with the hold's first frame, not the neighbour: a slow drift is no hold
        if shown is None or not is_hold(shown, frame):
            shown = frame
            squares[number] = _square(frame)
        hold_starts.append(next(reversed(squares)))
    return hold_starts, _find_cuts(squares)


def find_cuts(keyframes: Iterable[Pixels]) -> list[int]:
    """Detect the cuts between keyframes, each pair by itself.

    Keyframes are too few to measure a scene's own motion, as `find_shots` does. A cut is a pair that differs
    in layout and has little content in common nearby, and is neither a fade nor a pan. A flash, or a black
    frame, is cut from both neighbours.

    Args:
        keyframes: Thumbnails (h, w, 3), all of one size; one is kept at a time.

    Returns:
        Numbers, counted from 0, of the keyframes that start a new shot.
    """
    pairs = pairwise(_square(keyframe) for keyframe in keyframes)
    return [number for number, (first, second) in enumerate(pairs, start=1) if _is_cut(first, second)]


def is_hold(first: Pixels, second: Pixels) -> bool:
    """Whether a frame (h, w, 3) holds another one: noise averages out, a blink does not."""
    change = second.astype(np.float32) - first
    luma = change @ _LUMA
    if np.abs(cv2.blur(luma, (5, 5))).max() >= _HOLD_LUMA:
        return False
    color = change - luma[..., None]
    return bool(np.abs(cv2.blur(color, (12, 12))).max() < _HOLD_COLOR)


def _find_cuts(squares: dict[int, Pixels]) -> list[int]:
    """Keys of the frames that start a new shot.

    A cut changes the image more than the scene's own motion does, and little content of either side is found
    nearby in the other. An object that appears in an unchanged image is no cut: all previous content is still
    there. Of cuts within six distinct frames of each other only the strongest is found.
    """
    numbers = list(squares)
    change = np.array([cv2.absdiff(squares[a], squares[b]).mean() / 255 for a, b in pairwise(numbers)])
    cuts = []
    for k, amount in enumerate(change):
        others = np.concatenate([change[max(k - _CONTEXT, 0) : k], change[k + 1 : k + 1 + _CONTEXT]])
        ratio = amount / (others.max(initial=0) + 0.01)
        # the share is at most 1: most frames need not be searched
        if amount > _CUT_CHANGE and ratio >= 1:
            share = _share_disappeared(squares[numbers[k]], squares[numbers[k + 1]])
            if share > _CUT_SHARE and ratio * share >= 1:
                cuts.append(numbers[k + 1])
    return cuts


def _is_cut(first: Pixels, second: Pixels) -> bool:
    """Whether two squares show different shots; the slowest tests come last."""
    return (
        cv2.absdiff(first, second).mean() / 255 > _PAIR_CHANGE
        and _layout_change(first, second) > _LAYOUT_CHANGE
        and _share_disappeared(*_with_contrast(first, second)) > _CUT_SHARE
        and _share_disappeared(*_matched(first, second)) > _FADE_SHARE
        and _pan_difference(first, second) > _PAN_DIFFERENCE
    )


def _layout_change(first: Pixels, second: Pixels) -> float:
    """Coarse difference in layout of two squares: 0 if equal, 1 if one has nothing but background."""
    background = _background(first, second)
    a, b = (
        cv2.resize(square.astype(np.float32), (_LAYOUT_SIDE,) * 2, interpolation=cv2.INTER_AREA) - background
        for square in (first, second)
    )
    # one unit of 255 more, so that noise on a blank background is no change
    return float(np.abs(a - b).sum() / (np.abs(a).sum() + np.abs(b).sum() + a.size))


def _with_contrast(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Two squares with their contrast to the background enhanced by one factor, for faint lines."""
    background = _background(first, second)
    strongest = np.percentile(np.abs(np.concatenate([first, second]) - background), 98)
    gain = np.clip(127 / max(strongest, 1.0), 1, _MAX_GAIN)
    a, b = (
        ((square - background) * gain + background).clip(0, 255).astype(np.uint8)
        for square in (first, second)
    )
    return a, b


def _background(first: Pixels, second: Pixels) -> NDArray[np.floating]:
    """The median colour (3,) of two squares."""
    return np.asarray(np.median(np.concatenate([first, second]), axis=(0, 1)))


def _matched(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Two squares with brightness and contrast matched to the one with more contrast, if neither is blank."""
    if first.std((0, 1)).max() < second.std((0, 1)).max():
        second, first = _matched(second, first)
        return first, second
    if second.std((0, 1)).max() < _BLANK:
        return first, second
    gain = first.std((0, 1)) / np.maximum(second.std((0, 1)), 0.5)
    level = (second - second.mean((0, 1))) * gain + first.mean((0, 1))
    return first, level.clip(0, 255).astype(np.uint8)


def _pan_difference(first: Pixels, second: Pixels) -> float:
    """Smallest RMS difference of two squares under translation, in standard deviations of their colour."""
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


def _share_disappeared(first: Pixels, second: Pixels) -> float:
    """The share in [0, 1] of each image that is not found nearby in the other, the smaller of the two."""
    return min(_share_new(first, second), _share_new(second, first))


def _share_new(before: Pixels, after: Pixels) -> float:
    """Blocks of `after` that are not found nearby in `before`, as a share of those that are not blank."""
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
    return new / (shown + 4)  # a nearly empty image is no evidence
