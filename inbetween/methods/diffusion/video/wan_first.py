"""Wan 2.2 TI2V 5B, which knows no last frame, sampled in both directions of time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from inbetween.methods.diffusion.video.model import (
    ClipRequest,
    SampledVideoModel,
    VideoModel,
    VideoSampling,
)
from inbetween.methods.diffusion.video.time_reversal import PredictClean, denoise_clips
from inbetween.methods.diffusion.video.wan import WanVideo

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


class WanFirstVideo(SampledVideoModel, WanVideo):
    """Wan 2.2 TI2V 5B, published as `Wan-AI/Wan2.2-TI2V-5B-Diffusers`.

    Its denoiser gets the first latent frame clean, with a noise level of 0 for its tokens. The autoencoder
    compresses time, so that time reversal fuses clips and not latents.
    """

    #: It is saved as the first of them, which samples of a text alone as well.
    pipelines: ClassVar[tuple[str, ...]] = ("WanPipeline", "WanImageToVideoPipeline")
    max_frames: ClassVar[int] = 121

    @classmethod
    def is_made_of(cls, index: Mapping[str, Any]) -> bool:
        """See `VideoModel`: it is Wan's pipeline with noise levels for tokens."""
        return super().is_made_of(index) and bool(index.get("expand_timesteps"))

    def __init__(self, pipeline: DiffusionPipeline) -> None:
        # not Wan's own, which refuses models without a last frame
        VideoModel.__init__(self, pipeline)
        self.vae, self.image_encoder = pipeline.vae, None
        self.transformer, self.transformer_2 = pipeline.transformer, None

    @torch.no_grad()
    def sample(self, clip: ClipRequest, sampling: VideoSampling, generator: torch.Generator | None) -> Tensor:
        """See `VideoModel`: with time reversal, see `time_reversal`."""
        from diffusers.utils.torch_utils import randn_tensor

        scheduler = self.pipeline.scheduler
        shape = (1, *self.latent_shape(clip.num_frames, *clip.first.shape[-2:]))
        noise = partial(randn_tensor, shape, generator=generator, device=clip.first.device)
        texts = [
            each["prompt_embeds"][None].to(clip.first.device) for each in (clip.prompt, clip.negative_prompt)
        ]
        with torch.autocast(clip.first.device.type, enabled=False):
            scheduler.set_timesteps(sampling.steps, device=clip.first.device)
            return denoise_clips(
                [self.predictor(frame, texts, sampling.guidance_scale) for frame in (clip.first, clip.last)],
                [noise(), noise()],
                scheduler,
                self.decode,
                self.encode,
                sampling.reinjections,
                noise,
            )

    def encode(self, clip: Tensor) -> Tensor:
        """Normalised latents (1, C, f, h, w) of a clip (T, 3, H, W) in [0, 1]."""
        return self._encode(clip.transpose(0, 1)[None] * 2 - 1)

    def decode(self, latents: Tensor) -> Tensor:
        """The clip (T, 3, H, W) in [0, 1] of normalised latents (1, C, f, h, w)."""
        mean, std = self._statistics(latents)
        frames: Tensor = self.vae.decode((latents * std + mean).to(self.vae.dtype)).sample
        return (frames[0].transpose(0, 1).float() / 2 + 0.5).clamp(0, 1)

    def predictor(self, keyframe: Tensor, texts: list[Tensor], guidance_scale: float) -> PredictClean:
        """What the denoiser predicts of a clip that begins with a keyframe, as the pipeline asks it.

        Args:
            keyframe: (3, H, W) in [0, 1].
            texts: Embeddings (1, 512, D) of the prompt and of the negative one.
            guidance_scale: 1 is without the negative prompt.
        """
        dtype, (_, down, right) = self.transformer.dtype, self.transformer.config.patch_size
        given = self.encode(keyframe[None])

        def predict(latents: Tensor, timestep: Tensor, sigma: Tensor) -> Tensor:
            frames, height, width = latents.shape[2:]
            times = timestep.float().repeat(frames)
            times[0] = 0
            noised = torch.cat([given, latents[:, :, 1:]], 2).to(dtype)
            times = times.repeat_interleave((height // down) * (width // right))[None]
            with_text, *without = (
                self.transformer(noised, times, text.to(dtype), return_dict=False)[0].float()
                for text in texts[: 2 if guidance_scale > 1 else 1]
            )
            velocity = with_text
            for each in without:
                velocity = each + guidance_scale * (with_text - each)
            return torch.cat([given, (latents - sigma * velocity)[:, :, 1:]], 2)

        return predict
