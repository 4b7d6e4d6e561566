"""Latent-diffusion backbones, with an image encoder or with a text prompt."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.functional.constants import constant
from inbetween.methods.diffusion.latent_diffusion import FrozenDtype, LatentDiffusion, TrainedPart
from inbetween.weights.loading import (
    SMALL,
    PredictionType,
    drop_from_config,
    load_autoencoder,
    load_part,
    load_shared_parts,
)

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

# CLIPImageProcessor's normalisation of images in [0, 1]
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Backbone(LatentDiffusion):
    """An image-variation latent-diffusion model, loaded from a diffusers folder or hub id.

    Args:
        pretrained: Folder with `vae`, `unet`, `image_encoder` and `scheduler` subfolders as
            `save_pretrained` writes them; a hub id such as `lambdalabs/sd-image-variations-diffusers`; or
            `small` for the shipped one.
        revision: Branch, tag or commit of a hub id, for all parts; None is the newest commit of its main
            branch, which its owner may change.
        variant: Suffix of the weight files, such as `fp16`.
        prediction_type: What the denoiser predicts; None is as in its scheduler's config.
        gradient_checkpointing: Recompute activations instead of storing them: less memory, more time.
        frozen_dtype: How weights that are not trained are stored; `bfloat16` halves their memory, and the
            backbone then computes in it. On machines without fast bfloat16 they stay float32.

    Raises:
        UserError: A part cannot be loaded.
    """

    image_encoder: CLIPVisionModelWithProjection

    def __init__(
        self,
        pretrained: str,
        revision: str | None = None,
        variant: str | None = None,
        prediction_type: PredictionType | None = None,
        gradient_checkpointing: bool = False,
        frozen_dtype: FrozenDtype = "float32",
    ) -> None:
        super().__init__()
        from transformers import CLIPVisionModelWithProjection

        source = (pretrained, revision, variant)
        parts = load_shared_parts(*source, prediction_type)
        encoder = CLIPVisionModelWithProjection
        self.image_encoder = load_part(encoder.from_pretrained, "image_encoder", *source)
        self._set_parts(*parts, gradient_checkpointing, frozen_dtype)

    def embed(self, images: Tensor) -> Tensor:
        """CLIP's image embedding (B, D) float32 of images (B, 3, H, W) in [0, 1]."""
        return self.embed_tokens(images)[:, 0]

    def embed_tokens(self, images: Tensor) -> Tensor:
        """CLIP's tokens (B, 1 + P, D) float32 of images (B, 3, H, W) in [0, 1]: embedding, then P patches.

        The encoder's final layer norm and projection, which make the image embedding of the class token,
        are applied to all tokens, so that the patches' are in the space that the denoiser was trained on.
        Images are preprocessed as by CLIPImageProcessor: shorter side to the encoder's size (bicubic),
        centre crop, CLIP's mean and standard deviation.
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
        mean, std = (constant(square, *value).view(1, 3, 1, 1) for value in (CLIP_MEAN, CLIP_STD))
        encoder = self.image_encoder
        with self.autocast():
            hidden = encoder.vision_model(pixel_values=(square - mean) / std).last_hidden_state
            tokens: Tensor = encoder.visual_projection(encoder.vision_model.post_layernorm(hidden))
        return tokens.float()

    def save_pretrained(self, folder: Path) -> None:
        """Write all parts in float16, as `Backbone` loads them."""
        for name in ("vae", "unet", "image_encoder"):
            copy.deepcopy(getattr(self, name)).half().save_pretrained(folder / name)
            drop_from_config(folder / name)
        self.scheduler.save_pretrained(folder / "scheduler")


class UntrainedBackbone(Backbone):
    """A backbone with a trained autoencoder and a randomly initialised UNet and image encoder.

    Both are diffusers' and transformers' classes at the size given. Checkpoints hold no frozen weights, so
    random ones must all be trained (`trained: all`).

    Args:
        vae: Folder of a trained autoencoder, or `small` for the shipped one.
        channels: `block_out_channels` of the UNet. The two lowest resolutions have self- and
            cross-attention, but never the highest.
        layers_per_block: Residual blocks per resolution.
        embedding_dim: D, the width of image embeddings and tokens.
        encoder_layers: Transformer layers of the image encoder.
        encoder_image_size: Side in pixels of the image encoder's input.
        image_refinement: Build the UNet for the objective `ImageRefinement`: with four times the latents'
            input channels, and an output layer initialised to zero, so that at first nothing is refined.
        prediction_type: What the scheduler is given.
        gradient_checkpointing: See `Backbone`.
        frozen_dtype: See `Backbone`.

    Raises:
        UserError: The autoencoder cannot be loaded.
    """

    def __init__(
        self,
        vae: str = SMALL,
        channels: tuple[int, ...] = (64, 96, 128, 160),
        layers_per_block: int = 1,
        embedding_dim: int = 128,
        encoder_layers: int = 4,
        encoder_image_size: int = 64,
        image_refinement: bool = False,
        prediction_type: PredictionType = "v_prediction",
        gradient_checkpointing: bool = False,
        frozen_dtype: FrozenDtype = "float32",
    ) -> None:
        nn.Module.__init__(self)
        from diffusers import DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        autoencoder = load_autoencoder(vae)
        attending = min(2, len(channels) - 1)
        plain = len(channels) - attending
        latent_channels = autoencoder.config.latent_channels
        unet = UNet2DConditionModel(
            in_channels=latent_channels * (4 if image_refinement else 1),
            out_channels=latent_channels,
            block_out_channels=tuple(channels),
            layers_per_block=layers_per_block,
            down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",) * attending,
            up_block_types=("CrossAttnUpBlock2D",) * attending + ("UpBlock2D",) * plain,
            cross_attention_dim=embedding_dim,
            # in this class of diffusers the number of heads, despite its name
            attention_head_dim=4,
            norm_num_groups=16,
        )
        if image_refinement:
            nn.init.zeros_(unet.conv_out.weight)
            nn.init.zeros_(unet.conv_out.bias)
        self.image_encoder = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=embedding_dim,
                intermediate_size=4 * embedding_dim,
                num_hidden_layers=encoder_layers,
                num_attention_heads=max(1, embedding_dim // 32),
                image_size=encoder_image_size,
                patch_size=8,
                projection_dim=embedding_dim,
            )
        )
        self._set_parts(
            vae=autoencoder,
            unet=unet,
            scheduler=DDIMScheduler(
                beta_schedule="scaled_linear",
                beta_start=0.00085,
                beta_end=0.012,
                clip_sample=False,
                # the last step ends at clean latents, without the noise of the first timestep
                set_alpha_to_one=True,
                steps_offset=1,
                prediction_type=prediction_type,
            ),
            gradient_checkpointing=gradient_checkpointing,
            frozen_dtype=frozen_dtype,
        )

    def train_part(self, part: TrainedPart, lora_rank: int = 8) -> None:
        """Unfreeze all but the autoencoder.

        Raises:
            UserError: `part` is another one.
        """
        if part != "all":
            raise UserError(
                f"trained is {part}, and an UntrainedBackbone has random weights: set it to all, or give a"
                " pretrained Backbone."
            )
        super().train_part(part, lora_rank)


class TextBackbone(LatentDiffusion):
    """A text-conditioned latent-diffusion model such as SD 1.5, with one prompt for all frames.

    The text encoder runs once, on construction, and is deleted.

    Args:
        pretrained: Folder with `vae`, `unet`, `tokenizer`, `text_encoder` and `scheduler` subfolders as
            `save_pretrained` writes them, or a hub id such as `stable-diffusion-v1-5/stable-diffusion-v1-5`.
        prompt: The prompt. The empty prompt is the null condition of guidance.
        revision: See `Backbone`.
        variant: See `Backbone`.
        prediction_type: See `Backbone`.
        gradient_checkpointing: See `Backbone`.
        frozen_dtype: See `Backbone`.

    Raises:
        UserError: A part cannot be loaded.
    """

    def __init__(
        self,
        pretrained: str,
        prompt: str,
        revision: str | None = None,
        variant: str | None = None,
        prediction_type: PredictionType | None = None,
        gradient_checkpointing: bool = False,
        frozen_dtype: FrozenDtype = "float32",
    ) -> None:
        super().__init__()
        from transformers import CLIPTextModel, CLIPTokenizer

        source = (pretrained, revision, variant)
        tokenizer = load_part(CLIPTokenizer.from_pretrained, "tokenizer", *source)
        encoder = load_part(CLIPTextModel.from_pretrained, "text_encoder", *source).float().eval()
        # where files are missing, transformers builds an empty tokenizer without an error
        if len(tokenizer) != encoder.config.vocab_size:
            raise UserError(
                f"The backbone's tokenizer cannot be loaded from {pretrained}: its vocabulary has"
                f" {len(tokenizer)} tokens and the text_encoder's {encoder.config.vocab_size}; copy the"
                " files of both."
            )
        tokens = tokenizer(
            [prompt, ""],
            padding="max_length",
            max_length=encoder.config.max_position_embeddings,
            truncation=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            prompt_tokens, null_tokens = encoder(tokens.input_ids).last_hidden_state.split(1)
        self.register_buffer("prompt_tokens", prompt_tokens, persistent=False)
        self.register_buffer("null_tokens", null_tokens, persistent=False)
        self.prompt_tokens: Tensor
        self.null_tokens: Tensor
        self._set_parts(*load_shared_parts(*source, prediction_type), gradient_checkpointing, frozen_dtype)

    @property
    def null_condition(self) -> Tensor:
        """The empty prompt's embeddings (1, L, D)."""
        return self.null_tokens

    @property
    def fixed_condition(self) -> Tensor:
        """The prompt's embeddings (1, L, D)."""
        return self.prompt_tokens
