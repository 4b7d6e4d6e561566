"""Guided pairs of keyframes: regions are taken out, the method draws the rest, and they are put back in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.interpolation.guides.areas import cutouts_of, find_areas
from inbetween.interpolation.guides.arrival import ALIKE, find_arrival
from inbetween.interpolation.guides.background import KeyframePair
from inbetween.interpolation.guides.cutouts import Cutout
from inbetween.interpolation.guides.guides import PairGuides
from inbetween.interpolation.guides.layers import Layer, as_frame, colours_around, premultiplied, put
from inbetween.interpolation.guides.plans import Plan, plans_of
from inbetween.interpolation.guides.poses import mapped, region_handle


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
        frames = frames.clone()  # it may be the keyframe itself, repeated
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
    keyframes = KeyframePair(premultiplied(first), premultiplied(last))
    plans = [_arriving(plan, keyframes) for plan in plans]
    layers, warnings = [], []
    ends = first.clone(), last.clone()
    cutouts = cutouts_of(find_areas(plans, keyframes), keyframes)
    for plan, (one, other) in zip(plans, cutouts, strict=True):
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


def _arriving(plan: Plan, keyframes: KeyframePair) -> Plan:
    """A plan that arrives where the last keyframe has its region."""
    region = plan.region
    if region is None:
        return plan
    ((first, last),) = cutouts_of(find_areas([plan], keyframes, trim=False), keyframes)
    end = plan.handles[0].pose(1.0)
    if region.mask_last is not None and last is not None:
        beside = _centre(last) - mapped(end, _centre(first))
    else:
        found = find_arrival(first, end, keyframes.pictures[1])
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
    if layer.last is None and not found:
        found.append(
            f"{plan.place}: the last keyframe does not show the region where the guide ends; give mask_last,"
            " or end it where the region is"
        )
    return found
