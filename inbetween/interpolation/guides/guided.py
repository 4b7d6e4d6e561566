"""Guided pairs of keyframes: regions are taken out, the method draws the rest, and they are put back in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.interpolation.guides.arrival import ALIKE, find_arrival
from inbetween.interpolation.guides.background import RING, Background, Picture
from inbetween.interpolation.guides.boxes import box_of, dilated
from inbetween.interpolation.guides.cutouts import Cutout, cut_out
from inbetween.interpolation.guides.guides import PairGuides
from inbetween.interpolation.guides.layers import Layer, as_frame, colours_around, premultiplied, put
from inbetween.interpolation.guides.masks import Share
from inbetween.interpolation.guides.plans import Plan, plans_of
from inbetween.interpolation.guides.poses import mapped, region_handle

MARGIN = 3  # pixels around a mask that may still show the region
SIZES = (0.25, 4.0)  # of its area in the first keyframe: between these, something in the last is the region


@dataclass(frozen=True)
class GuidedPair:
    """Two keyframes without their guided regions, and those.

    Args:
        first: (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity; without guided regions.
        last: The same.
        layers: The guided regions, the foremost last.
        warnings: What the user should know, a sentence each.
    """

    first: Tensor
    last: Tensor
    layers: tuple[Layer, ...] = ()
    warnings: tuple[str, ...] = ()

    def draw(self, frames: Tensor, errors: Tensor | None, t: Sequence[float]) -> tuple[Tensor, Tensor | None]:
        """Frames with the guided regions put in.

        Args:
            frames: (n, 4, H, W) in [0, 1], between these keyframes.
            errors: (n, 1, H, W), each pixel's expected error, if it is known; smaller where a region is.
            t: n positions.
        """
        if not self.layers:
            return frames, errors
        frames = frames.clone()
        covered = torch.zeros_like(frames[:, :1])
        for frame, cover, place in zip(frames, covered, t, strict=True):
            for layer in self.layers:
                put(layer, frame, cover, place)
        return frames, None if errors is None else errors * (1 - covered)


def guided_pair(first: Tensor, last: Tensor, guides: PairGuides) -> GuidedPair:
    """Take the guided regions out of two keyframes.

    Args:
        first: (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity.
        last: The same.
        guides: Of this pair.

    Raises:
        UserError: A mask has another size or is empty.
    """
    plans = list(plans_of(guides, (first.shape[-2], first.shape[-1])))
    if not plans:
        return GuidedPair(first, last)
    keyframes = premultiplied(first), premultiplied(last)
    plans = [_arriving(plan, keyframes) for plan in plans]
    layers, warnings = [], []
    ends = first.clone(), last.clone()
    for plan, (one, other) in zip(plans, _taken_out(plans, keyframes), strict=True):
        for end, cutout in zip(ends, (one, other), strict=True):
            if cutout is not None:
                part = end[:, *cutout.box.slices]
                changed = torch.from_numpy(cutout.changed).to(part.device)
                part.copy_(torch.where(changed, as_frame(cutout.background).to(part), part))
        behind = plan.region is not None and plan.region.behind
        around = colours_around([each for each in (one, other) if each]) if behind else None
        layers.append(Layer(plan, one, other, around))
        warnings += _warnings(plan, layers[-1])
    return GuidedPair(*ends, tuple(layers), tuple(warnings))


def _taken_out(
    plans: Sequence[Plan], keyframes: tuple[Picture, Picture]
) -> list[tuple[Cutout, Cutout | None]]:
    """The cut-outs of each plan in both keyframes; None in the last where it does not show the region."""
    masks = [(plan.first, _mask_in_last(plan)) for plan in plans]
    taken = [dilated(np.any([pair[number] > 0 for pair in masks], axis=0), MARGIN) for number in (0, 1)]
    background = Background(keyframes, (taken[0], taken[1]))
    found = []
    for plan, pair in zip(plans, masks, strict=True):
        cutouts = []
        for number in (0, 1):
            box = box_of(pair[number] > 0, RING + MARGIN + 1)
            if box is None:
                continue
            core = plan.cores[number]
            cutouts.append(
                cut_out(
                    keyframes[number][box.slices],
                    background.within(number, box),
                    pair[number][box.slices],
                    plan.exact[number],
                    None if core is None else core[box.slices],
                    box,
                )
            )
        first, last = cutouts[0], cutouts[1] if len(cutouts) == 2 else None
        found.append((first, last if last and _may_be(first, last, plan) else None))
    return found


def _may_be(first: Cutout, last: Cutout, plan: Plan) -> bool:
    """Whether what was found in the last keyframe is of about the right size, where no mask says so."""
    if plan.region is not None and plan.region.mask_last is not None:
        return True
    grown = abs(float(np.linalg.det(plan.handles[0].pose(1.0)[:, :2])))
    size = grown * float(first.coverage.sum())
    return SIZES[0] * size <= float(last.coverage.sum()) <= SIZES[1] * size


def _mask_in_last(plan: Plan) -> Share:
    """The mask in the last keyframe: a plan's own, or that of the first, moved."""
    if plan.last is not None:
        return plan.last
    height, width = plan.first.shape
    moved = cv2.warpAffine(plan.first, plan.handles[0].pose(1.0), (width, height))
    where = moved > 0.5
    return (dilated(where, MARGIN) if where.any() else where).astype(np.float32)


def _arriving(plan: Plan, keyframes: tuple[Picture, Picture]) -> Plan:
    """A plan that arrives where the last keyframe has its region."""
    region = plan.region
    if region is None:
        return plan
    ((first, last),) = _taken_out([plan], keyframes)
    end = plan.handles[0].pose(1.0)
    if region.mask_last is not None and last is not None:
        beside = _centre(last) - mapped(end, _centre(first))
    else:
        found = find_arrival(first, end, keyframes[1])
        beside = found.beside if found.difference <= ALIKE else np.zeros(2)
    return replace(plan, handles=(region_handle(region, beside),))


def _centre(cutout: Cutout) -> NDArray[np.float64]:
    """Centre (x, y) of what is covered, weighted."""
    weight = cutout.coverage[..., None]
    centre: NDArray[np.float64] = (cutout.box.grid * weight).sum((0, 1)) / weight.sum()
    return centre


def _warnings(plan: Plan, layer: Layer) -> list[str]:
    """What a user should know of a plan."""
    height, width = plan.first.shape
    found = []
    if plan.region is not None:
        x, y = plan.region.path[-1]
        if not (0 <= x < width and 0 <= y < height):
            found.append(f"{plan.place}: its path ends outside of the picture, at {x:g}, {y:g}")
        beside = plan.handles[0].pose(1.0) - region_handle(plan.region).pose(1.0)
        apart = float(np.hypot(*beside[:, 2]))
        if apart > max(4.0, 0.02 * max(height, width)):
            found.append(
                f"{plan.place}: the last keyframe has the region {apart:.0f} pixels from its path's end; the"
                " path is bent to arrive there"
            )
    if layer.last is None:
        found.append(
            f"{plan.place}: the last keyframe does not show the region where the guide ends; give mask_last,"
            " or end it where the region is"
        )
    return found
