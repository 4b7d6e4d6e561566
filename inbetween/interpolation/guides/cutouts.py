"""Cut-outs: guided regions with soft edges, taken out of a keyframe."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from inbetween.interpolation.guides.boxes import Box, Where, dilated
from inbetween.interpolation.guides.colours import Picture, frequent_colours, likeness
from inbetween.interpolation.guides.masks import Share

DIFFERENT = 10 / 255  # of a colour or of opacity: from here it is not the background
LEAST = 0.01  # of a loose mask: if less of it differs from the background, all of it is the region
OPAQUE = 1 / 255
RING = 6  # pixels around a mask whose colours are those of the background
EDGE = 2  # pixels around a region that may hold traces of it


class Area(NamedTuple):
    """The pixels of a region in a keyframe."""

    box: Box  # around it, with room for its surroundings
    pixels: Where  # (h, w)
    coverage: Share | None = None  # (h, w) in [0, 1], if it is given
    hidden: Where | None = None  # (h, w): something else is in its mask, and may hide it


class Cutout(NamedTuple):
    """A part of a keyframe, without its background."""

    box: Box  # where it is
    picture: Picture  # (h, w, 4), multiplied by its coverage
    coverage: Share  # (h, w) in [0, 1]
    background: Picture  # (h, w, 4), what is behind
    hidden: Share  # (h, w) in [0, 1]: where something else may hide it

    @property
    def changed(self) -> Where:
        """Where the keyframe is not its background, (h, w)."""
        return dilated(self.coverage > 0, EDGE)


def find_region(
    keyframe: Picture, background: Picture, known: Where, inside: Where, core: Where | None
) -> Where:
    """The region in a loose mask, (h, w): what differs from the background, and what that encloses.

    Where the background is not known, it has the colours around the mask, and reaches its edge.

    Args:
        keyframe: With the region.
        background: The same without it.
        known: Where the background is known.
        inside: The mask.
        core: Parts of the region that have nothing in common with it are left out.
    """
    found = inside & (np.abs(keyframe - background).max(-1) > DIFFERENT)
    around = frequent_colours(keyframe[dilated(inside, RING) & ~inside])
    like = ~inside | (~known & (likeness(keyframe, around) > 0.5))
    _, labels = cv2.connectedComponents(like.astype(np.uint8), connectivity=4)
    found &= ~(like & np.isin(labels, np.unique(labels[~inside])))
    if found.sum() < LEAST * inside.sum():
        found = inside
    return _connected(without_holes(found), core)


def cut_out(keyframe: Picture, background: Picture, region: Area) -> Cutout:
    """Cut a region out of a part of a keyframe.

    Args:
        keyframe: With the region.
        background: The same without it.
        region: Its edge is softened, if its coverage is not given.
    """
    coverage = region.coverage
    if coverage is None:
        coverage = _softened(keyframe, background, region.pixels)
    # where there is nothing behind it, its own opacity is its coverage
    coverage = np.where(background[..., 3] < OPAQUE, np.minimum(coverage, keyframe[..., 3]), coverage)
    picture = (keyframe - (1 - coverage[..., None]) * background).clip(0, coverage[..., None])
    hidden = np.zeros_like(coverage) if region.hidden is None else region.hidden.astype(np.float32)
    return Cutout(region.box, picture, coverage.astype(np.float32), background, hidden)


def without_holes(found: Where) -> Where:
    """With what it encloses."""
    outside = np.pad(~found, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    filled: Where = found | (labels[1:-1, 1:-1] != labels[0, 0])
    return filled


def _connected(found: Where, core: Where | None) -> Where:
    """The parts that touch the core, or all if none does."""
    if core is None or not (found & core).any():
        return found
    _, labels = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    touching: Where = np.isin(labels, np.unique(labels[found & core]))
    return touching


def _softened(keyframe: Picture, background: Picture, found: Where) -> Share:
    """Coverage of a region whose outermost pixels may be mixtures with the background."""
    inner = cv2.erode(found.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    weight = inner.astype(np.float32)
    near = cv2.blur(weight, (5, 5))
    inside = cv2.blur(keyframe * weight[..., None], (5, 5)) / np.maximum(near, 1e-6)[..., None]
    span = inside - background
    size = (span**2).sum(-1)
    share = ((keyframe - background) * span).sum(-1) / np.maximum(size, 1e-6)
    mixed = found & ~inner & (near > 1e-3) & (size > 4 * DIFFERENT**2)
    coverage: Share = np.where(mixed, share.clip(0, 1), found.astype(np.float32)).astype(np.float32)
    return coverage
