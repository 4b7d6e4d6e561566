"""Keyframe diffusion: conditioned on both keyframes' image embeddings, and not on t."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inbetween.methods.diffusion.backbone import Backbone
from inbetween.methods.diffusion.base import DiffusionMethod


class KeyframeDiffusion(DiffusionMethod):
    """Image-variation diffusion with two condition tokens, CLIP(first) and CLIP(last).

    Frames at different t differ by their initial latents alone.

    Source: a student project (CMU, 2025) on Stable Diffusion image variations.

    Args:
        backbone: The latent-diffusion model and its image encoder.
        **options: See `DiffusionMethod`.
    """

    backbone: Backbone

    def __init__(self, backbone: Backbone, **options: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(backbone, **options)

    def embed(self, images: Tensor) -> Tensor:
        """CLIP's image embedding (B, 1, D)."""
        return self.backbone.embed(images)[:, None]

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """Tokens (R, 2, D): first's, last's."""
        return torch.cat([first, last], dim=1)
