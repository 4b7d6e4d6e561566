"""Temporal encoding ("Experiment 1"): keyframe diffusion that is told where the in-between lies."""

from __future__ import annotations

from collections.abc import Iterable
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
from inbetween.modules.conditioning import TimeToken
from inbetween.modules.sampling import Sampling, denoise_from, noise_like
from inbetween.types import StepOutput, WindowBatch


def adamw(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """AdamW at the learning rate of the origin, 1e-4."""
    return torch.optim.AdamW(parameters, lr=1e-4)


class TemporalEncodingDiffusion(TrainableMethod):
    """Image-variation diffusion with two condition tokens, what is drawn and when.

    Token 1 is (1 - t) CLIP(first) + t CLIP(last); token 2 is `TimeToken(t)`. Training adds noise to the
    latent of one true in-between per window, at a random one of its positions, and regresses the
    backbone's prediction. Drawing starts from the keyframes' latents, slerped to t and noised as in
    SDEdit (arXiv 2108.01073), and runs DDIM (arXiv 2010.02502) without further noise. All frames of a
    window start from one noise, so that neither N nor the neighbours change the frame at t.

    Source: "Experiment 1" of a student project (CMU, 2025) on Stable Diffusion image variations.

    Args:
        backbone: The latent-diffusion model.
        trained: What is trained beside the time token: `attn2`, the denoiser's cross-attention, or
            `all` of denoiser and image encoder.
        sampling: How frames are drawn.
        optimizer: Called with the trainable parameters.
        schedule: See `TrainableMethod`.
        warmup_steps: See `TrainableMethod`.
        sampled_batches: See `Method`.
    """

    def __init__(
        self,
        backbone: Backbone,
        trained: TrainedPart = "attn2",
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
        self.time_token = TimeToken(backbone.embedding_dim)

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """Mean squared error of the prediction for one in-between per window, one timestep each."""
        streams = generators(batch["seed"])
        chosen = [torch.randint(batch["t"].shape[1], (), generator=stream) for stream in streams]
        timestep = [
            torch.randint(self.backbone.num_train_timesteps, (), generator=stream) for stream in streams
        ]
        at = torch.arange(len(streams), device=self.device), torch.stack(chosen).to(self.device)
        steps = torch.stack(timestep).to(self.device)

        x_0 = self.backbone.encode(pad_to_multiple(batch["targets"][at], self.backbone.multiple))
        noise = noise_like(x_0, streams)
        x_t = self.backbone.scheduler.add_noise(x_0, noise, steps)
        t = batch["t"][at]
        tokens = self.condition(
            self.backbone.embed(batch["first"]), self.backbone.embed(batch["last"]), t[:, None]
        )
        prediction = self.backbone.denoise(x_t, steps, tokens.flatten(0, 1))
        target = self.backbone.training_target(x_0, noise, steps)
        return {"loss": F.mse_loss(prediction, target)}

    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """Condition tokens (B, N, 2, D) from embeddings (B, D) of the keyframes and positions t (B, N)."""
        weight = t[:, :, None].to(first)
        content = (1 - weight) * first[:, None] + weight * last[:, None]
        return torch.stack([content, self.time_token(t).to(content)], dim=2)

    @torch.no_grad()
    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        count, (height, width) = t.shape[1], first.shape[-2:]
        keyframes = pad_to_multiple(torch.cat([first, last]), self.backbone.multiple)
        z_first, z_last = self.backbone.encode(keyframes).chunk(2)
        tokens = self.condition(self.backbone.embed(first), self.backbone.embed(last), t).flatten(0, 1)

        start = slerp(z_first.repeat_interleave(count, 0), z_last.repeat_interleave(count, 0), t.flatten())
        noise = noise_like(z_first, generator).repeat_interleave(count, 0)
        latents = denoise_from(self.backbone, start, noise, tokens, self.sampling)
        frames = self.backbone.decode(latents)[..., :height, :width]
        return frames.view(-1, count, *frames.shape[1:])
