"""What the models of the Wan family share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inbetween.methods.diffusion.video.model import Tensors

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan, DiffusionPipeline, SchedulerMixin

# tokens of a prompt, as Wan's pipelines pad it
PROMPT_LENGTH = 512


@torch.no_grad()
def encode_wan_prompts(pipeline: DiffusionPipeline, prompts: list[str]) -> list[Tensors]:
    """Embeddings of prompts by umT5, cleaned and padded as the pipeline does.

    Args:
        pipeline: A Wan pipeline with its text encoder and tokenizer.
        prompts: Any texts.

    Returns:
        For each `embeds` (512, D), on the CPU.
    """
    embeds, _ = pipeline.encode_prompt(
        prompts,
        do_classifier_free_guidance=False,
        max_sequence_length=PROMPT_LENGTH,
        device=pipeline.text_encoder.device,
    )
    return [{"embeds": row} for row in embeds.cpu()]


@torch.no_grad()
def normalised_latents(vae: AutoencoderKLWan, clips: Tensor) -> Tensor:
    """Normalised latents (B, C, f, h, w), the posterior's mode, of clips (B, T, 3, H, W) in [0, 1]."""
    latents = vae.encode((clips.transpose(1, 2) * 2 - 1).to(vae.dtype)).latent_dist.mode().float()
    mean = latents.new_tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1)
    std = latents.new_tensor(vae.config.latents_std).view(1, -1, 1, 1, 1)
    return (latents - mean) / std


def shifted_logit_normal(uniform: Tensor, scheduler: SchedulerMixin) -> Tensor:
    """Noise levels that Wan is trained at: logit-normal (arXiv 2503.20314), shifted as it is sampled.

    Args:
        uniform: Uniform numbers (B,) in (0, 1).
        scheduler: Its config has the shift s: sigma becomes s sigma / (1 + (s - 1) sigma).

    Returns:
        (B,) in (0, 1).
    """
    # UniPC and the other multistep schedulers call it flow_shift, flow matching's own shift
    shift = scheduler.config.get("flow_shift") or scheduler.config.get("shift", 1.0)
    sigma = torch.special.ndtri(uniform).sigmoid()
    return shift * sigma / (1 + (shift - 1) * sigma)
