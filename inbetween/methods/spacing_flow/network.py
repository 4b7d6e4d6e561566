"""Intermediate flow: from two keyframes and a spacing map to the motion through each in-between's pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.correlation import correlation
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.composition import Intermediate, end_flows
from inbetween.methods.spacing_flow.flow_candidates import (
    FLOW_CANDIDATES,
    PIXELS,
    ConsistencyFeatures,
    FlowCandidates,
    prior_motion,
)
from inbetween.methods.spacing_flow.matching import Matcher, Matches, match

WIDTHS = (32, 64, 96, 128)  # of the features at 1/2, 1/4, 1/8 and 1/16 of the picture
HIDDEN = 32  # channels handed from a level to the next finer one
RADIUS = {16: 4, 8: 3, 4: 0}  # pixels of a level within which features are compared
MULTIPLE = 16  # of which height and width must be multiples


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.1, inplace=True))


def _begin_small(layer: nn.Conv2d, bias: Sequence[float], outputs: int | None = None) -> None:
    """Let the first `outputs` channels of a layer begin at about `bias`, and at 0 beyond its length."""
    assert layer.bias is not None
    nn.init.normal_(layer.weight[:outputs], std=1e-3)
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layer.bias[: len(bias)] = torch.tensor(bias)


class Encoder(nn.Module):
    """Features of a keyframe at 1/4, 1/8 and 1/16 of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, WIDTHS[0], 2)
        self.stages = nn.ModuleList(nn.Sequential(_conv(a, b, 2), _conv(b, b)) for a, b in pairwise(WIDTHS))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features (B, 64, H/4, W/4), (B, 96, H/8, W/8), (B, 128, H/16, W/16) of (B, 3, H, W) in [0, 1]."""
        features, found = self.stem(images * 2 - 1), []
        for stage in self.stages:
            features = stage(features)
            found.append(features)
        return found


class Level(nn.Module):
    """One level of the pyramid: warp both features to the in-between, compare, correct the motion.

    The level chooses for each pixel among the motion of the level before, staying where it is, and the
    splatted guesses, by how well both keyframes agree under each, and adds a correction.

    Args:
        features: Channels of the keyframes' features.
        radius: How far around a pixel features are compared; 0 leaves that out.
        layers: Convolutions after the first.
    """

    def __init__(self, features: int, radius: int, layers: int) -> None:
        super().__init__()
        self.radius = radius
        compared = (2 * radius + 1) ** 2 if radius else 0
        # motion, spacing, candidates' disagreement, guesses relative to the motion, how sure, evidence
        hints = 4 + 1 + (2 + FLOW_CANDIDATES) + 2 * FLOW_CANDIDATES + FLOW_CANDIDATES + 10
        self.body = nn.Sequential(
            _conv(2 * features + compared + hints + HIDDEN, features),
            *(_conv(features, features) for _ in range(layers)),
        )
        # choice among the candidates, correction of way and bow, hidden
        self.head = nn.Conv2d(features, 2 + FLOW_CANDIDATES + 4 + HIDDEN, 3, 1, 1)
        # before anything is learned, the classical flow is the best guess
        _begin_small(self.head, [4.0, 0, 4, 4, 0, 0], outputs=2 + FLOW_CANDIDATES + 4)

    def forward(
        self,
        features: tuple[Tensor, Tensor],
        images: tuple[Tensor, Tensor],
        motion: Tensor,
        spacing: Tensor,
        flow_candidates: FlowCandidates,
        consistency: ConsistencyFeatures,
        hidden: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Corrected motion (M, 4, h, w) in this level's pixels, and hidden state (M, 32, h, w)."""
        count, _, height, width = motion.shape
        flow_t0, flow_t1 = end_flows(motion, spacing)
        a, b = backward_warp(features[0], flow_t0), backward_warp(features[1], flow_t1)
        displacements = torch.cat(
            [motion[:, None, :2], torch.zeros_like(motion)[:, None, :2], flow_candidates.displacements], dim=1
        )
        with torch.no_grad():
            many = displacements.shape[1]
            flat, share = displacements.flatten(0, 1), _repeat(spacing, many)
            from_first = backward_warp(_repeat(images[0], many), -share * flat)
            from_last = backward_warp(_repeat(images[1], many), (1 - share) * flat)
            disagree = (from_first - from_last).abs().mean(1).view(count, many, height, width)
            seen = consistency.seen(flow_t0, flow_t1, motion[:, :2])
        parts = [
            a,
            b,
            motion / PIXELS,
            spacing,
            4 * disagree,
            ((flow_candidates.displacements - motion[:, None, :2]) / PIXELS).flatten(1, 2),
            flow_candidates.confidence,
            seen,
            hidden,
        ]
        if self.radius:
            parts.append(correlation(a, b, self.radius))
        joined = torch.cat([part.to(a.dtype) for part in parts], dim=1)
        found = self.head(self.body(joined.contiguous(memory_format=torch.channels_last)))
        choice = found[:, :many].float().softmax(1)
        displacement = (choice[:, :, None] * displacements).sum(1)
        correction = found[:, many : many + 4].float() * PIXELS / 4
        return torch.cat([displacement, motion[:, 2:]], dim=1) + correction, found[:, many + 4 :]


class Synthesis(nn.Module):
    """The last level: from keyframes warped at full resolution to fine motion, mask, residual and error.

    Works on 2x2 pixels at a time, where convolutions are wide enough to be fast. What moves is told from
    what stays at every pixel: the coarser levels cannot part a still line from a thing that passes by.

    Args:
        width: Channels.
        layers: Convolutions after the first.
    """

    OUTPUTS: ClassVar = [1, 4, 1, 3]  # channels of movement, motion, mask, residual

    def __init__(self, width: int = 48, layers: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(4 * 12 + 4 + 1 + 2 + HIDDEN, width), *(_conv(width, width) for _ in range(layers))
        )
        self.head = nn.Conv2d(width, 4 * sum(self.OUTPUTS), 3, 1, 1)
        self.error_head = nn.Conv2d(width, 4, 3, 1, 1)
        # to begin with, nearly everything moves as the levels say
        _begin_small(self.head, [4.0] * 4)
        _begin_small(self.error_head, [-3.0] * 4)

    def forward(
        self, first: Tensor, last: Tensor, motion: Tensor, spacing: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Motion (M, 4, H, W), mask, residual and error, from motion and hidden state at 1/4."""
        half = F.interpolate(motion, scale_factor=2, mode="bilinear") * 2
        full = F.interpolate(half, scale_factor=2, mode="bilinear") * 2
        hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear")
        flow_t0, flow_t1 = end_flows(full, spacing)
        a, b = backward_warp(first, flow_t0), backward_warp(last, flow_t1)
        disagree = F.avg_pool2d(
            torch.cat([(x - y).abs().mean(1, keepdim=True) for x, y in ((a, b), (first, last))], dim=1), 2
        )
        parts = [
            F.pixel_unshuffle(torch.cat([a, b, first, last], dim=1), 2),
            half / PIXELS,
            F.avg_pool2d(spacing, 2),
            4 * disagree,
            hidden,
        ]
        joined = torch.cat([part.to(hidden.dtype) for part in parts], dim=1)
        features = self.body(joined.contiguous(memory_format=torch.channels_last))
        found = F.pixel_shuffle(self.head(features).float(), 2)
        # the judge of the frame does not shape what it judges
        error = F.pixel_shuffle(self.error_head(features.detach()).float(), 2)
        moves, correction, mask, residual = torch.split(found, self.OUTPUTS, dim=1)
        return torch.sigmoid(moves) * full + correction * PIXELS / 4, mask, residual, error


class Pair(NamedTuple):
    """What is found out about both keyframes of B windows before it is known where in-betweens lie."""

    first: Tensor  # (B, 3, H, W) float32 in [0, 1]
    last: Tensor  # (B, 3, H, W)
    features: list[tuple[Tensor, Tensor]]  # of first and of last, at 1/4, 1/8 and 1/16
    descriptors: tuple[Tensor, Tensor]  # what they were matched by, (B, 64, H/8, W/8) each
    matches: Matches
    flows: tuple[Tensor, Tensor]  # the first guess there and back, (B, 2, H/4, W/4) in pixels of that size
    shrunk: dict[int, tuple[Tensor, Tensor]]  # both at 1/4, 1/8 and 1/16


class IntermediateFlow(nn.Module):
    """Coarse-to-fine motion through the pixels of in-betweens, indexed by spacing.

    Shares with IFRNet (arXiv 2205.14620) that flows are estimated at the in-between's own pixels and
    corrected level by level together with a hidden state; with distance indexing (arXiv 2311.08007)
    that it is told how far each pixel has gone instead of when. New is the straight way with a bow, so
    that the spacing is kept by construction, and the choice among splatted guesses of a classical flow and
    of matches over the whole picture, and staying.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.matcher = Matcher(WIDTHS[2], WIDTHS[3])
        self.levels = nn.ModuleDict(
            {
                "16": Level(WIDTHS[3], RADIUS[16], 2),
                "8": Level(WIDTHS[2], RADIUS[8], 3),
                "4": Level(WIDTHS[1], RADIUS[4], 3),
            }
        )
        self.synthesis = Synthesis()
        self.to(memory_format=torch.channels_last)

    def forward(
        self, first: Tensor, last: Tensor, spacing: Tensor, flow_01: Tensor, flow_10: Tensor
    ) -> Intermediate:
        """Look at both keyframes once, and at each of the N in-betweens.

        Args:
            first: (B, 3, H, W) in [0, 1], H and W multiples of 16.
            last: (B, 3, H, W) in [0, 1].
            spacing: (B, N, 1, H, W) in [0, 1].
            flow_01: (B, 2, H, W) in pixels: a first guess, or zeros.
            flow_10: (B, 2, H, W) in pixels.

        Returns:
            `Intermediate` of M = B N in-betweens, the N of a window together.
        """
        return self.between(self.encode_pair(first, last, flow_01, flow_10), spacing)

    @property
    def error_head(self) -> nn.Module:
        """What says how wrong a frame may be."""
        return self.synthesis.error_head

    def encode_pair(self, first: Tensor, last: Tensor, flow_01: Tensor, flow_10: Tensor) -> Pair:
        """Look at both keyframes; see `forward`."""
        encoded = self.encoder(torch.cat([first, last]))
        descriptors = self.matcher(encoded[1], encoded[2]).chunk(2)
        first, last = first.float(), last.float()
        return Pair(
            first,
            last,
            [found.chunk(2) for found in encoded],
            descriptors,
            match(self.matcher, *descriptors),
            (F.avg_pool2d(flow_01.float(), 4) / 4, F.avg_pool2d(flow_10.float(), 4) / 4),
            {k: (F.avg_pool2d(first, k), F.avg_pool2d(last, k)) for k in (4, 8, 16)},
        )

    def between(self, pair: Pair, spacing: Tensor) -> Intermediate:
        """What lies between keyframes that were looked at; see `forward`."""
        count = spacing.shape[1]
        spacing = spacing.flatten(0, 1).float()

        def repeated(both: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return _repeat(both[0], count), _repeat(both[1], count)

        features = [repeated(found) for found in pair.features]
        shrunk = {k: repeated(both) for k, both in pair.shrunk.items()}
        spaced = {k: F.avg_pool2d(spacing, k) for k in (4, 8, 16)}
        matches = Matches(*(_repeat(found, count) for found in pair.matches))
        priors = {4: prior_motion(repeated(pair.flows), matches, shrunk[4], spaced[4])}
        for k in (8, 16):
            flow_candidates, consistency = priors[k // 2]
            priors[k] = flow_candidates.pooled(), consistency.pooled()
        displacements = priors[16][0].displacements
        displacement = (1 - spaced[16]) * displacements[:, 0] + spaced[16] * displacements[:, 1]
        motion = torch.cat([displacement, torch.zeros_like(displacement)], dim=1)
        hidden = features[-1][0].new_zeros(len(displacement), HIDDEN, *displacement.shape[-2:])
        levels = []
        for k, level in zip((16, 8, 4), reversed(features), strict=True):
            motion, hidden = self.levels[str(k)](level, shrunk[k], motion, spaced[k], *priors[k], hidden)
            levels.append(motion * k)
            if k > 4:
                motion = F.interpolate(motion, scale_factor=2, mode="bilinear") * 2
                hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear")
        whole = repeated((pair.first, pair.last))
        fine, mask, residual, error = self.synthesis(*whole, motion, spacing, hidden)
        return Intermediate(fine, mask, residual, error, levels, pair.descriptors)


def _repeat(tensor: Tensor, count: int) -> Tensor:
    return tensor if count == 1 else tensor.repeat_interleave(count, 0)
