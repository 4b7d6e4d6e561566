"""Temporal encoding ("Experiment 1"): keyframe diffusion that is conditioned on t as well."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inbetween.methods.diffusion.backbone import Backbone
from inbetween.methods.diffusion.base import DiffusionMethod
from inbetween.methods.diffusion.conditioning import TimeToken


class TemporalEncodingDiffusion(DiffusionMethod):
    """Image-variation diffusion with two condition tokens, one for content and one for time.

    Token 1 is (1 - t) CLIP(first) + t CLIP(last); token 2 is `TimeToken(t)`, which is always trained.

    Source: "Experiment 1" of a student project (CMU, 2025) on Stable Diffusion image variations.

    Args:
        backbone: The latent-diffusion model and its image encoder.
        **options: See `DiffusionMethod`.
    """

    backbone: Backbone

    def __init__(self, backbone: Backbone, **options: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(backbone, **options)
        self.time_token = TimeToken(backbone.embedding_dim)

    def embed(self, images: Tensor) -> Tensor:
        """CLIP's image embedding (B, 1, D)."""
        return self.backbone.embed(images)[:, None]

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """Tokens (R, 2, D): the interpolated embedding, and the time token."""
        weight = t[:, None, None].to(first)
        content = (1 - weight) * first + weight * last
        return torch.cat([content, self.time_token(t)[:, None].to(content)], dim=1)
