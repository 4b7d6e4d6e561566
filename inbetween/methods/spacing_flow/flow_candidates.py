"""What is known of the motion before a network corrects it: by classical flow, and by global matches."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.splat import splatted_motion
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.matching import Matches, matched_motion

FLOW_CANDIDATES = 4  # ways through a pixel: the classical flow's and the matches', each from both keyframes
PIXELS = 16.0  # motions are divided by this where they enter a network


class FlowCandidates(NamedTuple):
    """Ways that a level may choose from besides the motion of the level before and none at all."""

    displacements: Tensor  # (M, 4, 2, h, w) float32 in the level's pixels
    confidence: Tensor  # (M, 4, h, w) float32 in [0, 1]

    def pooled(self) -> FlowCandidates:
        """At half the height and width, surer ones counting more."""
        weight = F.avg_pool2d(self.confidence + 1e-3, 2)
        displacements = F.avg_pool2d(
            (self.displacements * (self.confidence + 1e-3)[:, :, None]).flatten(1, 2), 2
        )
        displacements = (
            displacements.view(-1, FLOW_CANDIDATES, 2, *displacements.shape[-2:]) / weight[:, :, None] / 2
        )
        return FlowCandidates(displacements, F.avg_pool2d(self.confidence, 2))


class ConsistencyFeatures(NamedTuple):
    """What is known of a keyframe's own pixels, at the level's resolution.

    Compared with the way of an in-between's pixel it tells whether the keyframe shows the same thing
    there or something that passes in front, and whether the other keyframe shows it as well.
    """

    # (M, 5, h, w) float32: way by classical flow and way by match, from first to last, in the level's
    # pixels, and how sure the match is
    first: Tensor
    last: Tensor

    def pooled(self) -> ConsistencyFeatures:
        """At half the height and width."""
        half = [F.avg_pool2d(known, 2) for known in self]
        return ConsistencyFeatures(*(torch.cat([known[:, :4] / 2, known[:, 4:]], dim=1) for known in half))

    def seen(self, flow_t0: Tensor, flow_t1: Tensor, displacement: Tensor) -> Tensor:
        """How far the keyframes' ways are from an in-between's, and how sure they are.

        Args:
            flow_t0: (M, 2, h, w) in pixels, from the in-between to first.
            flow_t1: (M, 2, h, w) in pixels, to last.
            displacement: (M, 2, h, w) in pixels, of the in-between's pixels from first to last.

        Returns:
            (M, 10, h, w): for first and for last, two differences (x, y) over 16 pixels, and [0, 1].
        """
        parts = []
        for known, flow in ((self.first, flow_t0), (self.last, flow_t1)):
            found = backward_warp(known, flow)
            parts += [(found[:, :4] - displacement.repeat(1, 2, 1, 1)) / PIXELS, found[:, 4:]]
        return torch.cat(parts, dim=1)


@torch.no_grad()
def prior_motion(
    flows: tuple[Tensor, Tensor],
    matches: Matches,
    images: tuple[Tensor, Tensor],
    spacing: Tensor,
) -> tuple[FlowCandidates, ConsistencyFeatures]:
    """Flow candidates and consistency features, at a quarter of the picture's height and width.

    Args:
        flows: Classical flow there and back, (M, 2, h, w) in pixels of that size.
        matches: At half that size, of M in-betweens.
        images: The keyframes (M, 3, h, w) in [0, 1].
        spacing: (M, 1, h, w) in [0, 1].
    """
    flow_01, flow_10 = flows
    classical = splatted_motion(flow_01, flow_10, *images, spacing)
    matched = _doubled(matched_motion(matches, F.avg_pool2d(spacing, 2)), 4)
    displacements = torch.cat([classical[:, :4], matched[:, :4]], dim=1)
    flow_candidates = FlowCandidates(
        displacements.view(-1, FLOW_CANDIDATES, 2, *displacements.shape[-2:]),
        torch.cat([classical[:, 4:], matched[:, 4:]], dim=1),
    )
    onward = torch.cat([matches.flow_01, matches.confidence_01], dim=1)
    backward = torch.cat([-matches.flow_10, matches.confidence_10], dim=1)
    known = [_doubled(found, 2) for found in (onward, backward)]
    return flow_candidates, ConsistencyFeatures(
        *(torch.cat(pair, dim=1) for pair in zip((flow_01, -flow_10), known, strict=True))
    )


def _doubled(found: Tensor, channels: int) -> Tensor:
    """Twice the height and width, the first `channels` in the smaller pixels."""
    large = F.interpolate(found, scale_factor=2, mode="nearest")
    return torch.cat([2 * large[:, :channels], large[:, channels:]], dim=1)
