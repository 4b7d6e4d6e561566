"""What is behind a guided region: taken from the other keyframe, or from around it."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.interpolation.guides.boxes import Box, Where, dilated
from inbetween.interpolation.guides.colours import Picture
from inbetween.modules.classical_flow import SMALLEST_SIDE, estimate_flow

RING = 12  # pixels around regions by which the motion of the background is judged
STILL = 3 / 255  # mean difference there up to which the background does not move
GAIN = 0.8  # of that difference: motion is taken for the background's if it leaves less
FLOW_SIDE = 256  # square root of the pixels at which that motion is estimated
MARGIN = 8  # of those pixels, around regions, whose motion may be the region's


def filled_in(picture: NDArray[np.float32], known: Where) -> NDArray[np.float32]:
    """A picture (H, W, C) with what is not known filled in smoothly from what is (pull and push).

    If nothing is known, the picture is as it was.
    """
    if known.all() or not known.any():
        return picture
    share = known.astype(np.float32)[..., None]
    levels = [(picture * share, share)]
    while max(levels[-1][0].shape[:2]) > 1:
        height, width = ((side + 1) // 2 for side in levels[-1][0].shape[:2])
        total, share = levels[-1]
        levels.append((_shrunk(total, (width, height)), _shrunk(share, (width, height))))
    total, share = levels.pop()
    coarse = total / np.maximum(share, 1e-8)
    for total, share in reversed(levels):
        height, width = total.shape[:2]
        enlarged = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        enlarged = enlarged.reshape(height, width, -1)
        sure = np.minimum(share, 1)
        coarse = sure * (total / np.maximum(share, 1e-8)) + (1 - sure) * enlarged
    return np.where(known[..., None], picture, coarse)


def _shrunk(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    small: NDArray[np.float32] = cv2.resize(maps, size, interpolation=cv2.INTER_AREA)
    return small.reshape(size[1], size[0], -1)


class KeyframePair:
    """Two keyframes, and the classical flow between them.

    Args:
        first: The first keyframe.
        last: The last.
    """

    def __init__(self, first: Picture, last: Picture) -> None:
        self.pictures = first, last

    @cached_property
    def flows(self) -> list[NDArray[np.float32]]:
        """Flows (h, w, 2) from each keyframe to the other, at a low resolution and in its pixels."""
        height, width = self.pictures[0].shape[:2]
        shrink = max(1.0, float(np.sqrt(height * width)) / FLOW_SIDE)
        size = max(round(width / shrink), SMALLEST_SIDE), max(round(height / shrink), SMALLEST_SIDE)
        small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in self.pictures]
        greys = [(picture[..., :3].mean(-1) * 255).round().astype(np.uint8) for picture in small]
        found = [estimate_flow(greys[number], greys[1 - number], "dis") for number in (0, 1)]
        return [np.ascontiguousarray(np.moveaxis(flow, 0, -1)) for flow in found]


class Background:
    """The keyframes without what is taken out of them.

    What the other keyframe shows in its place is taken from there: along the motion of the surroundings, if
    they move. What neither shows is filled in from around.

    Args:
        keyframes: First and last.
        taken: What is taken out of each.
    """

    def __init__(self, keyframes: KeyframePair, taken: tuple[Where, Where]) -> None:
        self.keyframes, self.taken = keyframes, taken

    def within(self, number: int, box: Box) -> tuple[Picture, Where]:
        """A part of keyframe 0 or 1, and where it is shown by a keyframe, not filled in."""
        here, there = (self.keyframes.pictures[each][box.slices] for each in (number, 1 - number))
        hole, gone = (where[box.slices] for where in (self.taken[number], self.taken[1 - number]))
        either = hole | gone
        ring = dilated(either, RING) & ~either
        apart = np.abs(here[ring] - there[ring])
        shown, known = there, ~gone
        if apart.size and apart.mean() > STILL:
            moved, found = self._moved(number, box)
            if np.abs(here[ring] - moved[ring]).mean() < GAIN * apart.mean():
                shown, known = moved, found
        known |= ~hole
        return filled_in(np.where(hole[..., None], shown, here), known), known

    def _moved(self, number: int, box: Box) -> tuple[Picture, Where]:
        """A part of the other keyframe seen from this one, and where it is known."""
        height, width = self.taken[0].shape
        flow = self._flows[number]
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        # pixels are squares: the centre of the first is at 1/2
        places = ((box.grid + 0.5) / scale - 0.5).astype(np.float32)
        flow = cv2.remap(
            flow, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        at = (box.grid + flow * scale).astype(np.float32)
        x, y = at[..., 0], at[..., 1]
        other = 1 - number
        seen = cv2.remap(
            self.keyframes.pictures[other], x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        # outside of the picture nothing is known
        known = cv2.remap((~self.taken[other]).astype(np.uint8) * 255, x, y, cv2.INTER_LINEAR) > 250
        return seen.clip(0, 1), known

    @cached_property
    def _flows(self) -> list[NDArray[np.float32]]:
        """Flows (h, w, 2) from each keyframe to the other: in what is taken, that of what is around."""
        found = []
        for flow, taken in zip(self.keyframes.flows, self.taken, strict=True):
            size = flow.shape[1], flow.shape[0]
            hole = cv2.resize(taken.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            found.append(filled_in(flow, ~dilated(hole, MARGIN)))
        return found
