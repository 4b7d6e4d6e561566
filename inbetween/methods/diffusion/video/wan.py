"""Wan 2.1 and 2.2 image-to-video with a last frame, as in diffusers' `WanImageToVideoPipeline`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn

from inbetween.errors import UserError
from inbetween.functional.constants import constant
from inbetween.io.frames import to_bytes
from inbetween.methods.diffusion.latent_diffusion import mode_of
from inbetween.methods.diffusion.video.model import (
    ClipRequest,
    Tensors,
    VideoModel,
    VideoSampling,
    normal_quantile,
)

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

TOKENS = 512  # of a prompt: the transformer's attention counts on it


class WanVideo(VideoModel):
    """Wan 2.1 FLF2V and Wan 2.2 I2V-A14B (arXiv 2503.20314).

    The denoiser gets, beside the noised latents, those of a clip that is grey between its keyframes, and a
    mask that marks the keyframes. Wan 2.1 FLF2V also gets the CLIP embeddings of both. Wan 2.2 A14B has two
    denoisers: `transformer` from the noise level `boundary_ratio` on, and `transformer_2` below.

    Raises:
        UserError: The model does not take a last frame, or its parts do not fit together.
    """

    pipelines: ClassVar[tuple[str, ...]] = ("WanImageToVideoPipeline",)
    lora_layers: ClassVar[str] = r"blocks\.\d+\.attn[12]\.(to_[qkv]|to_out\.0|add_[kv]_proj)"

    def __init__(self, pipeline: DiffusionPipeline) -> None:
        super().__init__(pipeline)
        self.vae, self.image_encoder = pipeline.vae, pipeline.image_encoder
        self.transformer, self.transformer_2 = pipeline.transformer, pipeline.transformer_2
        config = self.transformer.config
        # without position embeddings of two images, those of a second one would be a second sample's
        one_image = config.image_dim is not None and config.pos_embed_seq_len is None
        if one_image or pipeline.config.expand_timesteps:
            raise UserError(
                "This Wan model knows no last frame: give one that does, such as"
                " Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers or Wan-AI/Wan2.2-I2V-A14B-Diffusers."
            )
        lacking = None
        if config.image_dim is not None and self.image_encoder is None:
            lacking = "an image encoder"
        if self.transformer_2 is not None and pipeline.config.boundary_ratio is None:
            lacking = "boundary_ratio, the noise level between its two denoisers"
        if lacking:
            raise UserError(f"This Wan model lacks {lacking}: copy its model_index.json and its parts anew.")

    @property
    def denoisers(self) -> dict[str, nn.Module]:
        """See `VideoModel`."""
        found = {"transformer": self.transformer, "transformer_2": self.transformer_2}
        return {name: denoiser for name, denoiser in found.items() if denoiser is not None}

    @property
    def stages(self) -> dict[str, float]:
        """See `VideoModel`."""
        if self.transformer_2 is None:
            return super().stages
        low = self._below_boundary
        return {"transformer": 1 - low, "transformer_2": low}

    @property
    def frame_step(self) -> int:
        """See `VideoModel`."""
        return int(self.vae.config.scale_factor_temporal)

    @property
    def multiple(self) -> int:
        """See `VideoModel`."""
        # the pipeline wants multiples of 16, whatever the model
        return math.lcm(16, self._pixels * int(self.transformer.config.patch_size[1]))

    @property
    def _pixels(self) -> int:
        """Pixels along a side of one latent pixel."""
        return int(self.vae.config.scale_factor_spatial)

    def latent_shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """See `VideoModel`."""
        frames = (num_frames - 1) // self.frame_step + 1
        return int(self.vae.config.z_dim), frames, height // self._pixels, width // self._pixels

    @torch.no_grad()
    def encode_prompts(self, pipeline: DiffusionPipeline, prompts: list[str]) -> list[Tensors]:
        """See `VideoModel`: `prompt_embeds` (512, D).

        Raises:
            UserError: A package is missing.
        """
        if find_spec("ftfy") is None:
            raise UserError("Wan's prompts are cleaned by the package ftfy: run `pip install ftfy`.")
        embeds, _ = pipeline.encode_prompt(
            prompts, do_classifier_free_guidance=False, max_sequence_length=TOKENS
        )
        return [{"prompt_embeds": each} for each in embeds.cpu()]

    @torch.no_grad()
    def encode_clips(self, clips: Tensor) -> Tensors:
        """See `VideoModel`.

        Returns:
            `latents` (B, C, f, h, w), `condition` (B, frame_step + C, f, h, w), and for models with an image
            encoder `image_embeds` (B, 2, L, D) of the keyframes.
        """
        images = clips.float().transpose(1, 2) * 2 - 1
        grey = torch.zeros_like(images)
        grey[:, :, 0], grey[:, :, -1] = images[:, :, 0], images[:, :, -1]
        latents = self._encode(images)
        encoded = {"latents": latents, "condition": torch.cat([self._mask(latents), self._encode(grey)], 1)}
        if self.image_encoder is not None:
            encoded["image_embeds"] = self._embed(clips[:, [0, -1]])
        return encoded

    def _encode(self, images: Tensor) -> Tensor:
        # Wan's autoencoder is meant for float32, and the pipeline computes in it
        with torch.autocast(images.device.type, enabled=False):
            latents = mode_of(self.vae.encode(images.to(self.vae.dtype))).float()
        mean, std = self._statistics(latents)
        return (latents - mean) / std

    def _statistics(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (1, C, 1, 1, 1) of the autoencoder's latents, as the given ones are."""
        mean, std = self.vae.config.latents_mean, self.vae.config.latents_std
        return constant(latents, *mean).view(1, -1, 1, 1, 1), constant(latents, *std).view(1, -1, 1, 1, 1)

    def _mask(self, latents: Tensor) -> Tensor:
        """1 where the clip has its keyframes: (B, frame_step, f, h, w), a channel for each frame.

        A latent frame is of `frame_step` frames, but for the first, which counts as that often.
        """
        mask = latents.new_zeros(latents.shape[0], self.frame_step, *latents.shape[2:])
        mask[:, :, 0] = 1
        mask[:, -1, -1] = 1
        return mask

    def _embed(self, keyframes: Tensor) -> Tensor:
        """CLIP's embeddings (B, 2, L, D) of keyframes (B, 2, 3, H, W), as the pipeline's of such images."""
        images = (keyframes.flatten(0, 1).clamp(0, 1) * 255).round().to(torch.uint8)
        # on the CPU: before transformers 5 it is numpy's
        pixels = self.pipeline.image_processor(images=list(images.cpu()), return_tensors="pt")["pixel_values"]
        encoder = self.image_encoder
        with torch.autocast(images.device.type, enabled=False):
            states = encoder(pixels.to(images.device, encoder.dtype), output_hidden_states=True)
        embeds: Tensor = states.hidden_states[-2]
        return embeds.float().view(*keyframes.shape[:2], *embeds.shape[1:])

    def sigmas(self, uniform: Tensor, latents: Tensor) -> Tensor:
        """See `VideoModel`: logit-normal, shifted as for sampling.

        The logit-normal distribution is that of Wan's training (arXiv 2503.20314) and of rectified flows
        before (arXiv 2403.03206, section 3.1). The shift, sigma -> s sigma / (1 + (s - 1) sigma), is that of
        section 5.3.2 there, with the scheduler's s. Of two denoisers, each has its own part of it.
        """
        least, most = 0.0, 1.0
        if self.transformer_2 is not None:
            bound = self._below_boundary
            least, most = (bound, 1.0) if self.stage == "transformer" else (0.0, bound)
        sigma = normal_quantile(least + (most - least) * uniform).sigmoid()
        shift = self._shift
        return shift * sigma / (1 + (shift - 1) * sigma)

    @property
    def _shift(self) -> float:
        config: Mapping[str, Any] = self.pipeline.scheduler.config
        return float(config.get("flow_shift") or config.get("shift") or 1.0)

    @property
    def _below_boundary(self) -> float:
        """Share of the noise levels below `boundary_ratio`."""
        boundary = float(self.pipeline.config.boundary_ratio)
        sigma = boundary / (self._shift - (self._shift - 1) * boundary)
        return NormalDist().cdf(math.log(sigma / (1 - sigma)))

    def denoise(self, noised: Tensor, sigma: Tensor, clips: Mapping[str, Tensor], prompts: Tensors) -> Tensor:
        """See `VideoModel`."""
        images = clips.get("image_embeds")
        told = {"encoder_hidden_states_image": None if images is None else images.flatten(0, 1)}
        return self._velocity(torch.cat([noised, clips["condition"]], dim=1), sigma, prompts, told)

    def _velocity(
        self, hidden: Tensor, sigma: Tensor, prompts: Tensors, told: Mapping[str, Tensor | None]
    ) -> Tensor:
        """What the stage's denoiser predicts of hidden states (B, ., f, h, w), told of the keyframes."""
        dtype, steps = self.transformer.dtype, self.pipeline.scheduler.config.num_train_timesteps
        (output,) = self.denoisers[self.stage](
            hidden_states=hidden.to(dtype),
            timestep=sigma * steps,
            encoder_hidden_states=prompts["prompt_embeds"].to(dtype),
            **{name: None if value is None else value.to(dtype) for name, value in told.items()},
            return_dict=False,
        )
        return output.float()  # type: ignore[no-any-return]

    @torch.no_grad()
    def sample(self, clip: ClipRequest, sampling: VideoSampling, generator: torch.Generator | None) -> Tensor:
        """See `VideoModel`."""
        # images, since of tensors the image processor makes something else
        image, last_image = (Image.fromarray(to_bytes(frame.cpu())) for frame in (clip.first, clip.last))
        return self._sampled(clip, sampling, generator, {"image": image, "last_image": last_image})

    def _sampled(
        self,
        clip: ClipRequest,
        sampling: VideoSampling,
        generator: torch.Generator | None,
        keyframes: Mapping[str, Any],
    ) -> Tensor:
        """The pipeline's clip (T, 3, H, W) in [0, 1], with the keyframes as it takes them."""
        device = clip.first.device
        # in the precision of the stored weights, the autoencoder in float32
        with torch.autocast(device.type, enabled=False):
            frames: Tensor = self.pipeline(
                **keyframes,
                height=clip.first.shape[-2],
                width=clip.first.shape[-1],
                num_frames=clip.num_frames,
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance_scale,
                generator=generator,
                prompt_embeds=clip.prompt["prompt_embeds"][None].to(device),
                negative_prompt_embeds=clip.negative_prompt["prompt_embeds"][None].to(device),
                output_type="pt",
            ).frames[0]
        return frames.float().clamp(0, 1)
