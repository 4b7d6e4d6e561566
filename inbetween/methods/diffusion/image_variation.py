"""Image variation: a denoiser conditioned on one frame of the scene. It trains other methods' backbone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inbetween.errors import UserError, check_at_least
from inbetween.methods.diffusion.backbone import Backbone
from inbetween.methods.diffusion.base import DiffusionMethod
from inbetween.methods.diffusion.denoising_crops import PrepareCrops
from inbetween.methods.diffusion.training_sample import TrainingSample
from inbetween.types import Preparation, StepOutput, WindowBatch


class ImageVariation(DiffusionMethod):
    """Diffusion of frames, conditioned on the image encoder's tokens of a reference frame of the same window.

    In training the reference is a random frame of the window, sometimes the noised one itself. Half of the
    samples get all its tokens, the other half the pooled token alone, so that methods with either kind of
    condition can be trained on this backbone. To interpolate it is conditioned on
    (1 - t) tokens(first) + t tokens(last).

    Args:
        backbone: The latent-diffusion model and its image encoder.
        crop: Train on square crops of this side in pixels, each of a random frame of its window, so that the
            denoiser never sees two keyframes; see `PrepareCrops`. None trains on whole in-betweens.
        crops_per_window: Crops of each window, so that a training step takes `crops_per_window` times
            `batch_size` samples.
        **options: See `DiffusionMethod`.

    Raises:
        UserError: Crops with an objective or a condition that needs whole keyframes.
    """

    backbone: Backbone

    def __init__(
        self,
        backbone: Backbone,
        crop: int | None = None,
        crops_per_window: int = 1,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(backbone, **options)
        check_at_least(backbone.multiple, crop=crop)
        check_at_least(1, crops_per_window=crops_per_window)
        if crop is None and crops_per_window > 1:
            raise UserError(f"crops_per_window is {crops_per_window} and crop null: give the side of crops.")
        needs_keyframes = (
            self.keyframe_latents or self.line_condition or self.objective.train_from != ("target",)
        )
        if crop is not None and needs_keyframes:
            raise UserError(
                f"crop is {crop}, and crops are of single frames: set train_from to [target], and"
                " keyframe_latents and line_condition to false, or crop to null."
            )
        self.crop, self.crops_per_window = crop, crops_per_window

    def embed(self, images: Tensor) -> Tensor:
        """The image encoder's pooled token and its patch tokens (B, 1 + P, D)."""
        return self.backbone.embed_tokens(images)

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """The interpolated tokens (R, 1 + P, D)."""
        weight = t[:, None, None].to(first)
        return (1 - weight) * first + weight * last

    def preparation(self, training: bool) -> Preparation:
        """As `DiffusionMethod`, with the reference frame; or crops, in training on them."""
        whole = self.prepare_sample()
        if self.crop is None or not training:
            return replace(whole, reference=True)
        return PrepareCrops(
            self.crop,
            self.crops_per_window,
            whole.num_train_timesteps,
            whole.logit_mean,
            whole.latent_channels,
            whole.multiple,
        )

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """See `DiffusionMethod.training_loss`; all crops of all windows are samples of one batch."""
        sample: TrainingSample = self.sample_of(batch)
        if sample.frames.ndim == 6:
            fields: list[Any] = [x.flatten(0, 1) if isinstance(x, Tensor) else x for x in sample]
            sample = TrainingSample(*fields)
        return super().training_loss({**batch, "sample": sample})

    def training_tokens(self, sample: TrainingSample) -> Tensor:
        """Tokens (B, 1 + P, D) of each window's reference frame.

        The pooled token alone is repeated 1 + P times: attention to equal tokens is attention to one.
        """
        tokens = self.embed(sample.frames[:, -1])
        return torch.where(sample.pooled_only[:, None, None], tokens[:, :1], tokens)

    def save_pretrained(self, folder: Path) -> None:
        """Write the backbone to `folder`, as `Backbone` reads it."""
        self.backbone.save_pretrained(folder)
