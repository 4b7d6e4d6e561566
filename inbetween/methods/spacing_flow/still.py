"""Still content at inference: what does not move between the keyframes is taken from them as it is.

Estimated motion leaks from moving things into still content near them, and bends thin lines. But what is the
same in both keyframes at its source did not come from there: motion that leads to such sources is wrong.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from inbetween.functional.batch import repeat_samples
from inbetween.methods.spacing_flow.composition import Intermediate, end_flows

TOLERANCE = 2.5 / 255  # up to here keyframes are the same: compressed footage is off by one or two levels
MIN_CONTRAST = 16 / 255  # of neighbouring pixels: an edge, which would show motion if there was any
EDGE_RADIUS = 5  # pixels around a still edge that are known to be still as well
SAME_GRAY = 32 / 255  # up to here both ends of a motion show the same thing
OBJECT_RADIUS = 2  # pixels by which moving things are enlarged, which closes gaps between their sources
STILL_ERROR = 1 / 255  # of [0, 1]: expected error of what is held

CHANGED, FLAT, EDGED = 0, 1, 2  # stillness of a pixel


class Held(NamedTuple):
    """Where in-betweens show the keyframes without motion."""

    where: Tensor  # (M, 1, H, W) bool
    # (M, 1, H, W) float32 in [0, 1], or (M, 1, 1, 1): weight of first there
    share: Tensor


class StillContent:
    """What does not move between two keyframes.

    A pixel is still if both keyframes are the same there. Near edges that is evidence that nothing moved; in
    flat colour it is not, since something flat that moves overlaps itself.

    Args:
        first: (B, C, H, W) in [0, 1], every channel counts.
        last: (B, C, H, W).
    """

    def __init__(self, first: Tensor, last: Tensor) -> None:
        changed = (first - last).abs().amax(1, keepdim=True) > TOLERANCE
        edges = torch.zeros_like(changed)
        for dim in (-2, -1):
            edges.narrow(dim, 1, edges.shape[dim] - 1).logical_or_(
                first.diff(dim=dim).abs().amax(1, keepdim=True) > MIN_CONTRAST
            )
        near_edge = edges & ~dilate(changed, 1)
        for _ in range(EDGE_RADIUS):
            # step by step, so as not to cross the outline of what moves
            near_edge = dilate(near_edge, 1) & ~changed
        self.stillness = (~changed).to(torch.uint8) * (1 + near_edge.to(torch.uint8))
        self.grays = [image.mean(1, keepdim=True) for image in (first, last)]

    def held(self, motion: Tensor, spacing: Tensor) -> Held:
        """Where in-betweens show still content, judged by where their motion leads.

        A still pixel is held if both sources of its motion are still, or one of them with an edge near it or
        the pixel: then no moving thing covers it. A pixel that changes is held if one source is still near an
        edge, and the other keyframe shows a moving thing at the pixel: a thing that uncovers the background,
        or will cover it.

        Args:
            motion: (B N, 4, H, W) in pixels, displacement and curvature.
            spacing: (B N, 1, H, W) in [0, 1], or (B N, 1, 1, 1) where it is constant.
        """
        count = len(motion) // len(self.stillness)
        here = repeat_samples(self.stillness, count)
        sources = [_index(flow) for flow in end_flows(motion, spacing)]
        at_first, at_last = (_gather(here, source) for source in sources)
        most = torch.maximum(at_first, at_last)
        held = (here > CHANGED) & ((torch.minimum(at_first, at_last) > CHANGED) | (here + most > EDGED))
        share = 1 - spacing
        uncovered = (here == CHANGED) & (most == EDGED) & (spacing > 0) & (spacing < 1)
        if uncovered.any():
            ends = [
                _gather(repeat_samples(gray, count), source)
                for gray, source in zip(self.grays, sources, strict=True)
            ]
            moving = (most == CHANGED) & ((ends[0] - ends[1]).abs() < SAME_GRAY)
            in_first, in_last = (_scatter(moving, source) for source in sources)
            shows_first = uncovered & ~in_first & (at_last > CHANGED) & (in_last | (at_first == CHANGED))
            shows_last = uncovered & ~in_last & (at_first > CHANGED) & (in_first | (at_last == CHANGED))
            share = torch.where(shows_first, 1.0, torch.where(shows_last, 0.0, share))
            held = held | shows_first | shows_last
        return Held(held, share)


def hold_still(prediction: Intermediate, held: Held) -> Intermediate:
    """A prediction without motion where it is held, and with a small expected error."""
    return prediction._replace(
        motion=prediction.motion.masked_fill(held.where, 0),
        error=prediction.error.masked_fill(held.where, math.log(STILL_ERROR)),
    )


def compose_still(frames: Tensor, first: Tensor, last: Tensor, held: Held) -> Tensor:
    """Frames (M, C, H, W) that show the keyframes (M, C, H, W) where they are held."""
    return torch.where(held.where, torch.lerp(last, first, held.share), frames)


def dilate(mask: Tensor, radius: int) -> Tensor:
    """Where any pixel of a square of 2 radius + 1 pixels around is set, (M, 1, H, W) bool.

    Ten times as fast on a CPU as maximum pooling.
    """
    for dim in (-2, -1):
        size, grown = mask.shape[dim], mask.clone()
        for shift in range(1, min(radius, size - 1) + 1):
            grown.narrow(dim, shift, size - shift).logical_or_(mask.narrow(dim, 0, size - shift))
            grown.narrow(dim, 0, size - shift).logical_or_(mask.narrow(dim, shift, size - shift))
        mask = grown
    return mask


def _index(flow: Tensor) -> Tensor:
    """Indices (M, 1, H W) of the pixels nearest to where a flow (M, 2, H, W) leads, inside the image."""
    height, width = flow.shape[-2:]
    x, y = flow.round().to(torch.int32).unbind(1)
    x = (x + torch.arange(width, device=flow.device, dtype=torch.int32)).clamp_(0, width - 1)
    y = (y + torch.arange(height, device=flow.device, dtype=torch.int32)[:, None]).clamp_(0, height - 1)
    return y.long().mul_(width).add_(x.long()).flatten(1)[:, None]


def _gather(maps: Tensor, index: Tensor) -> Tensor:
    return maps.flatten(2).gather(2, index).view_as(maps)


def _scatter(moving: Tensor, index: Tensor) -> Tensor:
    """Where moving pixels (M, 1, H, W) come from, with a margin."""
    # the others go to a pixel more than there are
    pixels = moving[0].numel()
    found = moving.new_zeros(len(moving), 1, pixels + 1)
    found.scatter_(2, index.masked_fill(~moving.flatten(2), pixels), True)
    return dilate(found[..., :pixels].view_as(moving), OBJECT_RADIUS)
