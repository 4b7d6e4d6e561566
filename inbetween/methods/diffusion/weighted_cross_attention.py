"""Weighted cross-attention ("Experiment 2"): attention to each keyframe, weighted by t."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inbetween.methods.diffusion.backbone import Backbone
from inbetween.methods.diffusion.base import DiffusionMethod
from inbetween.methods.diffusion.weighted_attention import WeightedAttention, Weighting


class WeightedCrossAttention(DiffusionMethod):
    """Image-variation diffusion whose every cross-attention is a weighted sum over the keyframes.

        w_first attn(h, tokens of first) + w_last attn(h, tokens of last),    w_first + w_last = 1

    with many tokens of each keyframe: CLIP's image embedding and its patch tokens. See `WeightedAttention`.

    Source: "Experiment 2" of a student project (CMU, 2025) on Stable Diffusion image variations, with
    one token of each keyframe and linear weights.

    Args:
        backbone: The latent-diffusion model and its image encoder.
        weighting: `linear`, (1 - t, t); or `learned` from t for each layer and head, initialised as linear.
        **options: See `DiffusionMethod`.
    """

    architecture = (*DiffusionMethod.architecture, "weighting")
    backbone: Backbone

    def __init__(
        self,
        backbone: Backbone,
        weighting: Weighting = "linear",
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(backbone, **options)
        self.attention = WeightedAttention(backbone.unet, weighting)

    def embed(self, images: Tensor) -> Tensor:
        """CLIP's image embedding and patch tokens (B, 1 + P, D)."""
        return self.backbone.embed_tokens(images)

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """Tokens (R, 2 + 2 P, D): first's, last's."""
        return torch.cat([first, last], dim=1)

    def denoise(self, sample: Tensor, timestep: Tensor, tokens: Tensor, t: Tensor) -> Tensor:
        """The backbone's output (R, C, h, w), its attention weighted by t (R,)."""
        return self.backbone.denoise(sample, timestep, tokens, self.attention.at(t))

    def learned_weights(self, t: Tensor) -> dict[str, Tensor]:
        """Weights of last (heads, T) at t (T,) by layer, for the callback `LearnedWeights`."""
        return self.attention.learned_weights(t)
