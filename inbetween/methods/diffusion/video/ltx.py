"""LTX-Video with a first and a last frame, as diffusers' `LTXConditionPipeline` conditions it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn

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

# frames a second that the transformer is told of; the pipeline's default, in training as in sampling
FRAME_RATE = 25
# as the documentation of diffusers says for autoencoders that know the noise level (0.9.1 and later)
DECODE_TIMESTEP = 0.05
IMAGE_NOISE = 0.025
TOKENS = 256  # of a prompt, as the pipeline pads it


class LtxVideo(VideoModel):
    """LTX-Video 0.9.5 and later (arXiv 2501.00103), whose denoiser takes clean frames at any place.

    The first latent frame is given clean, and the last keyframe as further tokens, at the place in time of
    the clip's last frame, since a latent frame of its own would be one of eight frames. Each token has a
    noise level: 0 of what is given. LTX-Video before 0.9.5 loads too, but was not trained so.
    """

    pipelines: ClassVar[tuple[str, ...]] = (
        "LTXConditionPipeline",
        "LTXPipeline",
        "LTXImageToVideoPipeline",
    )
    lora_layers: ClassVar[str] = r"transformer_blocks\.\d+\.attn[12]\.(to_[qkv]|to_out\.0)"
    # the pipeline decodes in the precision of the embeddings
    float32_parts: ClassVar[tuple[str, ...]] = ()
    max_frames: ClassVar[int] = 161  # what its pipeline samples unless told otherwise

    def __init__(self, pipeline: DiffusionPipeline) -> None:
        from diffusers import LTXConditionPipeline

        scheduler = pipeline.scheduler
        if scheduler.config.use_dynamic_shifting:
            # of releases before 0.9.5, for LTXPipeline: this pipeline brings noise levels of its own, and
            # a shift that it does not give would be asked for
            scheduler = type(scheduler).from_config(
                scheduler.config, use_dynamic_shifting=False, shift_terminal=None
            )
        parts = pipeline.components | {"scheduler": scheduler}
        conditioned = LTXConditionPipeline(**parts)
        conditioned.set_progress_bar_config(disable=True)
        super().__init__(conditioned)
        self.transformer, self.vae = pipeline.transformer, pipeline.vae

    @property
    def denoisers(self) -> dict[str, nn.Module]:
        """See `VideoModel`."""
        return {"transformer": self.transformer}

    @property
    def frame_step(self) -> int:
        """See `VideoModel`: 8."""
        return int(self.vae.temporal_compression_ratio)

    @property
    def multiple(self) -> int:
        """See `VideoModel`: 32."""
        return int(self.vae.spatial_compression_ratio)

    def latent_shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """See `VideoModel`."""
        channels, frames = int(self.vae.config.latent_channels), (num_frames - 1) // self.frame_step + 1
        return channels, frames, height // self.multiple, width // self.multiple

    @torch.no_grad()
    def encode_prompts(self, pipeline: DiffusionPipeline, prompts: list[str]) -> list[Tensors]:
        """See `VideoModel`: `prompt_embeds` (256, D) of T5, and `prompt_mask` (256,), true at its tokens."""
        embeds, mask, _, _ = pipeline.encode_prompt(
            prompts, do_classifier_free_guidance=False, max_sequence_length=TOKENS
        )
        return [
            {"prompt_embeds": each, "prompt_mask": true}
            for each, true in zip(embeds.cpu(), mask.cpu(), strict=True)
        ]

    @torch.no_grad()
    def encode_clips(self, clips: Tensor) -> Tensors:
        """See `VideoModel`.

        The pipeline samples the posterior of a keyframe; this is its mode, a function of the frames alone.

        Returns:
            `latents` (B, C, f, h, w), whose first frame is the first keyframe alone, as the encoder is
            causal, and `last` (B, C, 1, h, w), the last keyframe as a clip of one frame.
        """
        images = clips.transpose(1, 2) * 2 - 1
        return {"latents": self._encode(images), "last": self._encode(images[:, :, -1:])}

    def _encode(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            latents = mode_of(self.vae.encode(images.to(self.vae.dtype))).float()
        mean, std = (
            values.to(latents).view(1, -1, 1, 1, 1)
            for values in (self.vae.latents_mean, self.vae.latents_std)
        )
        normalised: Tensor = (latents - mean) / std
        return normalised

    def predicted(self, clips: Mapping[str, Tensor]) -> Tensor:
        """See `VideoModel`: 0 at the first latent frame."""
        latents = clips["latents"]
        mask = latents.new_ones(1, 1, latents.shape[2], 1, 1)
        mask[:, :, 0] = 0
        return mask

    def sigmas(self, uniform: Tensor, latents: Tensor) -> Tensor:
        """See `VideoModel`: logit-normal, with more noise for more tokens.

        sigmoid(z + shift), z standard normal and the shift 0.95 at 1024 tokens and 2.05 at 4096, on a line
        through both. The shift is that of the first releases' scheduler, the distribution that of the
        trainer of LTX-Video's authors (`ShiftedLogitNormalTimestepSampler` in Lightricks/LTX-Video-Trainer).
        """
        tokens = latents.shape[2:].numel()
        shift = 0.95 + (2.05 - 0.95) * (tokens - 1024) / (4096 - 1024)
        return (normal_quantile(uniform) + shift).sigmoid()

    def denoise(self, noised: Tensor, sigma: Tensor, clips: Mapping[str, Tensor], prompts: Tensors) -> Tensor:
        """See `VideoModel`."""
        batch, _, frames, height, width = noised.shape
        free = self.predicted(clips).expand(1, 1, frames, height, width)
        video = torch.where(free.bool(), noised, clips["latents"])
        # tokens of the last keyframe come first
        latents = torch.cat([clips["last"], video], 2)
        free = torch.cat([free.new_zeros(1, 1, 1, height, width), free], 2)
        dtype, steps = self.transformer.dtype, self.pipeline.scheduler.config.num_train_timesteps
        (output,) = self.transformer(
            hidden_states=latents.flatten(2).transpose(1, 2).to(dtype),
            encoder_hidden_states=prompts["prompt_embeds"].to(dtype),
            timestep=sigma[:, None].float() * steps * free.flatten(1),
            encoder_attention_mask=prompts["prompt_mask"],
            video_coords=self._coordinates(video).expand(batch, -1, -1),
            return_dict=False,
        )
        velocity = output.transpose(1, 2).unflatten(2, (frames + 1, height, width))
        return velocity[:, :, 1:].float()  # type: ignore[no-any-return]

    def _coordinates(self, video: Tensor) -> Tensor:
        """Places of the tokens of the last keyframe and of a clip's latents (B, C, f, h, w).

        Returns:
            (1, 3, tokens): the time in seconds of the first of a token's frames, and pixels down and right.
        """
        frames, height, width = video.shape[2:]
        step, pixels = self.frame_step, self.multiple
        times = torch.arange(frames, device=video.device, dtype=torch.float32)
        times = (times * step + 1 - step).clamp(min=0)
        # a clip of one frame, put where the clip's last frame is
        times = torch.cat([times.new_tensor([(frames - 1.0) * step]), times]) / FRAME_RATE
        down, right = (
            torch.arange(size, device=video.device, dtype=torch.float32) * pixels for size in (height, width)
        )
        return torch.stack(torch.meshgrid(times, down, right, indexing="ij")).flatten(1)[None]

    @torch.no_grad()
    def sample(self, clip: ClipRequest, sampling: VideoSampling, generator: torch.Generator | None) -> Tensor:
        """See `VideoModel`."""
        from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

        images = [Image.fromarray(to_bytes(frame.cpu())) for frame in (clip.first, clip.last)]
        device, dtype = clip.first.device, self.transformer.dtype
        (embeds, mask), (negative, negative_mask) = (
            (each["prompt_embeds"][None].to(device, dtype), each["prompt_mask"][None].to(device))
            for each in (clip.prompt, clip.negative_prompt)
        )
        with torch.autocast(clip.first.device.type, enabled=False):
            frames: Tensor = self.pipeline(
                conditions=[
                    LTXVideoCondition(image=image, frame_index=index)
                    for image, index in zip(images, (0, clip.num_frames - 1), strict=True)
                ],
                height=clip.first.shape[-2],
                width=clip.first.shape[-1],
                num_frames=clip.num_frames,
                frame_rate=FRAME_RATE,
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance_scale,
                image_cond_noise_scale=IMAGE_NOISE,
                generator=generator,
                prompt_embeds=embeds,
                prompt_attention_mask=mask,
                negative_prompt_embeds=negative,
                negative_prompt_attention_mask=negative_mask,
                decode_timestep=DECODE_TIMESTEP,
                output_type="pt",
            ).frames[0]
        return frames.float().clamp(0, 1)
