"""Image variation: a denoiser that is shown a drawing of the scene. Makes the backbone of other methods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inbetween.methods.diffusion.backbone import Backbone
from inbetween.methods.diffusion.base import DiffusionMethod
from inbetween.methods.diffusion.training_sample import PrepareSample, TrainingSample


class ImageVariation(DiffusionMethod):
    """Diffusion of single drawings, told by the image encoder's tokens of one drawing of the same window.

    Training needs no keyframes: the drawing shown is any one of the window, now and then the very one that
    is noised. Half of the samples see all its tokens, the other half the pooled one alone, so that methods
    of both kinds can go on from here. As a method, it sees (1 - t) tokens(first) + t tokens(last).

    Args:
        backbone: The latent-diffusion model and its image encoder.
        **options: See `DiffusionMethod`.
    """

    backbone: Backbone

    def __init__(self, backbone: Backbone, **options: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(backbone, **options)

    def embed(self, images: Tensor) -> Tensor:
        """The image encoder's pooled token and its patches (B, 1 + P, D)."""
        return self.backbone.embed_tokens(images)

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """The mixed tokens (R, 1 + P, D)."""
        weight = t[:, None, None].to(first)
        return (1 - weight) * first + weight * last

    def preparation(self, training: bool) -> PrepareSample:
        """Besides what `DiffusionMethod` does, choose the drawing that is shown."""
        return replace(super().preparation(training), reference=True)

    def training_tokens(self, sample: TrainingSample) -> Tensor:
        """Tokens (B, 1 + P, D) of one drawing of each window.

        Where the pooled one is to be alone it stands in all places: attention to equal tokens is attention
        to one.
        """
        tokens = self.embed(sample.frames[:, 3])
        return torch.where(sample.pooled_only[:, None, None], tokens[:, :1], tokens)

    def save_pretrained(self, folder: Path) -> None:
        """Write denoiser, image encoder and noise schedule to `folder`, as `Backbone` reads them."""
        self.backbone.save_pretrained(folder)
