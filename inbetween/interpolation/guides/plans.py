"""Plans: which pixels of a keyframe move together along which handles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.interpolation.guides.boxes import Where
from inbetween.interpolation.guides.guides import PairGuides, Region
from inbetween.interpolation.guides.masks import Share
from inbetween.interpolation.guides.poses import (
    Handle,
    bone_handles,
    distance,
    mapped,
    point_handle,
    region_handle,
)
from inbetween.interpolation.guides.timing import Timing

RADIUS = 1 / 8  # of the shorter side: of a matched point
FARTHEST = 2**13  # pixels of a reach: OpenCV draws no thicker lines
CORE = 1 / 4  # of a point's radius or a bone's width: what is so near belongs to it


@dataclass(frozen=True)
class Plan:
    """Something that is taken out of the keyframes and moved.

    Args:
        place: Its name in messages.
        first: Mask in the first keyframe.
        last: Mask in the last keyframe; None if it is where the handles take that of the first.
        exact: The mask shows what belongs to it to the pixel: in first, in last.
        handles: What moves it.
        cores: Where it surely is, (H, W) bool, in first and in last: parts apart from it are left out.
        region: The region that it is, if any.
    """

    place: str
    first: Share = field(repr=False)
    last: Share | None = field(repr=False)
    exact: tuple[bool, bool]
    handles: tuple[Handle, ...]
    cores: tuple[Where | None, Where | None] = field(default=(None, None), repr=False)
    region: Region | None = None

    @property
    def spacing(self) -> Timing:
        """Which share of its path it has done at t."""
        return self.region.spacing if self.region else "even"


def plans_of(guides: PairGuides, size: tuple[int, int]) -> Iterator[Plan]:
    """The plans of all guides that move something, in order: regions, points, bones.

    Args:
        guides: Of one pair.
        size: Height and width of the keyframes.

    Raises:
        UserError: A mask has another size or is empty.
    """
    for region in guides.regions:
        mask, mask_last = region.mask, region.mask_last
        yield Plan(
            region.place,
            mask.at_size(size),
            mask_last.at_size(size) if mask_last else None,
            (mask.exact, mask_last.exact if mask_last else False),
            (region_handle(region),),
            region=region,
        )
    radius = max(4.0, RADIUS * min(size))
    points = [point_handle(point, point.radius or radius) for point in guides.points]
    for names, handles in ((guides.points, points), (guides.bones, bone_handles(guides.bones))):
        for group in _groups(handles):
            own = tuple(handles[number] for number in group)
            first, last = (_near(own, t, 1.0, size) for t in (0.0, 1.0))
            cores = _near(own, 0.0, CORE, size) > 0, _near(own, 1.0, CORE, size) > 0
            yield Plan(names[group[0]].place, first, last, (False, False), own, cores)


def _groups(handles: Sequence[Handle]) -> list[list[int]]:
    """Numbers of handles whose reaches overlap."""
    groups: list[list[int]] = []
    for number, handle in enumerate(handles):
        touching = [
            group
            for group in groups
            if any(_apart(handle, handles[other]) < handle.reach + handles[other].reach for other in group)
        ]
        groups = [group for group in groups if group not in touching]
        groups.append([*(other for group in touching for other in group), number])
    return [sorted(group) for group in groups]


def _apart(one: Handle, other: Handle) -> float:
    """Pixels between two handles in the first keyframe, about."""
    steps = np.linspace(0, 1, 17)[:, None]
    return float(distance(one.segment[0] + steps * (one.segment[1] - one.segment[0]), other.segment).min())


def _near(handles: Sequence[Handle], t: float, share: float, size: tuple[int, int]) -> Share:
    """Where any of the handles is near at t, up to a share of its reach."""
    found = [
        _around(mapped(each.pose(t), each.segment), max(share * each.reach, 2.0), size) for each in handles
    ]
    near: Share = np.max(found, axis=0)
    return near


def _around(segment: NDArray[np.float64], reach: float, size: tuple[int, int]) -> Share:
    """The pixels up to `reach` from a segment: (H, W), 0 or 1."""
    canvas, radius = np.zeros(size, np.float32), round(min(reach, FARTHEST))
    ends = [(int(x), int(y)) for x, y in segment.clip(-(2**14), 2**14).round()]
    cv2.circle(canvas, ends[0], radius, 1.0, cv2.FILLED)
    if ends[0] != ends[1]:
        cv2.line(canvas, ends[0], ends[1], 1.0, 2 * radius + 1)
    return canvas
