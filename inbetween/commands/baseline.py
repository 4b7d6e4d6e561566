"""The origin's way to train and draw, as the yardstick of `benchmark`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.slerp import slerp
from inbetween.modules import Backbone
from inbetween.modules.latent_diffusion import LatentDiffusion, mode_of
from inbetween.types import WindowBatch


class BaselineLoop:
    """A plain float32 loop of keyframe diffusion, of which nothing is made faster.

    Training encodes both keyframes and the target at every step, takes one position for the whole batch,
    computes the gradients of the whole denoiser and optimises its cross-attention. Drawing denoises one
    frame after the other. Layers are the libraries' own, in their default memory layout.

    Args:
        backbone: Fresh from its weights, all float32; it is taken over.
    """

    def __init__(self, backbone: LatentDiffusion) -> None:
        for module in backbone.modules():
            if isinstance(module, nn.GroupNorm):
                module.__class__ = nn.GroupNorm
        self.backbone = backbone.float().to(memory_format=torch.contiguous_format)
        self.vae, self.unet, self.scheduler = backbone.vae, backbone.unet, backbone.scheduler
        self.unet.requires_grad_(True)
        attn2 = [parameter for name, parameter in self.unet.named_parameters() if ".attn2." in name]
        self.optimizer = torch.optim.AdamW(attn2, lr=1e-4)

    def train(self, batch: WindowBatch) -> None:
        """One training step."""
        place = int(torch.randint(batch["t"].shape[1], ()))
        self.encode(batch["first"])
        self.encode(batch["last"])
        latents = self.encode(batch["targets"][:, place])
        noise = torch.randn_like(latents)
        timestep = torch.randint(self.backbone.num_train_timesteps, (len(latents),), device=latents.device)
        noised = self.scheduler.add_noise(latents, noise, timestep)
        tokens = self.tokens(batch["first"], batch["last"])
        prediction = self.unet(noised, timestep, encoder_hidden_states=tokens).sample
        loss = F.mse_loss(prediction, noise)
        self.unet.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    @torch.no_grad()
    def interpolate(self, batch: WindowBatch, steps: int) -> Tensor:
        """Frames (B, N, 3, H, W) of the windows, one after the other, each in so many denoiser steps."""
        windows = zip(batch["first"][:, None], batch["last"][:, None], batch["t"], strict=True)
        return torch.stack([self._interpolate_window(*window, steps) for window in windows])

    def _interpolate_window(self, first: Tensor, last: Tensor, t: Tensor, steps: int) -> Tensor:
        z_first, z_last, tokens = self.encode(first), self.encode(last), self.tokens(first, last)
        height, width = first.shape[-2:]
        self.scheduler.set_timesteps(max(steps, 1), device=first.device)
        frames = []
        for position in t:
            sample = slerp(z_first, z_last, position[None])
            sample = sample + torch.randn_like(sample)
            for timestep in self.scheduler.timesteps[:steps]:
                prediction = self.unet(sample, timestep, encoder_hidden_states=tokens).sample
                sample = self.scheduler.step(prediction, timestep, sample).prev_sample
            image = self.vae.decode(sample / float(self.vae.config.scaling_factor)).sample
            frames.append((image[0] / 2 + 0.5).clamp(0, 1)[:, :height, :width])
        return torch.stack(frames)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Normalised latents (B, C, h, w) of images (B, 3, H, W) in [0, 1]."""
        images = pad_to_multiple(images, self.backbone.multiple)
        latents = mode_of(self.vae.encode(images * 2 - 1))
        return latents * float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def tokens(self, first: Tensor, last: Tensor) -> Tensor:
        """A token for each keyframe (B, 2, D), or what a backbone that looks at no picture is told."""
        if isinstance(self.backbone, Backbone):
            return torch.stack([self.backbone.embed(first), self.backbone.embed(last)], dim=1)
        return self.backbone.fixed_condition.expand(len(first), -1, -1)
