"""Handles: what turns guides into positions of every pixel at t."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inbetween.interpolation.guides.curves import along
from inbetween.interpolation.guides.guides import Bone, MatchedPoint, Region
from inbetween.interpolation.guides.timing import position

Affine = NDArray[np.float64]  # (2, 3): maps (x, y, 1)
JOINT = 1.0  # pixels between the ends of two bones that are one joint


@dataclass(frozen=True)
class Handle:
    """Something that moves pixels near it.

    Args:
        segment: (2, 2), its ends in the first keyframe; a point has two equal ones.
        pose: The affine map from the first keyframe to t in [0, 1].
        reach: Pixels around the segment in the first keyframe that move with it.
    """

    segment: NDArray[np.float64]
    pose: Callable[[float], Affine]
    reach: float = 0.0


def region_handle(region: Region, arrival: NDArray[np.float64] | None = None) -> Handle:
    """The handle of a region that travels its path.

    Args:
        region: The region.
        arrival: Pixels (x, y) by which it arrives beside its path's end; added evenly along the path.
    """
    anchor = region.path[0]
    beside = np.zeros(2) if arrival is None else arrival

    def pose(t: float) -> Affine:
        done = position(region.spacing, t)
        turned = _turned(np.radians(region.rotation) * done) * region.scale**done
        place = along(region.path, done) + done * beside
        return np.column_stack([turned, place - turned @ anchor])

    return Handle(np.stack([anchor, anchor]), pose)


def point_handle(point: MatchedPoint, reach: float) -> Handle:
    """The handle of a matched point: it moves straight."""
    first, last = np.array(point.first), np.array(point.last)
    return Handle(np.stack([first, first]), lambda t: np.column_stack([np.eye(2), t * (last - first)]), reach)


def bone_handles(bones: Sequence[Bone]) -> list[Handle]:
    """The handles of bones: they turn the shorter way round, those that share a joint stay together."""
    places: list[Callable[[float], NDArray[np.float64]]] = []  # both ends (2, 2) at t
    handles = []
    for number, bone in enumerate(bones):
        first, last = np.array(bone.first), np.array(bone.last)
        parent = next(
            (
                before
                for before in range(number)
                if _joined(bones[before].first, bone.first) and _joined(bones[before].last, bone.last)
            ),
            None,
        )
        ends = _bone_ends(first, last, None if parent is None else places[parent])
        places.append(ends)
        width = bone.width or max(8.0, float(np.hypot(*(first[1] - first[0]))) / 4)
        handles.append(Handle(first, _bone_pose(first, ends), width))
    return handles


def _joined(one: tuple[tuple[float, float], ...], other: tuple[tuple[float, float], ...]) -> bool:
    """Whether a bone begins where another ends."""
    return float(np.hypot(*np.subtract(one[1], other[0]))) <= JOINT


def _bone_ends(
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    parent: Callable[[float], NDArray[np.float64]] | None,
) -> Callable[[float], NDArray[np.float64]]:
    """Both ends (2, 2) of a bone at t."""
    was, then = first[1] - first[0], last[1] - last[0]
    begin, end = np.arctan2(was[1], was[0]), np.arctan2(then[1], then[0])
    turn = (end - begin + np.pi) % (2 * np.pi) - np.pi
    lengths = np.hypot(*was), np.hypot(*then)

    def ends(t: float) -> NDArray[np.float64]:
        joint = first[0] + t * (last[0] - first[0]) if parent is None else parent(t)[1]
        angle, length = begin + t * turn, lengths[0] + t * (lengths[1] - lengths[0])
        return np.stack([joint, joint + length * np.array([np.cos(angle), np.sin(angle)])])

    return ends


def _bone_pose(
    first: NDArray[np.float64], ends: Callable[[float], NDArray[np.float64]]
) -> Callable[[float], Affine]:
    """A bone's affine map: it turns and moves, and stretches along itself alone."""
    axis = first[1] - first[0]
    begin, length = np.arctan2(axis[1], axis[0]), np.hypot(*axis)

    def pose(t: float) -> Affine:
        joint, tip = ends(t)
        now = tip - joint
        stretch = np.diag([np.hypot(*now) / length, 1.0])
        matrix = _turned(np.arctan2(now[1], now[0])) @ stretch @ _turned(-begin)
        return np.column_stack([matrix, joint - matrix @ first[0]])

    return pose


def _turned(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def mapped(pose: Affine, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (..., 2), mapped."""
    return points @ pose[:, :2].T + pose[:, 2]


def inverse(pose: Affine) -> Affine:
    """The inverse map."""
    matrix = np.linalg.inv(pose[:, :2])
    return np.column_stack([matrix, -matrix @ pose[:, 2]])


def combined(pose: Affine, before: Affine) -> Affine:
    """The map that is `pose` after `before`."""
    return np.column_stack([pose[:, :2] @ before[:, :2], pose[:, :2] @ before[:, 2] + pose[:, 2]])


def distance(points: NDArray[np.float64], segment: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances (...) of points (..., 2) from a segment (2, 2)."""
    axis = segment[1] - segment[0]
    share = ((points - segment[0]) @ axis / max(float(axis @ axis), 1e-12)).clip(0, 1)
    away = points - segment[0] - share[..., None] * axis
    found: NDArray[np.float64] = np.hypot(away[..., 0], away[..., 1])
    return found


def sources(
    handles: Sequence[Handle], t: float, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where points at t come from in the first keyframe, and where they will be in the last.

    Between several handles the nearer ones weigh more, by the fourth power of their distance.

    Args:
        handles: One or more.
        t: In [0, 1].
        points: (..., 2).

    Returns:
        Two arrays like `points`.
    """
    total = np.zeros((*points.shape[:-1], 1))
    firsts, lasts = np.zeros_like(points), np.zeros_like(points)
    for handle in handles:
        now = handle.pose(t)
        back = inverse(now)
        weight = ((distance(points, mapped(now, handle.segment)) ** 2 + 1) ** -2.0)[..., None]
        if len(handles) == 1:
            weight = np.ones_like(weight)
        total += weight
        firsts += weight * mapped(back, points)
        lasts += weight * mapped(combined(handle.pose(1.0), back), points)
    return firsts / total, lasts / total
