"""The pretrained latent-diffusion parts: autoencoder, denoiser, image encoder, noise schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.modules.normalization import use_fast_group_norm
from inbetween.paths import shipped

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, SchedulerMixin, UNet2DConditionModel
    from transformers import CLIPVisionModelWithProjection

# What CLIPImageProcessor does to a picture with values in [0, 1].
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

TrainedPart = Literal["attn2", "all"]


class Backbone(nn.Module):
    """An image-variation latent-diffusion model, loaded from a diffusers folder or hub id.

    All of it is frozen until a method frees a part with `train_part`. diffusers and transformers are
    imported on construction, so that the command line's help does not pay for them.

    Args:
        pretrained: Folder with `vae`, `unet`, `image_encoder` and `scheduler` subfolders as
            `save_pretrained` writes them, or a hub id such as
            `lambdalabs/sd-image-variations-diffusers`.
        revision: Branch, tag or commit of a hub id.
        variant: Suffix of the weight files, such as `fp16`.

    Raises:
        UserError: A part cannot be loaded.
    """

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    image_encoder: CLIPVisionModelWithProjection
    scheduler: SchedulerMixin

    def __init__(self, pretrained: str, revision: str | None = None, variant: str | None = None) -> None:
        super().__init__()
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPVisionModelWithProjection

        def load(from_pretrained: Callable[..., Any], name: str) -> Any:  # noqa: ANN401 - one of four classes
            try:
                return from_pretrained(pretrained, subfolder=name, revision=revision, variant=variant)
            except (OSError, ValueError) as error:
                raise UserError(
                    f"The backbone's {name} cannot be loaded from {pretrained}: `pretrained` takes a folder"
                    " that diffusers' save_pretrained wrote; without network, download it elsewhere and"
                    f" give the copy's folder ({type(error).__name__})."
                ) from error

        self._adopt(
            vae=load(AutoencoderKL.from_pretrained, "vae"),
            unet=load(UNet2DConditionModel.from_pretrained, "unet"),
            image_encoder=load(CLIPVisionModelWithProjection.from_pretrained, "image_encoder"),
            scheduler=load(DDIMScheduler.from_pretrained, "scheduler"),
        )

    def _adopt(
        self,
        vae: AutoencoderKL,
        unet: UNet2DConditionModel,
        image_encoder: CLIPVisionModelWithProjection,
        scheduler: SchedulerMixin,
    ) -> None:
        self.vae, self.unet, self.image_encoder = vae, unet, image_encoder
        self.scheduler = scheduler
        use_fast_group_norm(self)
        self.requires_grad_(False)
        self.to(torch.float32).to(memory_format=torch.channels_last)
        self.eval()

    @property
    def embedding_dim(self) -> int:
        """D, the width of the image embedding and of the denoiser's tokens."""
        return int(self.unet.config.cross_attention_dim)

    @property
    def multiple(self) -> int:
        """Pixels of which a picture's height and width must be multiples."""
        vae_factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        return int(vae_factor * 2 ** (len(self.unet.config.block_out_channels) - 1))

    @property
    def num_train_timesteps(self) -> int:
        """Number of diffusion steps of the noise schedule."""
        return int(self.scheduler.config.num_train_timesteps)

    def train_part(self, part: TrainedPart) -> None:
        """Free weights for training: the denoiser's cross-attention, or denoiser and image encoder."""
        if part == "attn2":
            for name, parameter in self.unet.named_parameters():
                parameter.requires_grad_(".attn2." in name)
        else:
            self.unet.requires_grad_(True)
            self.image_encoder.requires_grad_(True)

    def train(self, mode: bool = True) -> Backbone:
        """Stay in evaluation mode: a frozen backbone has neither dropout nor running statistics."""
        return super().train(False) if mode else super().train(mode)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Normalised latents (B, C, h, w) float32 of images (B, 3, H, W) in [0, 1]: the mode, no noise."""
        images = (images * 2 - 1).contiguous(memory_format=torch.channels_last)
        latents: Tensor = self.vae.encode(images).latent_dist.mode().float()
        return latents * float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images (B, 3, H, W) float32 in [0, 1] of normalised latents (B, C, h, w)."""
        latents = latents / float(self.vae.config.scaling_factor)
        images: Tensor = self.vae.decode(latents.contiguous(memory_format=torch.channels_last)).sample
        return (images.float() / 2 + 0.5).clamp(0, 1)

    def embed(self, images: Tensor) -> Tensor:
        """CLIP's image embedding (B, D) of images (B, 3, H, W) in [0, 1].

        Preprocessed as CLIPImageProcessor does: shorter side to the encoder's size (bicubic), centre
        crop, CLIP's mean and deviation.
        """
        size = int(self.image_encoder.config.image_size)
        height, width = images.shape[-2:]
        scale = size / min(height, width)
        resized = F.interpolate(
            images.float(),
            size=(max(size, int(height * scale)), max(size, int(width * scale))),
            mode="bicubic",
            antialias=True,
        ).clamp(0, 1)
        top, left = (resized.shape[-2] - size) // 2, (resized.shape[-1] - size) // 2
        square = resized[..., top : top + size, left : left + size]
        mean, std = (square.new_tensor(value).view(1, 3, 1, 1) for value in (CLIP_MEAN, CLIP_STD))
        embedding: Tensor = self.image_encoder(pixel_values=(square - mean) / std).image_embeds
        return embedding

    def denoise(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        """The denoiser's output, what `prediction_type` says, (B, C, h, w) float32.

        Args:
            sample: (B, C, h, w) noised latents.
            timestep: (B,) or () int64 diffusion steps.
            encoder_hidden_states: (B, L, D) condition tokens.
        """
        sample = sample.contiguous(memory_format=torch.channels_last)
        output: Tensor = self.unet(sample, timestep, encoder_hidden_states=encoder_hidden_states).sample
        return output.float()

    def training_target(self, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """What the denoiser should put out for latents (B, C, h, w) noised by `noise` at `timestep` (B,)."""
        if self.scheduler.config.prediction_type == "v_prediction":
            velocity: Tensor = self.scheduler.get_velocity(latents, noise, timestep)
            return velocity
        return noise


class FreshBackbone(Backbone):
    """A small backbone to be trained whole: a trained autoencoder, a new denoiser and image encoder.

    Both are built from the diffusers and transformers classes with random weights, at the size given.

    Args:
        vae: Folder of a trained autoencoder, or `small` for the one that ships.
        channels: Widths of the denoiser's levels; each level halves the latents' height and width.
        layers_per_block: Residual blocks in each level.
        embedding_dim: D, the width of image embeddings and tokens.
        encoder_layers: Transformer layers of the image encoder.
        encoder_image_size: Side in pixels of what the image encoder sees.
        prediction_type: What the denoiser puts out.

    Raises:
        UserError: The autoencoder cannot be loaded.
    """

    def __init__(
        self,
        vae: str = "small",
        channels: tuple[int, ...] = (64, 128, 192),
        layers_per_block: int = 1,
        embedding_dim: int = 128,
        encoder_layers: int = 4,
        encoder_image_size: int = 64,
        prediction_type: Literal["epsilon", "v_prediction"] = "v_prediction",
    ) -> None:
        nn.Module.__init__(self)
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        folder = shipped("checkpoints", "small", "vae") if vae == "small" else Path(vae)
        try:
            autoencoder = AutoencoderKL.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise UserError(
                f"The autoencoder cannot be loaded from {folder}: train one with"
                " `fit --config backbone/train_autoencoder.yaml`."
            ) from error
        levels = len(channels)
        latent_channels = autoencoder.config.latent_channels
        self._adopt(
            vae=autoencoder,
            unet=UNet2DConditionModel(
                in_channels=latent_channels,
                out_channels=latent_channels,
                block_out_channels=tuple(channels),
                layers_per_block=layers_per_block,
                down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * (levels - 1),
                up_block_types=("CrossAttnUpBlock2D",) * (levels - 1) + ("UpBlock2D",),
                cross_attention_dim=embedding_dim,
                # in this class, by an old mistake, the number of heads
                attention_head_dim=4,
                norm_num_groups=16,
            ),
            image_encoder=CLIPVisionModelWithProjection(
                CLIPVisionConfig(
                    hidden_size=embedding_dim,
                    intermediate_size=4 * embedding_dim,
                    num_hidden_layers=encoder_layers,
                    num_attention_heads=max(1, embedding_dim // 32),
                    image_size=encoder_image_size,
                    patch_size=8,
                    projection_dim=embedding_dim,
                )
            ),
            scheduler=DDIMScheduler(
                beta_schedule="scaled_linear",
                beta_start=0.00085,
                beta_end=0.012,
                clip_sample=False,
                set_alpha_to_one=False,
                steps_offset=1,
                prediction_type=prediction_type,
            ),
        )
