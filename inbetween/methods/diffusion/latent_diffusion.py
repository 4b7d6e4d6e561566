"""The parts that every latent-diffusion backbone has: autoencoder, denoiser, noise schedule."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from inbetween.errors import UserError
from inbetween.methods.diffusion.normalization import use_fast_group_norm
from inbetween.weights.precision import resolve_precision

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderTiny, SchedulerMixin, UNet2DConditionModel

TrainedPart = Literal["none", "attn2", "lora", "all"]
FrozenDtype = Literal["float32", "bfloat16"]

GAIN = 16.0  # of further input channels, see `WidenedConv`


class LatentDiffusion(nn.Module):
    """A pretrained latent-diffusion model; subclasses load its parts and define its conditions.

    All of it is frozen until a method unfreezes a part with `train_part`, and always in evaluation mode.
    Attention is torch's `scaled_dot_product_attention`, diffusers' default. diffusers and transformers
    are imported on construction, to keep the command line's help fast.
    """

    vae: AutoencoderKL | AutoencoderTiny
    unet: UNet2DConditionModel
    scheduler: SchedulerMixin

    def _set_parts(
        self,
        vae: AutoencoderKL | AutoencoderTiny,
        unet: UNet2DConditionModel,
        scheduler: SchedulerMixin,
        gradient_checkpointing: bool,
        frozen_dtype: FrozenDtype,
    ) -> None:
        """Set the parts: frozen, in evaluation mode, channels last, float32 until `store_frozen`."""
        self.vae, self.unet, self.scheduler = vae, unet, scheduler
        half = frozen_dtype == "bfloat16" and resolve_precision("bf16-mixed") == "bf16-mixed"
        self.frozen_dtype = torch.bfloat16 if half else torch.float32
        if scheduler.config.prediction_type not in ("epsilon", "v_prediction"):
            raise UserError(
                f"The backbone's prediction_type is {scheduler.config.prediction_type}: give a backbone with"
                " epsilon or v_prediction."
            )
        if unet.config.out_channels != self.latent_channels:
            raise UserError(
                f"The backbone's UNet has {unet.config.out_channels} output channels and its autoencoder's"
                f" latents {self.latent_channels}: give a backbone where both are the same."
            )
        if gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        use_fast_group_norm(self)
        self.requires_grad_(False)
        self.to(torch.float32).to(memory_format=torch.channels_last)
        self.eval()

    @property
    def embedding_dim(self) -> int:
        """D, the width of the denoiser's condition tokens."""
        return int(self.unet.config.cross_attention_dim)

    @property
    def latent_channels(self) -> int:
        """C, the channels of latents."""
        return int(self.vae.config.latent_channels)

    @property
    def multiple(self) -> int:
        """Pixels along a side of one latent pixel; images are padded to multiples of it."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def num_train_timesteps(self) -> int:
        """Number of diffusion steps of the noise schedule."""
        return int(self.scheduler.config.num_train_timesteps)

    @property
    def null_condition(self) -> Tensor:
        """The null condition (1, 1 or L, D) of guidance: zeros, as in the training of SD image variations."""
        return torch.zeros(1, 1, self.embedding_dim, device=self.unet.device)

    @property
    def fixed_condition(self) -> Tensor:
        """The condition (1, L, D) of a method without an image condition: the null condition."""
        return self.null_condition

    def train_part(self, part: TrainedPart, lora_rank: int = 8) -> None:
        """Unfreeze weights, and store the rest as `frozen_dtype`; called once, by the method.

        Args:
            part: `attn2`, the UNet's cross-attention; `lora`, low-rank adapters (arXiv 2106.09685) of its
                four projections; `all` but the autoencoder; `none`.
            lora_rank: Rank of the adapters.
        """
        if part == "attn2":
            for name, parameter in self.unet.named_parameters():
                parameter.requires_grad_(".attn2." in name)
        elif part == "lora":
            from peft import LoraConfig

            projections = r".*\.attn2\.to_(q|k|v|out\.0)"
            self.unet.add_adapter(LoraConfig(r=lora_rank, lora_alpha=lora_rank, target_modules=projections))
        elif part == "all":
            self.requires_grad_(True)
            self.vae.requires_grad_(False)
        self.store_frozen(self.frozen_dtype)

    def store_frozen(self, dtype: torch.dtype) -> None:
        """Store the weights that are not trained as `dtype`, and compute in it; see `frozen_dtype`.

        The norms' few weights stay float32: torch has no group norm of float32 inputs with bfloat16 weights.
        """
        self.frozen_dtype = dtype
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and not module.weight.requires_grad:
                module.to(dtype)

    def widen_input(self, extra: int) -> None:
        """Add `extra` input channels to the UNet, after its own; see `WidenedConv`."""
        self.unet.conv_in = WidenedConv(self.unet.conv_in, extra)

    def train(self, mode: bool = True) -> LatentDiffusion:
        """Stay in evaluation mode: a frozen backbone has neither dropout nor running statistics."""
        return super().train(False) if mode else super().train(mode)

    def autocast(self) -> AbstractContextManager[Any]:
        """Compute in bfloat16 if frozen weights are stored in it; else in the caller's precision."""
        if self.frozen_dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.unet.device.type, self.frozen_dtype)

    @property
    def _latent_shift(self) -> float:
        return float(self.vae.config.shift_factor or 0)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Normalised latents (B, C, h, w) float32 of images (B, 3, H, W) in [0, 1]: the posterior's mode."""
        images = (images * 2 - 1).contiguous(memory_format=torch.channels_last)
        with self.autocast():
            latents = mode_of(self.vae.encode(images))
        return (latents.float() - self._latent_shift) * float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images (B, 3, H, W) float32 in [0, 1] of normalised latents (B, C, h, w)."""
        return self.decode_with_gradients(latents)

    def decode_with_gradients(self, latents: Tensor) -> Tensor:
        """`decode`, (B, 3, H, W) float32 in [0, 1], for a loss on decoded latents (B, C, h, w)."""
        latents = latents / float(self.vae.config.scaling_factor) + self._latent_shift
        with self.autocast():
            images: Tensor = self.vae.decode(latents.contiguous(memory_format=torch.channels_last)).sample
        return (images.float() / 2 + 0.5).clamp(0, 1)

    def denoise(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        cross_attention_kwargs: dict[str, Any] | None = None,
    ) -> Tensor:
        """The UNet's output (B, C, h, w) float32.

        Args:
            sample: (B, C, h, w) noised latents, with any further input channels after them.
            timestep: (B,) or () int64.
            encoder_hidden_states: (B, L, D) condition tokens.
            cross_attention_kwargs: Passed to the attention processors, as in diffusers.
        """
        sample = sample.contiguous(memory_format=torch.channels_last)
        with self.autocast():
            output: Tensor = self.unet(
                sample,
                timestep,
                encoder_hidden_states=encoder_hidden_states,
                cross_attention_kwargs=cross_attention_kwargs,
            ).sample
        return output.float()


def mode_of(encoded: Any) -> Tensor:  # noqa: ANN401 - AutoencoderKL's output or AutoencoderTiny's
    """The latents (B, C, h, w) of an autoencoder's `encode`, without random noise."""
    latents: Tensor = encoded.latents if "latents" in encoded else encoded.latent_dist.mode()
    return latents


class WidenedConv(nn.Module):
    """A convolution with further input channels, whose weights are initialised to zero.

    So before training its output is exactly that of the original. The further weights are always trained,
    whichever part of the backbone is, and saved with it. What they make of their channels is multiplied by
    `GAIN`: Adam changes a weight by about the learning rate a step, whatever its gradient, and weights that
    start at zero would take hundreds of steps to reach the size of trained ones.

    Args:
        conv: The original convolution, with a square kernel and stride 1.
        extra: Number of further input channels, after its own.
    """

    def __init__(self, conv: nn.Conv2d, extra: int) -> None:
        super().__init__()
        self.conv = conv
        side = conv.kernel_size[0]
        # on meta, since random weights that are overwritten would change what a seed gives to later ones
        with torch.device("meta"):
            empty = nn.Conv2d(extra, conv.out_channels, side, padding=side // 2, bias=False)
        self.extra = empty.to_empty(device=conv.weight.device)
        nn.init.zeros_(self.extra.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, out, h', w') of x (B, in + extra, h, w)."""
        own = self.conv.in_channels
        y: Tensor = self.conv(x[:, :own]) + GAIN * self.extra(x[:, own:])
        return y
