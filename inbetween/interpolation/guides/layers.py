"""Guided regions as layers: drawn at any t over what the method made of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.interpolation.guides.background import Picture
from inbetween.interpolation.guides.boxes import Box, box_around, dilated
from inbetween.interpolation.guides.cutouts import Cutout
from inbetween.interpolation.guides.masks import Share
from inbetween.interpolation.guides.plans import Plan
from inbetween.interpolation.guides.poses import combined, inverse, mapped, sources
from inbetween.interpolation.guides.timing import position

SHARPNESS = 10.0  # of the change from the first keyframe's cut-out to the last one's, as in spacing flow
LEAST_WEIGHT = 1e-3  # of a cut-out, below which it is not drawn
PADDING = 4  # pixels around the window that a region is drawn in
RING = 6  # pixels around a region whose colours are those of its surroundings
LEVELS = 16  # of each channel: colours of the surroundings are counted in so many
LEAST_SHARE = 0.02  # of the ring, from which a colour counts
SAME, OTHER = 12 / 255, 40 / 255  # distance from a colour up to which, and from which, it is not another one


class Layer(NamedTuple):
    """A guided region, to be drawn at any t."""

    plan: Plan
    first: Cutout
    last: Cutout | None  # where the last keyframe shows it
    in_front_of: NDArray[np.float32] | None  # (K, 4): colours that it covers alone; None if it covers all


def put(layer: Layer, frame: Tensor, covered: Tensor, t: float) -> None:
    """Draw a layer.

    Args:
        layer: The guided region.
        frame: (4, H, W) in [0, 1], at t, in which it is drawn.
        covered: The share (1, H, W) of each pixel that is covered by regions, which is updated.
        t: In (0, 1).
    """
    box = _window(layer, t, (frame.shape[-2], frame.shape[-1]))
    if box is None:
        return
    s = position(layer.plan.spacing, t)
    share = 1.0 if layer.last is None else 1 / (1 + (s / max(1 - s, 1e-9)) ** SHARPNESS)
    places = sources(layer.plan.handles, t, box.grid)
    shown = np.zeros((*places[0].shape[:2], 4), np.float32)
    coverage = np.zeros(shown.shape[:2], np.float32)
    for cutout, place, weight in zip((layer.first, layer.last), places, (share, 1 - share), strict=True):
        if cutout is None or weight < LEAST_WEIGHT:
            continue
        x, y = np.moveaxis((place - cutout.box.corner).astype(np.float32), -1, 0)
        colours, cover = (
            cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
            for image in (cutout.picture, cutout.coverage)
        )
        shown += np.float32(weight) * colours
        coverage += np.float32(weight) * cover
    part = frame[:, *box.slices]
    behind = premultiplied(part)
    if layer.in_front_of is not None:
        seen = _alike(behind, layer.in_front_of)
        coverage, shown = coverage * seen, shown * seen[..., None]
    coverage = coverage.clip(0, 1)
    shown = shown.clip(0, coverage[..., None])
    result = as_frame(shown + (1 - coverage[..., None]) * behind).to(frame)
    cover = torch.from_numpy(coverage)[None].to(covered)
    part.copy_(torch.where(cover > 0, result, part))
    other = covered[:, *box.slices]
    other.copy_(torch.maximum(other, cover))


def _window(layer: Layer, t: float, size: tuple[int, int]) -> Box | None:
    """What a layer may cover at t; None if it is outside."""
    found = []
    for handle in layer.plan.handles:
        pose = handle.pose(t)
        found.append(mapped(pose, layer.first.box.corners))
        if layer.last is not None:
            found.append(mapped(combined(pose, inverse(handle.pose(1.0))), layer.last.box.corners))
    return box_around(np.concatenate(found), PADDING, size)


def colours_around(cutouts: Sequence[Cutout]) -> NDArray[np.float32]:
    """The colours (K, 4) that surround a region in its keyframes."""
    found = []
    for cutout in cutouts:
        where = cutout.coverage > 0
        found.append(cutout.background[dilated(where, RING) & ~where])
    colours = np.concatenate(found)
    cells = (colours * (LEVELS - 1)).round().astype(np.int64)
    _, member, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    member = member.ravel()
    sums = np.stack([np.bincount(member, colours[:, channel]) for channel in range(4)], axis=1)
    kept = counts >= LEAST_SHARE * len(colours)
    means: NDArray[np.float32] = (sums[kept] / counts[kept, None]).astype(np.float32)
    return means


def _alike(picture: Picture, colours: NDArray[np.float32]) -> Share:
    """How much the pixels (h, w) are of one of these colours."""
    if not len(colours):
        return np.zeros(picture.shape[:2], np.float32)
    nearest = np.min([np.abs(picture - colour).max(-1) for colour in colours], axis=0)
    return ((OTHER - nearest) / (OTHER - SAME)).clip(0, 1).astype(np.float32)


def premultiplied(frame: Tensor) -> Picture:
    """A frame (4, H, W) as (H, W, 4), RGB multiplied by opacity."""
    planes = frame.detach().float().cpu().numpy()
    opacity = planes[3]
    found: Picture = cv2.merge(
        [*(np.ascontiguousarray(plane) * opacity for plane in planes[:3]), opacity.copy()]
    )
    return found


def as_frame(picture: Picture) -> Tensor:
    """The opposite of `premultiplied`."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)
    opacity = planes[3:]
    return torch.cat([(planes[:3] / opacity.clamp(min=1e-6)).clamp(0, 1), opacity.clamp(0, 1)])
