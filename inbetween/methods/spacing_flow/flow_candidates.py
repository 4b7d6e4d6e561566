"""Motion hypotheses that the network chooses from: of a classical flow, and of global matches."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.splat import softmax_splat, splatted_motion
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.matching import Matches

FLOW_CANDIDATES = 4  # per pixel: of the classical flow and of the matches, each splatted from both keyframes
MOTION_SCALE = 16.0  # pixels: motions are divided by this as network inputs
FOREGROUND_LOGIT = 3.0  # splatting importance of what moves relative to most of the image


class FlowCandidates(NamedTuple):
    """Displacements that a level chooses from, besides the coarser level's and zero."""

    displacements: Tensor  # (M, 4, 2, h, w) float32 in the level's pixels
    confidence: Tensor  # (M, 4, h, w) float32 in [0, 1]

    def pooled(self) -> FlowCandidates:
        """At half the height and width: displacements weighted by confidence."""
        weight = F.avg_pool2d(self.confidence + 1e-3, 2)
        displacements = F.avg_pool2d(
            (self.displacements * (self.confidence + 1e-3)[:, :, None]).flatten(1, 2), 2
        )
        displacements = (
            displacements.view(-1, FLOW_CANDIDATES, 2, *displacements.shape[-2:]) / weight[:, :, None] / 2
        )
        return FlowCandidates(displacements, F.avg_pool2d(self.confidence, 2))


class ConsistencyFeatures(NamedTuple):
    """The displacements found at the keyframes' own pixels, at the level's resolution.

    Sampled where an in-between's pixel comes from, and compared with its displacement, they show whether
    that keyframe has the same object there or an occluder, and whether the other keyframe shows it as well.
    """

    # (M, 5, h, w) float32: displacement by classical flow and by match, from first to last, in the level's
    # pixels, and the match's confidence
    first: Tensor
    last: Tensor

    def pooled(self) -> ConsistencyFeatures:
        """At half the height and width."""
        half = [F.avg_pool2d(keyframe, 2) for keyframe in self]
        return ConsistencyFeatures(*(torch.cat([maps[:, :4] / 2, maps[:, 4:]], dim=1) for maps in half))

    def at(self, flow_t0: Tensor, flow_t1: Tensor, displacement: Tensor) -> Tensor:
        """The features of an in-between's pixels.

        Args:
            flow_t0: (M, 2, h, w) in pixels, from the in-between to first.
            flow_t1: (M, 2, h, w) in pixels, to last.
            displacement: (M, 2, h, w) in pixels, from first to last, at the in-between's pixels.

        Returns:
            (M, 10, h, w): for first and for last, the differences of the flow's and the match's displacement
            (x, y) over 16 pixels, and the match's confidence in [0, 1].
        """
        parts = []
        for keyframe, flow in ((self.first, flow_t0), (self.last, flow_t1)):
            sampled = backward_warp(keyframe, flow)
            parts += [(sampled[:, :4] - displacement.repeat(1, 2, 1, 1)) / MOTION_SCALE, sampled[:, 4:]]
        return torch.cat(parts, dim=1)


@torch.no_grad()
def find_flow_candidates(
    prior_flows: tuple[Tensor, Tensor],
    matches: Matches,
    images: tuple[Tensor, Tensor],
    spacing: Tensor,
) -> tuple[FlowCandidates, ConsistencyFeatures]:
    """Flow candidates and consistency features, at a quarter of the image's height and width.

    Args:
        prior_flows: Classical flow_01 and flow_10, (M, 2, h, w) in pixels of that size.
        matches: At half that size, of M in-betweens.
        images: The keyframes (M, 3, h, w) in [0, 1].
        spacing: (M, 1, h, w) in [0, 1].
    """
    flow_01, flow_10 = prior_flows
    classical = splatted_motion(flow_01, flow_10, *images, spacing)
    matched = _upsampled(splatted_matches(matches, F.avg_pool2d(spacing, 2)), 4)
    displacements = torch.cat([classical[:, :4], matched[:, :4]], dim=1)
    flow_candidates = FlowCandidates(
        displacements.view(-1, FLOW_CANDIDATES, 2, *displacements.shape[-2:]),
        torch.cat([classical[:, 4:], matched[:, 4:]], dim=1),
    )
    forward = torch.cat([matches.flow_01, matches.confidence_01], dim=1)
    backward = torch.cat([-matches.flow_10, matches.confidence_10], dim=1)
    upsampled = [_upsampled(maps, 2) for maps in (forward, backward)]
    return flow_candidates, ConsistencyFeatures(
        *(torch.cat(pair, dim=1) for pair in zip((flow_01, -flow_10), upsampled, strict=True))
    )


def splatted_matches(matches: Matches, spacing: Tensor) -> Tensor:
    """Two candidates for the displacement at an in-between's cells, by forward splatting of the matches.

    Where several cells land, confident ones and those that move relative to most of the image (foreground)
    weigh more. Where none lands, the displacement is 0.

    Args:
        matches: Of M in-betweens.
        spacing: (M, 1, h, w) in [0, 1].

    Returns:
        (M, 6, h, w) float32: displacement (x, y) from first's cells and from last's, in cells; then the
        confidence of each, in [0, 1].
    """
    displacements, confidences = [], []
    for flow, confidence, share, sign in (
        (matches.flow_01, matches.confidence_01, spacing, 1.0),
        (matches.flow_10, matches.confidence_10, 1 - spacing, -1.0),
    ):
        median = flow.flatten(2).median(2).values[..., None, None]
        foreground = (flow - median).norm(dim=1, keepdim=True).clamp(max=1)
        # the map is given at the in-between's pixels: sample it about where a cell will land
        share = backward_warp(share, share * flow)
        importance = 2 * confidence.clamp(min=1e-3).log() + FOREGROUND_LOGIT * foreground
        splatted, weight = softmax_splat(torch.cat([flow, confidence], dim=1), share * flow, importance)
        coverage = weight / (weight + 0.01)
        displacements.append(sign * coverage * splatted[:, :2])
        confidences.append(coverage * splatted[:, 2:])
    return torch.cat([*displacements, *confidences], dim=1)


def _upsampled(maps: Tensor, channels: int) -> Tensor:
    """Twice the height and width, the first `channels`, displacements, in the smaller pixels."""
    large = F.interpolate(maps, scale_factor=2, mode="nearest")
    return torch.cat([2 * large[:, :channels], large[:, channels:]], dim=1)
