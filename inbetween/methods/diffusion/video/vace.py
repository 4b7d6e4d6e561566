"""Wan VACE: video editing, of which in-betweening is the case of a known first and last frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from inbetween.methods.diffusion.video.model import ClipRequest, Tensors, VideoModel, VideoSampling
from inbetween.methods.diffusion.video.wan import WanVideo

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


class VaceVideo(WanVideo):
    """Wan VACE (arXiv 2503.07598), published as `Wan-AI/Wan2.1-VACE-1.3B-diffusers` and with 14B.

    A control video [first, grey, ..., grey, last] and a mask [0, 1, ..., 1, 0] of what is asked for: their
    latents, and the mask folded to the latents' size, go through blocks of their own whose outputs are
    added to the denoiser's. Texts, autoencoder and noise levels are Wan's. Adapters are in the attention of
    the denoiser's blocks; those of the control branch stay as they are published.
    """

    pipelines: ClassVar[tuple[str, ...]] = ("WanVACEPipeline",)

    def __init__(self, pipeline: DiffusionPipeline) -> None:
        # not Wan's own, which looks for parts that tell an image-to-video model
        VideoModel.__init__(self, pipeline)
        self.vae, self.image_encoder = pipeline.vae, None
        self.transformer, self.transformer_2 = pipeline.transformer, pipeline.transformer_2

    @torch.no_grad()
    def encode_clips(self, clips: Tensor) -> Tensors:
        """See `VideoModel`.

        Returns:
            `latents` (B, C, f, h, w) and `control` (B, 2 C, f, h, w): the latents of the keyframes without
            the rest and of the rest without the keyframes.
        """
        pipeline = self.pipeline
        control, mask = control_video(clips[:, 0], clips[:, -1], clips.shape[1])
        controls = []
        with torch.autocast(clips.device.type, enabled=False):
            for video, asked in zip(control.transpose(1, 2) * 2 - 1, mask.transpose(1, 2), strict=True):
                # the pipeline's own, which takes one clip at a time; an empty list is no reference image
                latents = pipeline.prepare_video_latents(video[None], asked[None], [[]], device=clips.device)
                controls.append(latents.float())
        latents = self._encode(clips.float().transpose(1, 2) * 2 - 1)
        return {"latents": latents, "control": torch.cat(controls)}

    def denoise(self, noised: Tensor, sigma: Tensor, clips: Mapping[str, Tensor], prompts: Tensors) -> Tensor:
        """See `VideoModel`."""
        control = clips["control"]
        # the mask, one channel for each pixel of a latent one: 1, since resizing it loses the keyframes
        pixels = self.transformer.config.vace_in_channels - control.shape[1]
        mask = control.new_ones(len(control), pixels, *control.shape[2:])
        return self._velocity(
            noised, sigma, prompts, {"control_hidden_states": torch.cat([control, mask], 1)}
        )

    @torch.no_grad()
    def sample(self, clip: ClipRequest, sampling: VideoSampling, generator: torch.Generator | None) -> Tensor:
        """See `VideoModel`."""
        video, mask = control_video(clip.first[None], clip.last[None], clip.num_frames)
        return self._sampled(clip, sampling, generator, {"video": video, "mask": mask})


def control_video(first: Tensor, last: Tensor, num_frames: int) -> tuple[Tensor, Tensor]:
    """What VACE is told of a clip whose first and last frame are known.

    As diffusers documents it for a first and a last frame, with the grey that becomes 0.

    Args:
        first: (B, 3, H, W) in [0, 1].
        last: (B, 3, H, W) in [0, 1].
        num_frames: T.

    Returns:
        The video (B, T, 3, H, W) in [0, 1], mid-grey where frames are asked for, and the mask
        (B, T, 1, H, W), 1 there.
    """
    grey = torch.full_like(first, 0.5)
    video = torch.stack([first, *[grey] * (num_frames - 2), last], 1)
    mask = torch.ones_like(video[:, :, :1])
    mask[:, [0, -1]] = 0
    return video, mask
