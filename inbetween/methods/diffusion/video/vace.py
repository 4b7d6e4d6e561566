"""Wan VACE: video editing, of which in-betweening is the case of a known first and last frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from inbetween.methods.diffusion.video.model import Tensors, VideoModel, VideoSampling
from inbetween.methods.diffusion.video.wan_common import (
    encode_wan_prompts,
    normalised_latents,
    shifted_logit_normal,
)

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, WanVACEPipeline


class VaceVideo(VideoModel):
    """Wan VACE (arXiv 2503.07598), published as `Wan-AI/Wan2.1-VACE-1.3B-diffusers` and at 14B.

    A control video [first, grey, ..., grey, last] and a mask [0, 1, ..., 1, 0] of what is to be drawn: their
    latents and the mask, folded to the latents' size, go through blocks of their own whose outputs are
    added to the denoiser's. Adapters are in the attention of the denoiser's blocks; those of the control
    branch stay as they are published.
    """

    pipelines: ClassVar[tuple[str, ...]] = ("WanVACEPipeline",)
    lora_layers: ClassVar[str] = r"blocks\.\d+\.attn[12]\.(to_q|to_k|to_v|to_out\.0)"

    def __init__(self, pipeline: DiffusionPipeline) -> None:
        super().__init__(pipeline)
        self.transformer = pipeline.transformer
        self.vae = pipeline.vae

    @property
    def denoisers(self) -> dict[str, nn.Module]:
        """The transformer, with its control branch."""
        return {"transformer": self.transformer}

    @property
    def frame_step(self) -> int:
        """As its autoencoder compresses time: 4."""
        return int(self.pipeline.vae_scale_factor_temporal)

    @property
    def multiple(self) -> int:
        """As its autoencoder and the transformer's patches: 16."""
        return int(self.pipeline.vae_scale_factor_spatial * self.transformer.config.patch_size[1])

    def encode_prompts(self, pipeline: DiffusionPipeline, prompts: list[str]) -> list[Tensors]:
        """See `VideoModel`: `embeds` (512, D) of umT5."""
        return encode_wan_prompts(pipeline, prompts)

    @torch.no_grad()
    def encode_clips(self, clips: Tensor) -> Tensors:
        """See `VideoModel`: `latents`, and `control`: the control video's latents, and masks."""
        pipeline: WanVACEPipeline = self.pipeline
        control, mask = control_video(clips[:, 0], clips[:, -1], clips.shape[1])
        controls = []
        for video, drawn in zip(control.transpose(1, 2) * 2 - 1, mask.transpose(1, 2), strict=True):
            # the pipeline's own, which takes one clip at a time; an empty list is no reference image
            latents = pipeline.prepare_video_latents(video[None], drawn[None], [[]], device=clips.device)
            masks = pipeline.prepare_masks(drawn[None], [[]])
            controls.append(torch.cat([latents, masks.to(latents)], 1))
        return {"latents": normalised_latents(self.vae, clips), "control": torch.cat(controls)}

    def sigmas(self, uniform: Tensor, latents: Tensor) -> Tensor:
        """See `VideoModel`: as Wan's."""
        return shifted_logit_normal(uniform, self.pipeline.scheduler)

    def denoise(self, noised: Tensor, sigma: Tensor, clips: Mapping[str, Tensor], prompts: Tensors) -> Tensor:
        """See `VideoModel`."""
        dtype = self.transformer.dtype
        velocity: Tensor = self.transformer(
            hidden_states=noised.to(dtype),
            timestep=sigma * self.pipeline.scheduler.config.num_train_timesteps,
            encoder_hidden_states=prompts["embeds"].to(dtype),
            control_hidden_states=clips["control"].to(dtype),
            return_dict=False,
        )[0]
        return velocity

    def sample(
        self,
        first: Tensor,
        last: Tensor,
        num_frames: int,
        prompt: Tensors,
        negative_prompt: Tensors,
        sampling: VideoSampling,
        generator: torch.Generator | None,
    ) -> Tensor:
        """See `VideoModel`."""
        video, mask = control_video(first[None], last[None], num_frames)
        frames: Tensor = self.pipeline(
            video=video,
            mask=mask,
            prompt_embeds=prompt["embeds"][None].to(first.device),
            negative_prompt_embeds=negative_prompt["embeds"][None].to(first.device),
            height=first.shape[-2],
            width=first.shape[-1],
            num_frames=num_frames,
            num_inference_steps=sampling.steps,
            guidance_scale=sampling.guidance_scale,
            generator=generator,
            output_type="pt",
        ).frames[0]
        return frames.float()


def control_video(first: Tensor, last: Tensor, num_frames: int) -> tuple[Tensor, Tensor]:
    """What VACE is told of a clip whose first and last frame are known.

    Args:
        first: (B, 3, H, W) in [0, 1].
        last: (B, 3, H, W) in [0, 1].
        num_frames: T.

    Returns:
        The video (B, T, 3, H, W) in [0, 1], mid-grey where frames are to be drawn, and the mask
        (B, T, 1, H, W), 1 there.
    """
    grey = torch.full_like(first, 0.5)
    video = torch.stack([first, *[grey] * (num_frames - 2), last], 1)
    mask = torch.ones_like(video[:, :, :1])
    mask[:, [0, -1]] = 0
    return video, mask
