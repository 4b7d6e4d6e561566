"""Stable Video Diffusion, which knows no last frame, sampled in both directions of time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn

from inbetween.io.frames import to_bytes
from inbetween.methods.diffusion.video.model import ClipRequest, SampledVideoModel, Tensors, VideoSampling
from inbetween.methods.diffusion.video.time_reversal import Predict, both_ways, denoise

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, StableVideoDiffusionPipeline

# defaults of the pipeline; the denoiser was trained with one less than the frames per second
FPS, MOTION, NOISE = 7 - 1, 127, 0.02


class StableVideo(SampledVideoModel):
    """Stable Video Diffusion (arXiv 2311.15127).

    Published as `stabilityai/stable-video-diffusion-img2vid-xt` for clips of 25 frames. Its denoiser gets the
    latents of the first frame beside those of each frame, and CLIP's embedding of it. It knows neither a last
    frame nor a text, and is not trained here. Each frame has a latent frame, so that it can be sampled with
    time reversal.
    """

    pipelines: ClassVar[tuple[str, ...]] = ("StableVideoDiffusionPipeline",)
    takes_text: ClassVar[bool] = False
    max_frames: ClassVar[int] = 25
    #: Frames that are decoded together: 2 take 4.5 GiB at 576 x 1024, the pipeline's own 8 take 18. The
    #: decoder looks forwards and backwards in time, but not in the same way: with 1, swapped keyframes give
    #: exactly the reversed clip.
    decode_chunk_size: ClassVar[int] = 2

    def __init__(self, pipeline: DiffusionPipeline) -> None:
        super().__init__(pipeline)
        self.unet, self.vae, self.image_encoder = pipeline.unet, pipeline.vae, pipeline.image_encoder

    @property
    def denoisers(self) -> dict[str, nn.Module]:
        """See `VideoModel`."""
        return {"unet": self.unet}

    @property
    def frame_step(self) -> int:
        """See `VideoModel`: 1, any number of frames."""
        return 1

    @property
    def multiple(self) -> int:
        """See `VideoModel`: 64, as the denoiser halves the latents thrice."""
        halvings = len(self.unet.config.block_out_channels) - 1
        return int(self.pipeline.vae_scale_factor * 2**halvings)

    def latent_shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """See `VideoModel`."""
        scale = int(self.pipeline.vae_scale_factor)
        return int(self.vae.config.latent_channels), num_frames, height // scale, width // scale

    def encode_prompts(self, pipeline: DiffusionPipeline, prompts: list[str]) -> list[Tensors]:
        """See `VideoModel`: nothing, since it knows no texts."""
        return [{} for _ in prompts]

    @torch.no_grad()
    def sample(self, clip: ClipRequest, sampling: VideoSampling, generator: torch.Generator | None) -> Tensor:
        """See `VideoModel`: with time reversal, see `time_reversal`."""
        from diffusers.utils.torch_utils import randn_tensor

        pipeline: StableVideoDiffusionPipeline = self.pipeline
        device, scheduler = clip.first.device, pipeline.scheduler
        channels, _, *size = self.latent_shape(clip.num_frames, *clip.first.shape[-2:])
        # latents in float32: noise is 700 times as strong as they are at the beginning
        noise = partial(
            randn_tensor, (1, clip.num_frames, channels, *size), generator=generator, device=device
        )
        with torch.autocast(device.type, enabled=False):
            # one for both keyframes, so that swapped ones get the same
            augmentation = randn_tensor((1, *clip.first.shape), generator=generator, device=device)
            forward, backward = (
                self.predictor(frame, clip.num_frames, augmentation, sampling.guidance_scale)
                for frame in (clip.first, clip.last)
            )
            scheduler.set_timesteps(sampling.steps, device=device)
            latents = noise() * scheduler.init_noise_sigma
            latents = denoise(both_ways(forward, backward), latents, scheduler, sampling.reinjections, noise)
            video = pipeline.decode_latents(
                latents.to(self.vae.dtype), clip.num_frames, self.decode_chunk_size
            )
            frames: Tensor = pipeline.video_processor.postprocess_video(video, output_type="pt")[0]
        return frames.float()

    def predictor(
        self, keyframe: Tensor, num_frames: int, augmentation: Tensor, guidance_scale: float
    ) -> Predict:
        """What the denoiser predicts of a clip that begins with a keyframe, as the pipeline asks it.

        Args:
            keyframe: (3, H, W) in [0, 1].
            num_frames: T.
            augmentation: Noise (1, 3, H, W), a little of which the keyframe gets.
            guidance_scale: At the clip's end; it rises from 1 at its beginning.
        """
        pipeline, device, dtype = self.pipeline, keyframe.device, self.unet.dtype
        guided = guidance_scale > 1
        image = Image.fromarray(to_bytes(keyframe.cpu()))
        embeds = pipeline._encode_image(image, device, 1, guided).to(dtype)
        pixels = pipeline.video_processor.preprocess(image, *keyframe.shape[-2:]).to(device)
        given = pipeline._encode_vae_image(pixels + NOISE * augmentation, device, 1, guided)
        given = given.to(dtype)[:, None].repeat(1, num_frames, 1, 1, 1)
        ids = pipeline._get_add_time_ids(FPS, MOTION, NOISE, dtype, 1, 1, guided).to(device)
        scale = torch.linspace(1, guidance_scale, num_frames, device=device).view(-1, 1, 1, 1)

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            latents = torch.cat([latents] * len(given)).to(dtype)
            (output,) = self.unet(
                torch.cat([latents, given], dim=2),
                timestep,
                encoder_hidden_states=embeds,
                added_time_ids=ids,
                return_dict=False,
            )
            prediction: Tensor = output.float()
            if not guided:
                return prediction
            without, with_image = prediction.chunk(2)
            return without + scale * (with_image - without)

        return predict
