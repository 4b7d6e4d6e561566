"""The areas of both keyframes that belong to guided regions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.interpolation.guides.background import RING, Background, KeyframePair
from inbetween.interpolation.guides.boxes import Where, box_of, dilated
from inbetween.interpolation.guides.colours import Picture, frequent_colours, likeness
from inbetween.interpolation.guides.cutouts import (
    DIFFERENT,
    EDGE,
    Area,
    Cutout,
    cut_out,
    find_region,
    without_holes,
)
from inbetween.interpolation.guides.masks import Share
from inbetween.interpolation.guides.plans import Plan
from inbetween.interpolation.guides.poses import sources

MARGIN = 3  # pixels around a mask that may still show the region
SIZES = (0.25, 4.0)  # of its area in the first keyframe: between these, something in the last is the region
ALIKE = 0.15  # of a colour: up to this difference both keyframes show the same
OWN = 0.7  # of the pixels of a part: if so many have the region's colours, it belongs to the region
PATCH = 3  # pixels of a square over which it is averaged
#: Of a region's pixels, if so many are alike in both keyframes, those that are not belong to something else:
#: of one that travels a path and may change on it, and of bones and points, which are stiff.
RIGID, STIFF = 0.75, 0.4
#: Pixels by which they may be misplaced: where a region was found, and where points were set by hand.
FOUND, SET = 1, 2


def find_areas(
    plans: Sequence[Plan], keyframes: KeyframePair, *, trim: bool = True
) -> list[tuple[Area, Area | None]]:
    """The region of each plan in both keyframes; None in the last if it does not show it.

    Args:
        plans: What moves.
        keyframes: First and last.
        trim: Leave out what only one keyframe shows in the mask of something stiff: part of something else.
    """
    masks = [(plan.first, _mask_in_last(plan)) for plan in plans]
    taken = [dilated(np.any([pair[number] > 0 for pair in masks], axis=0), MARGIN) for number in (0, 1)]
    background = Background(keyframes, (taken[0], taken[1]))

    def find(plan: Plan, number: int, mask: Share) -> Area | None:
        box = box_of(mask > 0, RING + MARGIN + 1)
        if box is None:
            return None
        part, core = mask[box.slices], plan.cores[number]
        if plan.exact[number]:
            return Area(box, part > 0.5, part)
        shown = keyframes.pictures[number][box.slices], *background.within(number, box)
        return Area(box, find_region(*shown, part > 0.5, None if core is None else core[box.slices]))

    found = []
    for plan, (in_first, in_last) in zip(plans, masks, strict=True):
        first, last = find(plan, 0, in_first), find(plan, 1, in_last)
        assert first is not None  # masks are not empty
        if last is not None and not _may_be(first, last, plan):
            last = None
        found.append(_trimmed(plan, keyframes, first, last) if trim and last is not None else (first, last))
    return found


def cutouts_of(
    regions: Sequence[tuple[Area, Area | None]], keyframes: KeyframePair
) -> list[tuple[Cutout, Cutout | None]]:
    """The regions cut out of both keyframes."""
    taken = np.zeros((2, *keyframes.pictures[0].shape[:2]), np.bool_)
    for pair in regions:
        for where, region in zip(taken, pair, strict=True):
            if region is not None:
                where[region.box.slices] |= dilated(
                    region.pixels if region.coverage is None else region.coverage > 0, EDGE
                )
    background = Background(keyframes, (taken[0], taken[1]))

    def cut(number: int, region: Area) -> Cutout:
        box = region.box
        behind = background.within(number, box)[0]
        return cut_out(keyframes.pictures[number][box.slices], behind, region)

    return [(cut(0, first), None if last is None else cut(1, last)) for first, last in regions]


def _mask_in_last(plan: Plan) -> Share:
    """The mask in the last keyframe: a plan's own, or that of the first, moved."""
    if plan.last is not None:
        return plan.last
    height, width = plan.first.shape
    where = cv2.warpAffine(plan.first, plan.handles[0].pose(1.0), (width, height)) > 0.5
    return dilated(where, MARGIN).astype(np.float32)


def _may_be(first: Area, last: Area, plan: Plan) -> bool:
    """Whether what was found in the last keyframe is of about the right size, where no mask says so."""
    if plan.region is not None and plan.region.mask_last is not None:
        return True
    grown = abs(float(np.linalg.det(plan.handles[0].pose(1.0)[:, :2])))
    size = grown * float(first.pixels.sum())
    return SIZES[0] * size <= float(last.pixels.sum()) <= SIZES[1] * size


def _trimmed(plan: Plan, keyframes: KeyframePair, first: Area, last: Area) -> tuple[Area, Area]:
    """Regions without what only one of both keyframes shows, if most of them is alike."""
    in_last = sources(plan.handles, 0.0, first.box.grid)[1]
    in_first = sources(plan.handles, 1.0, last.box.grid)[0]
    slack, least = (FOUND, RIGID) if plan.region else (SET, STIFF)
    alike = [
        _alike(keyframes.pictures[0], first, keyframes.pictures[1], last, in_last, slack),
        _alike(keyframes.pictures[1], last, keyframes.pictures[0], first, in_first, slack),
    ]
    for region, same in zip((first, last), alike, strict=True):
        if same.sum() < least * region.pixels.sum():
            return first, last
    pair = [
        region
        if exact
        else _without_others(region, same, keyframes.pictures[number], keyframes.pictures[1 - number])
        for number, (region, same, exact) in enumerate(zip((first, last), alike, plan.exact, strict=True))
    ]
    return pair[0], pair[1]


def _without_others(region: Area, same: Where, here: Picture, there: Picture) -> Area:
    """A region without what else is in its mask: what stays where it is, and what has other colours."""
    shown, kept = here[region.box.slices], region.pixels & without_holes(dilated(same, 1))
    doubtful = region.pixels & ~kept & (np.abs(shown - there[region.box.slices]).max(-1) > DIFFERENT)
    own = likeness(shown, frequent_colours(shown[same])) > 0.5
    count, labels = cv2.connectedComponents(doubtful.astype(np.uint8), connectivity=8)
    shares = np.bincount(labels.ravel(), own.ravel(), count) / np.bincount(labels.ravel(), minlength=count)
    kept |= doubtful & (shares[labels] >= OWN)
    return Area(region.box, kept, None, region.pixels & ~kept)


def _alike(
    here: Picture, region: Area, there: Picture, other: Area, places: NDArray[np.float64], slack: int
) -> Where:
    """Pixels of a region whose counterparts, up to `slack` apart, are of the other and of their colour."""
    around = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * slack + 1, 2 * slack + 1))
    own, least = here[region.box.slices], np.full(region.pixels.shape, np.inf, np.float32)
    for shift in np.argwhere(around) - slack:
        x, y = np.moveaxis((places + shift - other.box.corner).astype(np.float32), -1, 0)
        shown = cv2.remap(there[other.box.slices], x, y, cv2.INTER_LINEAR)
        apart = cv2.blur(np.abs(own - shown).max(-1), (PATCH, PATCH))
        least = np.minimum(least, apart)
    x, y = np.moveaxis((places - other.box.corner).astype(np.float32), -1, 0)
    belongs = cv2.remap(other.pixels.astype(np.float32), x, y, cv2.INTER_LINEAR)
    found: Where = region.pixels & (cv2.dilate(belongs, around) > 0.5) & (least <= ALIKE)
    return found
