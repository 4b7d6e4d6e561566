"""Latent interpolation without a denoiser, and the training of the autoencoder it needs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generators
from inbetween.functional.slerp import slerp
from inbetween.methods.base import RUN_HYPERPARAMETERS, Generators, TrainableMethod
from inbetween.modules.normalization import use_fast_group_norm
from inbetween.types import StepOutput, WindowBatch

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


class LatentInterpolation(TrainableMethod):
    """An autoencoder for drawings; in-betweens are the slerped latents of the keyframes, decoded.

    As a method it shows what latents alone can do. Its training makes the `vae` of a backbone:
    diffusers' AutoencoderKL on single drawings, with

        loss = |x - x'| + square_weight |x - x'|^2 + line_weight |grad x - grad x'|
               + kl_weight KL(q(z|x) || N(0, 1)),

    where grad are the differences of neighbouring pixels, which hold the lines. The squared error draws a
    line faintly while its place is uncertain, where the absolute one leaves the paper blank.
    `save_pretrained` writes latents' scale along, so that a denoiser sees unit variance.

    Args:
        channels: Widths of the levels; each but the first halves height and width.
        latent_channels: Channels of the latents.
        layers_per_block: Residual blocks in each level.
        crop: Side in pixels of what is cut from each drawing for training; all of smaller ones.
        square_weight: Weight of the squared error.
        line_weight: Weight of the gradients' error.
        kl_weight: Weight of the divergence, mean over the latents' elements.
        **options: See `TrainableMethod`.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (16, 48, 96),
        latent_channels: int = 4,
        layers_per_block: int = 1,
        crop: int = 96,
        square_weight: float = 4.0,
        line_weight: float = 1.0,
        kl_weight: float = 1e-6,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(ignore=RUN_HYPERPARAMETERS)
        from diffusers import AutoencoderKL

        levels = len(channels)
        self.vae: AutoencoderKL = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=tuple(channels),
            layers_per_block=layers_per_block,
            latent_channels=latent_channels,
            # a group of one channel would be an instance norm, which forgets the colour of the paper
            norm_num_groups=4,
            mid_block_add_attention=False,
            scaling_factor=1.0,
        ).to(memory_format=torch.channels_last)
        use_fast_group_norm(self.vae)
        # Noise of deviation 1 on the latents would drown the first thousands of steps.
        self.vae.quant_conv.bias.data[latent_channels:] = -6.0
        self.multiple = 2 ** (levels - 1)
        self.crop = crop
        self.square_weight, self.line_weight, self.kl_weight = square_weight, line_weight, kl_weight
        self.register_buffer("latent_std", torch.ones(()))
        self.latent_std: Tensor

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """Reconstruction of a random crop of every drawing."""
        frames = torch.cat([batch["first"][:, None], batch["targets"], batch["last"][:, None]], dim=1)
        streams = generators(batch["seed"])
        x = torch.cat([self._crops(*pair) for pair in zip(frames, streams, strict=True)])
        x = pad_to_multiple(x, self.multiple).contiguous(memory_format=torch.channels_last)
        posterior = self.vae.encode(x * 2 - 1).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        noise = torch.cat(
            [torch.randn((frames.shape[1], *mean.shape[1:]), generator=stream) for stream in streams]
        )
        z = mean + (0.5 * logvar).exp() * noise.to(mean)
        y = self.vae.decode(z).sample.float() / 2 + 0.5
        if self.training:
            self.latent_std.lerp_(mean.detach().std(), 0.01)

        l1, square = F.l1_loss(y, x), F.mse_loss(y, x)
        lines = F.l1_loss(y.diff(dim=-1), x.diff(dim=-1)) + F.l1_loss(y.diff(dim=-2), x.diff(dim=-2))
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return {
            "loss": l1 + self.square_weight * square + self.line_weight * lines + self.kl_weight * kl,
            "logs": {"l1": l1, "square": square, "lines": lines, "kl": kl},
        }

    def _crops(self, frames: Tensor, stream: torch.Generator) -> Tensor:
        """A crop (3, c, c) at a random place of each of the frames (F, 3, H, W)."""
        height, width = (min(side, self.crop) for side in frames.shape[-2:])
        crops = []
        for frame in frames:
            top = int(torch.randint(frame.shape[-2] - height + 1, (), generator=stream))
            left = int(torch.randint(frame.shape[-1] - width + 1, (), generator=stream))
            crops.append(frame[:, top : top + height, left : left + width])
        return torch.stack(crops)

    @torch.no_grad()
    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        count, (height, width) = t.shape[1], first.shape[-2:]
        keyframes = pad_to_multiple(torch.cat([first, last]), self.multiple) * 2 - 1
        latents = self.vae.encode(keyframes.contiguous(memory_format=torch.channels_last)).latent_dist.mode()
        z_first, z_last = (z.repeat_interleave(count, 0) for z in latents.chunk(2))
        decoded: Tensor = self.vae.decode(slerp(z_first, z_last, t.flatten())).sample
        frames = decoded.float() / 2 + 0.5
        frames = frames[..., :height, :width].clamp(0, 1)
        return frames.view(-1, count, *frames.shape[1:])

    def save_pretrained(self, folder: Path) -> None:
        """Write the autoencoder in float16 to `folder/vae`, latents' 1 / deviation as scaling_factor."""
        vae = copy.deepcopy(self.vae).half()
        vae.register_to_config(scaling_factor=round(1 / float(self.latent_std), 5))
        vae.save_pretrained(folder / "vae")
