"""The network's parts: encoder, pyramid levels, and synthesis at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.batch import repeat_samples
from inbetween.functional.correlation import correlation
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.composition import end_flows
from inbetween.methods.spacing_flow.flow_candidates import (
    FLOW_CANDIDATES,
    MOTION_SCALE,
    ConsistencyFeatures,
    FlowCandidates,
)

WIDTHS = (32, 64, 96, 128)  # channels of the features at 1/2, 1/4, 1/8 and 1/16 of height and width
HIDDEN = 32  # channels passed from a level to the next finer one


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.1, inplace=True))


def _init_near_constant(layer: nn.Conv2d, bias: Sequence[float], outputs: int | None = None) -> None:
    """Initialise a layer's first `outputs` channels to almost constant `bias`, and 0 beyond its length."""
    assert layer.bias is not None
    nn.init.normal_(layer.weight[:outputs], std=1e-3)
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layer.bias[: len(bias)] = torch.tensor(bias)


class Encoder(nn.Module):
    """Feature pyramid of a keyframe at 1/4, 1/8 and 1/16 of height and width."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, WIDTHS[0], 2)
        self.stages = nn.ModuleList(nn.Sequential(_conv(a, b, 2), _conv(b, b)) for a, b in pairwise(WIDTHS))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features (B, 64, H/4, W/4), (B, 96, H/8, W/8), (B, 128, H/16, W/16) of (B, 3, H, W) in [0, 1]."""
        features, pyramid = self.stem(images * 2 - 1), []
        for stage in self.stages:
            features = stage(features)
            pyramid.append(features)
        return pyramid


class Level(nn.Module):
    """A pyramid level: warps both feature maps to the in-between, correlates them, corrects the motion.

    Each pixel's displacement is a softmax-weighted mean of the coarser level's, zero, and the flow
    candidates, predicted from how well both keyframes match under each, plus a residual.

    Args:
        features: Channels of the keyframes' features.
        radius: Of the correlation volume, in pixels of the level; 0 has none.
        layers: Convolutions after the first.
    """

    def __init__(self, features: int, radius: int, layers: int) -> None:
        super().__init__()
        self.radius = radius
        correlations = (2 * radius + 1) ** 2 if radius else 0
        # motion, spacing, photometric error of each displacement, candidates relative to the motion, their
        # confidence, consistency features
        inputs = 4 + 1 + (2 + FLOW_CANDIDATES) + 2 * FLOW_CANDIDATES + FLOW_CANDIDATES + 10
        self.body = nn.Sequential(
            _conv(2 * features + correlations + inputs + HIDDEN, features),
            *(_conv(features, features) for _ in range(layers)),
        )
        # weights of the displacements, correction of displacement and curvature, hidden state
        self.head = nn.Conv2d(features, 2 + FLOW_CANDIDATES + 4 + HIDDEN, 3, 1, 1)
        # before training, the classical flow is the best candidate
        _init_near_constant(self.head, [4.0, 0, 4, 4, 0, 0], outputs=2 + FLOW_CANDIDATES + 4)

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
            choices = displacements.shape[1]
            flat, share = displacements.flatten(0, 1), repeat_samples(spacing, choices)
            from_first = backward_warp(repeat_samples(images[0], choices), -share * flat)
            from_last = backward_warp(repeat_samples(images[1], choices), (1 - share) * flat)
            photometric_error = (from_first - from_last).abs().mean(1).view(count, choices, height, width)
            inconsistency = consistency.at(flow_t0, flow_t1, motion[:, :2])
        parts = [
            a,
            b,
            motion / MOTION_SCALE,
            spacing,
            4 * photometric_error,
            ((flow_candidates.displacements - motion[:, None, :2]) / MOTION_SCALE).flatten(1, 2),
            flow_candidates.confidence,
            inconsistency,
            hidden,
        ]
        if self.radius:
            parts.append(correlation(a, b, self.radius))
        joined = torch.cat([part.to(a.dtype) for part in parts], dim=1)
        output = self.head(self.body(joined.contiguous(memory_format=torch.channels_last)))
        weights = output[:, :choices].float().softmax(1)
        displacement = (weights[:, :, None] * displacements).sum(1)
        correction = output[:, choices : choices + 4].float() * MOTION_SCALE / 4
        return torch.cat([displacement, motion[:, 2:]], dim=1) + correction, output[:, choices + 4 :]


class Synthesis(nn.Module):
    """The last level, on keyframes warped at full resolution: motion, blend mask, residual and error.

    Convolves pixel-unshuffled images, 2x2 pixels per position, which is faster. A motion gate at every pixel
    separates static lines from objects that move past them, which the coarser levels cannot resolve.

    Args:
        width: Channels.
        layers: Convolutions after the first.
    """

    OUTPUTS: ClassVar = [1, 4, 1, 3]  # channels of motion gate, motion correction, mask, residual

    def __init__(self, width: int = 48, layers: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(4 * 12 + 4 + 1 + 2 + HIDDEN, width), *(_conv(width, width) for _ in range(layers))
        )
        self.head = nn.Conv2d(width, 4 * sum(self.OUTPUTS), 3, 1, 1)
        self.error_head = nn.Conv2d(width, 4, 3, 1, 1)
        # before training, gates are almost open
        _init_near_constant(self.head, [4.0] * 4)
        _init_near_constant(self.error_head, [-3.0] * 4)

    def forward(
        self, first: Tensor, last: Tensor, motion: Tensor, spacing: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Motion (M, 4, H, W), mask, residual and error, from motion and hidden state at 1/4."""
        half = F.interpolate(motion, scale_factor=2, mode="bilinear") * 2
        full = F.interpolate(half, scale_factor=2, mode="bilinear") * 2
        hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear")
        flow_t0, flow_t1 = end_flows(full, spacing)
        a, b = backward_warp(first, flow_t0), backward_warp(last, flow_t1)
        difference = F.avg_pool2d(
            torch.cat([(x - y).abs().mean(1, keepdim=True) for x, y in ((a, b), (first, last))], dim=1), 2
        )
        parts = [
            F.pixel_unshuffle(torch.cat([a, b, first, last], dim=1), 2),
            half / MOTION_SCALE,
            F.avg_pool2d(spacing, 2),
            4 * difference,
            hidden,
        ]
        joined = torch.cat([part.to(hidden.dtype) for part in parts], dim=1)
        features = self.body(joined.contiguous(memory_format=torch.channels_last))
        output = F.pixel_shuffle(self.head(features).float(), 2)
        # the error head's gradient must not change the frame
        error = F.pixel_shuffle(self.error_head(features.detach()).float(), 2)
        gate, correction, mask, residual = torch.split(output, self.OUTPUTS, dim=1)
        return torch.sigmoid(gate) * full + correction * MOTION_SCALE / 4, mask, residual, error
