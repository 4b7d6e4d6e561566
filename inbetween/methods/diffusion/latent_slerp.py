"""Latent slerp: the keyframes' latents, interpolated and cleaned by a denoiser that looks at no picture."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from inbetween.methods.diffusion.backbone import Backbone
from inbetween.methods.diffusion.base import DiffusionMethod
from inbetween.methods.diffusion.latent_diffusion import LatentDiffusion


class LatentSlerp(DiffusionMethod):
    """Diffusion whose condition is the same for every frame: the backbone's prompt, or its null condition.

    What the keyframes say comes in by the start of sampling alone. On a pretrained backbone nothing is
    trained (`trained: none`); a fresh one learns here to denoise drawings.

    Args:
        backbone: The latent-diffusion model. An image encoder is let go, since no picture is shown to it.
        **options: See `DiffusionMethod`.
    """

    def __init__(self, backbone: LatentDiffusion, **options: Any) -> None:  # noqa: ANN401 - the base's
        if isinstance(backbone, Backbone):
            del backbone.image_encoder
        super().__init__(backbone, **options)

    def embed(self, images: Tensor) -> Tensor:
        """The backbone's fixed condition (B, L, D)."""
        return self.backbone.fixed_condition.expand(len(images), -1, -1)

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """That condition (R, L, D), which both embeddings are."""
        return first
