"""Image variation: a denoiser conditioned on one frame of the scene. Trains the backbone of other methods."""

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
    """Diffusion of frames, conditioned on the image encoder's tokens of a reference frame of the same window.

    In training the reference is a random frame of the window, sometimes the noised one itself. Half of the
    samples get all its tokens, the other half the pooled token alone, so that methods with either kind of
    condition can be trained on this backbone. To interpolate it is conditioned on
    (1 - t) tokens(first) + t tokens(last).

    Args:
        backbone: The latent-diffusion model and its image encoder.
        **options: See `DiffusionMethod`.
    """

    backbone: Backbone

    def __init__(self, backbone: Backbone, **options: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(backbone, **options)

    def embed(self, images: Tensor) -> Tensor:
        """The image encoder's pooled token and its patch tokens (B, 1 + P, D)."""
        return self.backbone.embed_tokens(images)

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """The interpolated tokens (R, 1 + P, D)."""
        weight = t[:, None, None].to(first)
        return (1 - weight) * first + weight * last

    def preparation(self, training: bool) -> PrepareSample:
        """As `DiffusionMethod`, with the reference frame."""
        return replace(super().preparation(training), reference=True)

    def training_tokens(self, sample: TrainingSample) -> Tensor:
        """Tokens (B, 1 + P, D) of each window's reference frame.

        The pooled token alone is repeated 1 + P times: attention to equal tokens is attention to one.
        """
        tokens = self.embed(sample.frames[:, 3])
        return torch.where(sample.pooled_only[:, None, None], tokens[:, :1], tokens)

    def save_pretrained(self, folder: Path) -> None:
        """Write denoiser, image encoder and noise schedule to `folder`, as `Backbone` reads them."""
        self.backbone.save_pretrained(folder)
