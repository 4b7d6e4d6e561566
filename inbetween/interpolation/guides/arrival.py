"""Where a region is in the last keyframe: its path need not end there to the pixel."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.interpolation.guides.colours import Picture
from inbetween.interpolation.guides.cutouts import Cutout
from inbetween.interpolation.guides.poses import Affine, combined, mapped

SEARCH_SIDE = 256  # square root of the pixels at which the whole keyframe is searched
NEAR = 0.5  # of the region's size: how far from the path's end it is looked for first
MOST_NEAR = 96.0  # pixels: the same, which bounds the time of the search
ALIKE = 0.12  # of [0, 1]: root mean square difference up to which it is the region
BETTER = 0.7  # of the difference at the path's end: what is found elsewhere must be below


class Arrival(NamedTuple):
    """Where a region was found."""

    beside: NDArray[np.float64]  # (2,) pixels from the path's end
    difference: float  # root mean square, of [0, 1]


def find_arrival(cutout: Cutout, end: Affine, last: Picture) -> Arrival:
    """Look for a region in the last keyframe: near its path's end, then everywhere.

    Args:
        cutout: Of the first keyframe.
        end: The map from first to last, as the path has it.
        last: The last keyframe.
    """
    height, width = last.shape[:2]
    rows, columns = np.nonzero(cutout.coverage > 0.5)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    found = _best(cutout, end, last, 1.0, round(min(max(NEAR * extent, 6.0), MOST_NEAR)))
    if found.difference <= ALIKE:
        return found
    shrink = max(1.0, float(np.sqrt(height * width)) / SEARCH_SIDE)
    rough = _best(cutout, end, last, shrink, max(height, width))
    if rough.difference > ALIKE:
        return found
    moved = end.copy()
    moved[:, 2] += rough.beside
    fine = _best(cutout, moved, last, 1.0, round(2 * shrink) + 1)
    return Arrival(rough.beside + fine.beside, fine.difference)


def _best(cutout: Cutout, end: Affine, last: Picture, shrink: float, reach: int) -> Arrival:
    """The best place up to `reach` pixels, of those at which it looks, beside the end."""
    shown, coverage, corner = _rendered(cutout, end, shrink)
    if coverage.max(initial=0) < 0.5:
        return Arrival(np.zeros(2), 1.0)
    height, width = coverage.shape
    size = round(last.shape[1] / shrink), round(last.shape[0] / shrink)
    small = cv2.resize(last, size, interpolation=cv2.INTER_AREA) if shrink > 1 else last
    left, top = max(corner[0] - reach, 0), max(corner[1] - reach, 0)
    window = small[top : corner[1] + reach + height, left : corner[0] + reach + width]
    if window.shape[0] < height or window.shape[1] < width:
        return Arrival(np.zeros(2), 1.0)
    weight = (coverage > 0.9).astype(np.float32)
    if not weight.any():
        weight = (coverage > 0.5).astype(np.float32)
    # three channels: OpenCV takes no more with a mask
    found = cv2.matchTemplate(
        np.ascontiguousarray(window[..., :3]),
        np.ascontiguousarray(shown[..., :3]),
        cv2.TM_SQDIFF,
        mask=np.repeat(weight[..., None], 3, axis=2),
    )
    found = np.sqrt(np.maximum(found, 0) / (3 * weight.sum()))
    row, column = np.unravel_index(found.argmin(), found.shape)
    here = corner[1] - top, corner[0] - left
    inside = 0 <= here[0] < found.shape[0] and 0 <= here[1] < found.shape[1]
    at_end = float(found[here]) if inside else 1.0
    if found[row, column] > BETTER * at_end:
        return Arrival(np.zeros(2), at_end)
    beside = np.array([left + column - corner[0], top + row - corner[1]], float)
    beside += [_vertex(found[row], column), _vertex(found[:, column], row)]
    return Arrival(beside * shrink, float(found[row, column]))


def _vertex(values: NDArray[np.float32], place: int) -> float:
    """Fraction of a pixel by which a parabola's minimum is beside the smallest value."""
    if not 0 < place < len(values) - 1:
        return 0.0
    before, here, after = (float(value) ** 2 for value in values[place - 1 : place + 2])
    bend = before - 2 * here + after
    return 0.0 if bend <= 1e-12 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))


def _rendered(
    cutout: Cutout, end: Affine, shrink: float
) -> tuple[Picture, NDArray[np.float32], tuple[int, int]]:
    """A cut-out as it is at the end, cropped: its colours, coverage and corner (x, y), in smaller pixels.

    It may be outside of the picture.
    """
    places = mapped(end, cutout.box.corners)
    step = math.ceil(shrink)
    low = np.floor(places.min(0) / step) * step
    size = tuple(int(side) for side in np.ceil((places.max(0) + 1 - low) / step) * step)
    into = combined(np.column_stack([np.eye(2), -low]), end)
    into = combined(into, np.column_stack([np.eye(2), cutout.box.corner]))
    small = max(round(size[0] / shrink), 1), max(round(size[1] / shrink), 1)
    shown, coverage = (
        cv2.resize(cv2.warpAffine(image, into, size), small, interpolation=cv2.INTER_AREA)
        for image in (cutout.picture, cutout.coverage)
    )
    rows, columns = np.nonzero(coverage > 0.5)
    if not len(rows):
        return shown[:0], coverage[:0], (0, 0)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    corner = low / shrink + (columns.min(), rows.min())
    return shown[box], coverage[box], (round(corner[0]), round(corner[1]))
