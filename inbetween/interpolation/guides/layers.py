"""Guided regions as layers: drawn at any t over what the method made of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.interpolation.guides.boxes import Box, box_around, dilated
from inbetween.interpolation.guides.colours import Picture, frequent_colours, likeness
from inbetween.interpolation.guides.cutouts import Cutout
from inbetween.interpolation.guides.masks import Share
from inbetween.interpolation.guides.plans import Plan
from inbetween.interpolation.guides.poses import combined, inverse, mapped, sources
from inbetween.interpolation.guides.timing import position

PADDING = 4  # pixels around the window that a region is drawn in
RING = 6  # pixels around a region whose colours are those of its surroundings


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
    size = (frame.shape[-2], frame.shape[-1])
    box = _window(layer, t, size)
    if box is None:
        return
    s = position(layer.plan.spacing, t)
    at_first, at_last = sources(layer.plan.handles, t, box.grid)
    shown, coverage = _sampled(layer.first, at_first)
    if layer.last is not None:
        # one keyframe alone, the nearer one, which is sharp; the other where that does not show the region
        other, cover = _sampled(layer.last, at_last)
        missing = _missing(layer.first, at_first, size), _missing(layer.last, at_last, size)
        from_last = missing[0] & ~missing[1] if s <= 0.5 else ~missing[1] | missing[0]
        shown = np.where(from_last[..., None], other, shown)
        coverage = np.where(from_last, cover, coverage)
    part = frame[:, *box.slices]
    behind = premultiplied(part)
    if layer.in_front_of is not None:
        seen = likeness(behind, layer.in_front_of)
        coverage, shown = coverage * seen, shown * seen[..., None]
    coverage = coverage.clip(0, 1)
    shown = shown.clip(0, coverage[..., None])
    result = as_frame(shown + (1 - coverage[..., None]) * behind).to(frame)
    share = torch.from_numpy(coverage)[None].to(covered)
    part.copy_(torch.where(share > 0, result, part))
    before = covered[:, *box.slices]
    before.copy_(torch.maximum(before, share))


def _sampled(cutout: Cutout, places: NDArray[np.float64]) -> tuple[Picture, Share]:
    """A cut-out's colours and coverage at places (h, w, 2) of its keyframe."""
    x, y = np.moveaxis((places - cutout.box.corner).astype(np.float32), -1, 0)
    shown, coverage = (
        cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
        for image in (cutout.picture, cutout.coverage)
    )
    return shown, coverage


def _missing(cutout: Cutout, places: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which places (h, w, 2) a keyframe does not show: outside of the picture, or behind something else."""
    x, y = places[..., 0], places[..., 1]
    outside = (x < 0) | (x > size[1] - 1) | (y < 0) | (y > size[0] - 1)
    x, y = np.moveaxis((places - cutout.box.corner).astype(np.float32), -1, 0)
    found: NDArray[np.bool_] = outside | (cv2.remap(cutout.hidden, x, y, cv2.INTER_LINEAR) > 0.5)
    return found


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
    return frequent_colours(np.concatenate(found))


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
