"""Image variation: a denoiser that is shown what to draw. Pretrains the backbone of the other methods."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generators
from inbetween.functional.slerp import slerp
from inbetween.methods.base import RUN_HYPERPARAMETERS, Generators, TrainableMethod
from inbetween.modules.backbone import Backbone, TrainedPart
from inbetween.modules.sampling import Sampling, denoise_from, noise_like
from inbetween.types import StepOutput, WindowBatch


def adamw(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """AdamW with a learning rate for training a small denoiser from nothing, 5e-4."""
    return torch.optim.AdamW(parameters, lr=5e-4)


class ImageVariation(TrainableMethod):
    """Denoising of single drawings, conditioned on the image embedding of the drawing itself.

    Training noises one random drawing of each window and gives the denoiser its embedding as the only
    token, as in Stable Diffusion image variations: the backbone learns drawings, and nothing of motion.
    As a method, it starts from the keyframes' slerped latents with (1 - t) CLIP(first) + t CLIP(last) as
    token.

    Args:
        backbone: The latent-diffusion model.
        trained: `attn2`, the denoiser's cross-attention, or `all` of denoiser and image encoder.
        sampling: How frames are drawn.
        optimizer: Called with the trainable parameters.
        schedule: See `TrainableMethod`.
        warmup_steps: See `TrainableMethod`.
        sampled_batches: See `Method`.
    """

    def __init__(
        self,
        backbone: Backbone,
        trained: TrainedPart = "all",
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
        optimizer: OptimizerCallable = adamw,
        schedule: Literal["constant", "cosine"] = "cosine",
        warmup_steps: int = 0,
        sampled_batches: int = 4,
    ) -> None:
        super().__init__(optimizer, schedule, warmup_steps, sampled_batches)
        self.save_hyperparameters(ignore=RUN_HYPERPARAMETERS)
        self.sampling = sampling
        self.backbone = backbone
        self.backbone.train_part(trained)

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """Mean squared error of the prediction for one drawing per window, one timestep each."""
        streams = generators(batch["seed"])
        frames = torch.cat([batch["first"][:, None], batch["targets"], batch["last"][:, None]], dim=1)
        chosen = torch.stack([torch.randint(frames.shape[1], (), generator=stream) for stream in streams])
        timestep = torch.stack(
            [torch.randint(self.backbone.num_train_timesteps, (), generator=stream) for stream in streams]
        ).to(self.device)
        drawing = frames[torch.arange(len(streams), device=self.device), chosen.to(self.device)]

        x_0 = self.backbone.encode(pad_to_multiple(drawing, self.backbone.multiple))
        noise = noise_like(x_0, streams)
        x_t = self.backbone.scheduler.add_noise(x_0, noise, timestep)
        prediction = self.backbone.denoise(x_t, timestep, self.backbone.embed(drawing)[:, None])
        return {"loss": F.mse_loss(prediction, self.backbone.training_target(x_0, noise, timestep))}

    @torch.no_grad()
    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        count, (height, width) = t.shape[1], first.shape[-2:]
        keyframes = pad_to_multiple(torch.cat([first, last]), self.backbone.multiple)
        z_first, z_last = self.backbone.encode(keyframes).chunk(2)
        embedded, weight = (self.backbone.embed(first), self.backbone.embed(last)), t[:, :, None]
        tokens = (1 - weight) * embedded[0][:, None] + weight * embedded[1][:, None]

        start = slerp(z_first.repeat_interleave(count, 0), z_last.repeat_interleave(count, 0), t.flatten())
        noise = noise_like(z_first, generator).repeat_interleave(count, 0)
        latents = denoise_from(self.backbone, start, noise, tokens.flatten(0, 1)[:, None], self.sampling)
        frames = self.backbone.decode(latents)[..., :height, :width]
        return frames.view(-1, count, *frames.shape[1:])

    def save_pretrained(self, folder: Path) -> None:
        """Write the backbone in float16 to `folder`, as `Backbone` reads it."""
        self.backbone.save_pretrained(folder)
