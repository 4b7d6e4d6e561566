"""The parts that every latent-diffusion backbone has: autoencoder, denoiser, noise schedule."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from inbetween.errors import UserError
from inbetween.modules.normalization import use_fast_group_norm
from inbetween.modules.residual_refiner import residual_of
from inbetween.weights.precision import resolve_precision

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderTiny, SchedulerMixin, UNet2DConditionModel

TrainedPart = Literal["none", "attn2", "lora", "all"]
FrozenDtype = Literal["float32", "bfloat16"]


class LatentDiffusion(nn.Module):
    """A pretrained latent-diffusion model; subclasses load its parts and say what its conditions are.

    All of it is frozen until a method frees a part with `train_part`, and always in evaluation mode.
    Attention is torch's `scaled_dot_product_attention`, diffusers' default. diffusers and transformers
    are imported on construction, so that the command line's help does not pay for them.
    """

    vae: AutoencoderKL | AutoencoderTiny
    unet: UNet2DConditionModel
    scheduler: SchedulerMixin

    def _adopt(
        self,
        vae: AutoencoderKL | AutoencoderTiny,
        unet: UNet2DConditionModel,
        scheduler: SchedulerMixin,
        gradient_checkpointing: bool,
        frozen_dtype: FrozenDtype,
    ) -> None:
        """Take the parts over: frozen, in evaluation mode, channels last, float32 for now."""
        self.vae, self.unet, self.scheduler = vae, unet, scheduler
        half = frozen_dtype == "bfloat16" and resolve_precision("bf16-mixed") == "bf16-mixed"
        self.frozen_dtype = torch.bfloat16 if half else torch.float32
        if scheduler.config.prediction_type not in ("epsilon", "v_prediction"):
            raise UserError(
                f"The backbone's prediction_type is {scheduler.config.prediction_type}: give a backbone whose"
                " denoiser predicts epsilon or v_prediction."
            )
        own, width = (unet.config.in_channels, unet.config.out_channels), self.latent_channels
        if own not in ((width, width), (4 * width, width)):
            raise UserError(
                f"The backbone's denoiser takes {own[0]} channels and puts out {own[1]}, and its autoencoder"
                f" makes {width}: give one that puts out {width} and takes as many, or four times as many"
                " (a correcting one)."
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
        """C, the channels of a latent."""
        return int(self.vae.config.latent_channels)

    @property
    def residual_refiner(self) -> bool:
        """Whether the denoiser corrects a start (`FreshBackbone`); `_adopt` knows no third kind."""
        return int(self.unet.config.in_channels) > self.latent_channels

    @property
    def multiple(self) -> int:
        """Side in pixels behind one latent; pictures are padded to multiples. The UNet takes any size."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def num_train_timesteps(self) -> int:
        """Number of diffusion steps of the noise schedule."""
        return int(self.scheduler.config.num_train_timesteps)

    @property
    def null_condition(self) -> Tensor:
        """The condition that says nothing, (1, 1 or L, D): zeros, as in the training of image variations."""
        return torch.zeros(1, 1, self.embedding_dim, device=self.unet.device)

    @property
    def fixed_condition(self) -> Tensor:
        """The condition (1, L, D) of a method that looks at no picture: the null condition."""
        return self.null_condition

    def train_part(self, part: TrainedPart, lora_rank: int = 8) -> None:
        """Free weights for training, and store the rest as `frozen_dtype`; called once, by the method.

        Args:
            part: `attn2`, the denoiser's cross-attention; `lora`, a low-rank addition to its four
                projections (arXiv 2106.09685), which begins at zero; `all` but the autoencoder; `none`.
            lora_rank: Rank of that addition.
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
        """Keep the weights that are not trained as `dtype`, and compute in it; see `frozen_dtype`.

        The norms' few weights stay float32: torch has no group norm of a float32 picture with bfloat16
        weights.
        """
        self.frozen_dtype = dtype
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and not module.weight.requires_grad:
                module.to(dtype)

    def widen_input(self, extra: int) -> None:
        """Let the denoiser take `extra` further channels behind the latent's; see `WidenedConv`."""
        self.unet.conv_in = WidenedConv(self.unet.conv_in, extra)

    def train(self, mode: bool = True) -> LatentDiffusion:
        """Stay in evaluation mode: a frozen backbone has neither dropout nor running statistics."""
        return super().train(False) if mode else super().train(mode)

    def autocast(self) -> AbstractContextManager[Any]:
        """Compute in bfloat16 where frozen weights are kept in it; else what the caller computes in."""
        if self.frozen_dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.unet.device.type, self.frozen_dtype)

    @property
    def _latent_shift(self) -> float:
        return float(self.vae.config.shift_factor or 0)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Normalised latents (B, C, h, w) float32 of images (B, 3, H, W) in [0, 1]: the mode, no noise."""
        images = (images * 2 - 1).contiguous(memory_format=torch.channels_last)
        with self.autocast():
            latents = mode_of(self.vae.encode(images))
        return (latents.float() - self._latent_shift) * float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images (B, 3, H, W) float32 in [0, 1] of normalised latents (B, C, h, w)."""
        return self.decode_with_gradients(latents)

    def decode_with_gradients(self, latents: Tensor) -> Tensor:
        """`decode`, (B, 3, H, W) float32 in [0, 1], for a loss on what latents (B, C, h, w) show."""
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
        """The denoiser's output, what `prediction_type` says, (B, C, h, w) float32.

        Args:
            sample: (B, C, h, w) noised latents, with the further channels of `widen_input` behind them.
            timestep: (B,) or () int64 diffusion steps.
            encoder_hidden_states: (B, L, D) condition tokens.
            cross_attention_kwargs: What the attention processors take besides, as in diffusers.
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

    def training_target(self, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """What the denoiser should put out for latents (B, C, h, w) noised by `noise` at `timestep` (B,)."""
        if self.scheduler.config.prediction_type == "v_prediction":
            velocity: Tensor = self.scheduler.get_velocity(latents, noise, timestep)
            return velocity
        return noise

    def _alpha(self, timestep: Tensor) -> Tensor:
        """The schedule's `alphas_cumprod` (B, 1, 1, 1) at `timestep` (B,) int64."""
        alpha: Tensor = self.scheduler.alphas_cumprod.to(timestep.device)[timestep].view(-1, 1, 1, 1)
        return alpha

    def prediction_of(
        self, output: Tensor, init_latents: Tensor, change_mask: Tensor, x_t: Tensor, timestep: Tensor
    ) -> Tensor:
        """The denoiser's prediction (B, C, h, w), what `prediction_type` says.

        A correcting denoiser puts out how the clean latent differs from the start (`residual_of`). So what
        the start has right stays exactly as it is, whatever the noise.

        Args:
            output: The denoiser's.
            init_latents: (B, C, h, w) latents where drawing starts.
            change_mask: (B, 1, h, w) in [0, 1], how far a correction counts; see `compute_change_mask`.
            x_t: (B, C, h, w) noised latents.
            timestep: () or (B,) their diffusion steps.
        """
        if not self.residual_refiner:
            return output
        timestep = timestep.long().expand(len(x_t)).to(x_t.device)
        alpha, clean = self._alpha(timestep), init_latents + residual_of(output, change_mask)
        noise = (x_t - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        return self.training_target(clean, noise, timestep)

    def pred_original_sample(self, prediction: Tensor, x_t: Tensor, timestep: Tensor) -> Tensor:
        """The clean latents (B, C, h, w) that a prediction says lie behind `x_t` at `timestep` (B,)."""
        alpha = self._alpha(timestep)
        if self.scheduler.config.prediction_type == "v_prediction":
            return alpha.sqrt() * x_t - (1 - alpha).sqrt() * prediction
        return (x_t - (1 - alpha).sqrt() * prediction) / alpha.sqrt()

    def init_noise(self, difference: Tensor, begin: Tensor) -> Tensor:
        """What a start adds to the noise of a latent on drawing's path from that start to the truth.

        Drawing begins at alpha x_init + sigma noise, alpha and sigma those of the timestep `begin`. Seen
        from x_0 this is alpha x_0 + sigma (noise + alpha / sigma (x_init - x_0)). DDIM (arXiv 2010.02502)
        with a perfect denoiser keeps that noise to the end, so that it is the noise of the whole path; the
        start's share of the latent fades with sigma / alpha. Chains that shift from a start to the truth
        are ResShift's idea (arXiv 2307.12348).

        Args:
            difference: (B, C, h, w), x_init - x_0.
            begin: (B,) int64 timesteps.

        Returns:
            (B, C, h, w) to be added to the noise.
        """
        alpha = self._alpha(begin)
        return difference * (alpha / (1 - alpha)).sqrt()

    def min_snr_weight(self, timestep: Tensor, gamma: float) -> Tensor:
        """Weights (B,) float32 of the losses at `timestep` (B,), min-SNR-gamma (arXiv 2303.09556).

        With SNR = alpha / (1 - alpha), alpha the schedule's `alphas_cumprod`, the weight on the error of
        the clean latent is min(SNR, gamma). The error of epsilon is SNR times that one, the error of v
        (SNR + 1) times; so the weights are min(SNR, gamma) / SNR and min(SNR, gamma) / (SNR + 1).
        """
        alpha = self._alpha(timestep).flatten()
        snr: Tensor = alpha / (1 - alpha)
        if self.scheduler.config.prediction_type == "v_prediction":
            return snr.clamp(max=gamma) / (snr + 1)
        return (gamma / snr).clamp(max=1)


def mode_of(encoded: Any) -> Tensor:  # noqa: ANN401 - AutoencoderKL's output or AutoencoderTiny's
    """The likeliest latents (B, C, h, w) of what an autoencoder's `encode` gave."""
    latents: Tensor = encoded.latents if "latents" in encoded else encoded.latent_dist.mode()
    return latents


class WidenedConv(nn.Module):
    """A convolution that takes further input channels, whose weights begin at zero.

    So the first step is exactly that of the convolution it widens. The further weights are trained
    whatever the part of the backbone that is, and saved with it.

    Args:
        conv: The convolution to widen, square and with stride 1; kept as it is.
        extra: Number of further channels, behind its own.
    """

    def __init__(self, conv: nn.Conv2d, extra: int) -> None:
        super().__init__()
        self.conv = conv
        side = conv.kernel_size[0]
        # On meta, since weights drawn only to be overwritten would change what a seed gives to later ones.
        with torch.device("meta"):
            empty = nn.Conv2d(extra, conv.out_channels, side, padding=side // 2, bias=False)
        self.extra = empty.to_empty(device=conv.weight.device)
        nn.init.zeros_(self.extra.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, out, h', w') of x (B, in + extra, h, w)."""
        own = self.conv.in_channels
        y: Tensor = self.conv(x[:, :own]) + self.extra(x[:, own:])
        return y
