"""Drawing with a diffusion backbone, from a picture that is already half right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inbetween.errors import UserError
from inbetween.modules.backbone import Backbone


@dataclass(frozen=True)
class Sampling:
    """How diffusion draws. Belongs to the config, never to a checkpoint.

    Args:
        num_inference_steps: Diffusion steps of a full run from noise.
        strength: Share in [0, 1] of those steps that is run. The start is the interpolated latent with
            the noise of that step; 0 decodes it untouched, 1 starts from almost nothing but noise.
    """

    num_inference_steps: int = 20
    strength: float = 0.3

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.num_inference_steps < 1:
            raise UserError(f"num_inference_steps is {self.num_inference_steps}: give at least 1.")
        if not 0 <= self.strength <= 1:
            raise UserError(f"strength is {self.strength}: give a share between 0 and 1.")

    @property
    def steps(self) -> int:
        """How many of the steps are run, by diffusers' image-to-image rule."""
        return min(int(self.num_inference_steps * self.strength), self.num_inference_steps)


def denoise_from(
    backbone: Backbone, start: Tensor, noise: Tensor, encoder_hidden_states: Tensor, sampling: Sampling
) -> Tensor:
    """Noise `start` as far as `sampling.strength` says, and denoise it (SDEdit, arXiv 2108.01073).

    The last `sampling.steps` of the schedule are run with the backbone's scheduler (DDIM, arXiv
    2010.02502, without further noise).

    Args:
        backbone: The denoiser and its schedule.
        start: (B, C, h, w) latents.
        noise: (B, C, h, w) standard normal.
        encoder_hidden_states: (B, L, D) condition tokens.
        sampling: How many steps of how many.

    Returns:
        (B, C, h, w) latents.
    """
    scheduler = backbone.scheduler
    scheduler.set_timesteps(sampling.num_inference_steps, device=start.device)
    timesteps = scheduler.timesteps[sampling.num_inference_steps - sampling.steps :]
    sample = scheduler.add_noise(start, noise, timesteps[:1].expand(len(start))) if len(timesteps) else start
    for timestep in timesteps:
        prediction = backbone.denoise(sample, timestep, encoder_hidden_states)
        sample = scheduler.step(prediction, timestep, sample).prev_sample
    return sample


def noise_like(latents: Tensor, generator: Sequence[torch.Generator] | torch.Generator | None) -> Tensor:
    """Standard normal noise of latents' shape (B, C, h, w); with several generators, row i from the i-th."""
    from diffusers.utils.torch_utils import randn_tensor

    streams = generator if generator is None or isinstance(generator, torch.Generator) else list(generator)
    noise: Tensor = randn_tensor(latents.shape, generator=streams, device=latents.device, dtype=latents.dtype)
    return noise
