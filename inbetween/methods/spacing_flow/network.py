"""The network: from two keyframes and a spacing map to the motion at each in-between's pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.batch import repeat_samples
from inbetween.methods.spacing_flow.composition import Intermediate
from inbetween.methods.spacing_flow.flow_candidates import find_flow_candidates
from inbetween.methods.spacing_flow.matching import Matcher, Matches, match
from inbetween.methods.spacing_flow.pyramid import HIDDEN, WIDTHS, Encoder, Level, Synthesis

RADIUS = {16: 4, 8: 3, 4: 0}  # of the correlation volume at 1/16, 1/8 and 1/4, in pixels of the level
MULTIPLE = 16  # height and width must be multiples of it


class EncodedPair(NamedTuple):
    """Features of the keyframes of B windows, independent of the in-betweens."""

    first: Tensor  # (B, 3, H, W) float32 in [0, 1]
    last: Tensor  # (B, 3, H, W)
    features: list[tuple[Tensor, Tensor]]  # of first and of last, at 1/4, 1/8 and 1/16
    descriptors: tuple[Tensor, Tensor]  # for matching, (B, 64, H/8, W/8) each
    matches: Matches
    prior_flows: tuple[Tensor, Tensor]  # flow_01 and flow_10, (B, 2, H/4, W/4) in pixels of that size
    images: dict[int, tuple[Tensor, Tensor]]  # both keyframes at 1/4, 1/8 and 1/16


class IntermediateFlow(nn.Module):
    """Coarse-to-fine intermediate flow, indexed by spacing.

    As in IFRNet (arXiv 2205.14620), flows are estimated at the in-between's own pixels and refined level by
    level together with a hidden state; as in distance indexing (arXiv 2311.08007), the input is how far each
    pixel has moved along its path, instead of t. New are the parametrisation of motion by displacement and
    curvature, which reproduces the given spacing by construction, and flow candidates to select from: those
    of a classical flow, those of global matches, and zero.
    """

    reliable_from = 0.0

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
        """Encode both keyframes once, then estimate each of the N in-betweens.

        Args:
            first: (B, 3, H, W) in [0, 1], H and W multiples of 16.
            last: (B, 3, H, W) in [0, 1].
            spacing: (B, N, 1, H, W) in [0, 1].
            flow_01: (B, 2, H, W) in pixels: a prior, or zeros.
            flow_10: (B, 2, H, W) in pixels.

        Returns:
            `Intermediate` of M = B N in-betweens, the N of a window together.
        """
        return self.between(self.encode_pair(first, last, flow_01, flow_10), spacing)

    @property
    def error_head(self) -> nn.Module:
        """The layer that predicts the frame's error."""
        return self.synthesis.error_head

    def encode_pair(self, first: Tensor, last: Tensor, flow_01: Tensor, flow_10: Tensor) -> EncodedPair:
        """Encode both keyframes; see `forward`."""
        encoded = self.encoder(torch.cat([first, last]))
        descriptors = self.matcher(encoded[1], encoded[2]).chunk(2)
        first, last = first.float(), last.float()
        return EncodedPair(
            first,
            last,
            [features.chunk(2) for features in encoded],
            descriptors,
            match(self.matcher, *descriptors),
            (F.avg_pool2d(flow_01.float(), 4) / 4, F.avg_pool2d(flow_10.float(), 4) / 4),
            {k: (F.avg_pool2d(first, k), F.avg_pool2d(last, k)) for k in (4, 8, 16)},
        )

    def between(self, pair: EncodedPair, spacing: Tensor) -> Intermediate:
        """The in-betweens of encoded keyframes; see `forward`."""
        count = spacing.shape[1]
        spacing = spacing.flatten(0, 1).float()

        def repeated(both: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return repeat_samples(both[0], count), repeat_samples(both[1], count)

        features = [repeated(both) for both in pair.features]
        images = {k: repeated(both) for k, both in pair.images.items()}
        spacings = {k: F.avg_pool2d(spacing, k) for k in (4, 8, 16)}
        matches = Matches(*(repeat_samples(part, count) for part in pair.matches))
        candidates = {4: find_flow_candidates(repeated(pair.prior_flows), matches, images[4], spacings[4])}
        for k in (8, 16):
            flow_candidates, consistency = candidates[k // 2]
            candidates[k] = flow_candidates.pooled(), consistency.pooled()
        of_prior = candidates[16][0].displacements
        displacement = (1 - spacings[16]) * of_prior[:, 0] + spacings[16] * of_prior[:, 1]
        motion = torch.cat([displacement, torch.zeros_like(displacement)], dim=1)
        hidden = features[-1][0].new_zeros(len(displacement), HIDDEN, *displacement.shape[-2:])
        levels = []
        for k, both in zip((16, 8, 4), reversed(features), strict=True):
            motion, hidden = self.levels[str(k)](both, images[k], motion, spacings[k], *candidates[k], hidden)
            levels.append(motion * k)
            if k > 4:
                motion = F.interpolate(motion, scale_factor=2, mode="bilinear") * 2
                hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear")
        keyframes = repeated((pair.first, pair.last))
        motion, mask, residual, error = self.synthesis(*keyframes, motion, spacing, hidden)
        return Intermediate(motion, mask, residual, error, levels, pair.descriptors)
