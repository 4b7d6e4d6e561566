"""Latent slerp: the keyframes' interpolated latents, denoised without an image condition."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from inbetween.methods.diffusion.backbone import Backbone
from inbetween.methods.diffusion.base import DiffusionMethod
from inbetween.methods.diffusion.latent_diffusion import LatentDiffusion


class LatentSlerp(DiffusionMethod):
    """Diffusion whose condition is the same for every frame: the backbone's prompt, or its null condition.

    The keyframes come in by the initial latents alone. A pretrained backbone needs no training
    (`trained: none`); a randomly initialised one can be trained as an unconditional denoiser.

    Args:
        backbone: The latent-diffusion model. Its image encoder, if it has one, is deleted to free memory.
        **options: See `DiffusionMethod`.
    """

    def __init__(self, backbone: LatentDiffusion, **options: Any) -> None:  # noqa: ANN401 - the base's
        if isinstance(backbone, Backbone):
            del backbone.image_encoder
        super().__init__(backbone, **options)

    def embed(self, images: Tensor) -> Tensor:
        """The backbone's fixed condition (B, L, D), whatever the images."""
        return self.backbone.fixed_condition.expand(len(images), -1, -1)

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """That condition (R, L, D); both embeddings are equal."""
        return first
