"""Latent interpolation without a denoiser, and the training of the autoencoder it needs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.slerp import slerp
from inbetween.methods.base import Generators
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.modules.cuts import Crops, Cut
from inbetween.modules.loading import drop_from_config, load_autoencoder
from inbetween.modules.processes import mean_of_processes
from inbetween.types import StepOutput, WindowBatch

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny


REACH = 1.5  # of colours in a fresh autoencoder's latents, which AutoencoderTiny squeezes into [-3, 3]


class LatentInterpolation(PerceptualMethod):
    """An autoencoder for drawings; in-betweens are the slerped latents of the keyframes, decoded.

    As a method it shows what latents alone can do. Its training makes the `vae` of a backbone:
    diffusers' AutoencoderTiny on single drawings. That has no group norms, which take the mean out of
    wide areas and so forget the colour of the paper. Training minimises

        loss = |x - x'| + square_weight |x - x'|^2 + line_weight |grad x - grad x'|
               + perceptual_weight LPIPS(VGG16) + latent_weight (mean(z)^2 + (deviation(z) - 1)^2),

    where grad are the differences of neighbouring pixels, which hold the lines. The squared error draws a
    line faintly while its place is uncertain, where the absolute one leaves the paper blank. Noise on the
    latents teaches the decoder to bear the errors of a denoiser, and lets no channel whisper: the last
    term wants mean 0 and deviation 1 of each, since a denoiser's noise is equally strong on all of them.
    `save_pretrained` writes what is left of mean and scale over all channels along.

    Args:
        vae: Folder of an AutoencoderTiny to begin with, or `small` for the one that ships; the next
            four are then its own. None begins anew.
        trained: `decoder` leaves the encoder of `vae` and its latents as they are, so that denoisers of
            these latents stay right; `all` trains both.
        channels: Width of all levels, three at least.
        latent_channels: Channels of the latents, three at least.
        encoder_blocks: Residual blocks of the levels, fine to coarse; each level but the first halves
            height and width.
        decoder_blocks: Residual blocks of as many levels, coarse to fine.
        crop: Side in pixels of what is cut from each drawing for training; all of smaller ones.
        crops: Number of such cuts from each drawing.
        square_weight: Weight of the squared error.
        line_weight: Weight of the gradients' error.
        latent_noise: Deviation of the noise on the latents in training.
        latent_weight: Weight of the latents' distance from mean 0 and deviation 1.
        output: `slerp` draws in-betweens. `truth` draws the true in-betweens of measured windows, encoded
            and decoded: the floor of all that comes out of its latents. `autoencoder_residual` may get below
            it.
        **options: See `PerceptualMethod`.

    Raises:
        UserError: A number out of range, or an autoencoder that cannot be read.
    """

    architecture = ("vae", "trained", "channels", "latent_channels", "encoder_blocks", "decoder_blocks")

    def __init__(
        self,
        vae: str | None = None,
        trained: Literal["all", "decoder"] = "all",
        channels: int = 64,
        latent_channels: int = 8,
        encoder_blocks: tuple[int, ...] = (0, 2, 3),
        decoder_blocks: tuple[int, ...] = (3, 3, 1),
        crop: int = 64,
        crops: int = 2,
        square_weight: float = 4.0,
        line_weight: float = 1.0,
        latent_noise: float = 0.05,
        latent_weight: float = 0.01,
        output: Literal["slerp", "truth"] = "slerp",
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(**options)
        least = {"channels": (channels, 3), "latent_channels": (latent_channels, 3)}
        for name, (value, lowest) in (least | {"crop": (crop, 1), "crops": (crops, 1)}).items():
            if value < lowest:
                raise UserError(f"{name} is {value}: give at least {lowest}.")
        if len(encoder_blocks) != len(decoder_blocks):
            raise UserError(
                f"encoder_blocks has {len(encoder_blocks)} levels and decoder_blocks {len(decoder_blocks)}:"
                " give both as many."
            )
        if trained == "decoder" and vae is None:
            raise UserError("trained is decoder, and there is no encoder yet: name the vae to begin with.")
        self.vae = (
            _fresh(channels, latent_channels, encoder_blocks, decoder_blocks) if vae is None else _read(vae)
        )
        self.vae.requires_grad_(True).to(memory_format=torch.channels_last)
        self.vae.encoder.requires_grad_(trained == "all")
        self.trained = trained
        self.multiple = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.crop, self.crops, self.output = crop, crops, output
        self.square_weight, self.line_weight = square_weight, line_weight
        self.latent_noise, self.latent_weight = latent_noise, latent_weight
        self.register_buffer("latent_mean", torch.tensor(self.vae.config.shift_factor))
        self.register_buffer("latent_std", 1 / torch.tensor(self.vae.config.scaling_factor))
        self.latent_mean: Tensor
        self.latent_std: Tensor
        self._seen: tuple[Tensor, Tensor] | None = None  # mean and mean square of the last batch's latents

    def preparation(self, training: bool) -> Crops:
        """In training random crops of every drawing, else all of each."""
        if not training:
            return Crops(self.multiple)
        return Crops(self.multiple, self.crop, self.crops, int(self.vae.config.latent_channels))

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """Reconstruction of crops, or of whole drawings; see `preparation`."""
        cut: Cut = self.sample_of(batch)
        x = cut.frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        z: Tensor = self.vae.encode(x * 2 - 1).latents
        if self.training:
            mean, square = mean_of_processes(_moments(z.float()))
            spread = (mean**2 + ((square - mean**2).clamp(min=1e-12).sqrt() - 1) ** 2).mean()
            self._seen = mean.detach().mean(), square.detach().mean()
            z = z + self.latent_noise * cut.noise.flatten(0, 1).to(z)
        y = self.vae.decode(z).sample.float() / 2 + 0.5

        l1, square_error = F.l1_loss(y, x), F.mse_loss(y, x)
        lines = F.l1_loss(y.diff(dim=-1), x.diff(dim=-1)) + F.l1_loss(y.diff(dim=-2), x.diff(dim=-2))
        loss = l1 + self.square_weight * square_error + self.line_weight * lines
        logs = {"l1": l1, "square": square_error, "lines": lines}
        if self.training:
            logs["spread"] = spread
            loss = loss + self.latent_weight * spread
        if perceptual := self.perceptual:
            logs["perceptual"] = perceptual(y, x)
            loss = loss + self.perceptual_weight * logs["perceptual"]
        return {"loss": loss, "logs": logs}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the latents' mean and deviation follow the last batch.

        Once a step, as the weights change: a checkpoint never holds them of a batch that no step was made of.
        """
        if self.trained == "all" and self._seen is not None:
            level, power = self._seen
            self.latent_mean.lerp_(level, 0.01)
            self.latent_std.lerp_((power - level**2).clamp(min=0).sqrt(), 0.01)

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        return self.interpolator(first, last)(t)

    @torch.no_grad()
    def interpolator(
        self, first: Tensor, last: Tensor, generator: Sequence[torch.Generator] = ()
    ) -> Callable[[Tensor], Tensor]:
        """See `Method.interpolator`: keyframes are encoded once."""
        ends = self._encoded(torch.cat([first, last])).chunk(2)

        @torch.no_grad()
        def at(t: Tensor) -> Tensor:
            z_first, z_last = (z.repeat_interleave(t.shape[1], 0) for z in ends)
            frames = self._decoded(slerp(z_first, z_last, t.flatten()), first.shape[-2:])
            return frames.view(*t.shape, *frames.shape[1:])

        return at

    @torch.no_grad()
    def interpolate_batch(self, batch: WindowBatch) -> Tensor:
        """Frames (B, N, 3, H, W) of a batch."""
        if self.output == "slerp":
            return super().interpolate_batch(batch)
        frames = batch["targets"].flatten(0, 1)
        return self._decoded(self._encoded(frames), frames.shape[-2:]).view_as(batch["targets"])

    def _encoded(self, frames: Tensor) -> Tensor:
        padded = pad_to_multiple(frames, self.multiple) * 2 - 1
        latents: Tensor = self.vae.encode(padded.contiguous(memory_format=torch.channels_last)).latents
        return latents

    def _decoded(self, latents: Tensor, size: torch.Size) -> Tensor:
        frames: Tensor = self.vae.decode(latents).sample.float() / 2 + 0.5
        return frames[..., : size[0], : size[1]].clamp(0, 1)

    def save_pretrained(self, folder: Path) -> None:
        """Write the autoencoder in float16 to `folder/vae`, with latents' mean and 1 / deviation."""
        vae = copy.deepcopy(self.vae).half()
        vae.register_to_config(
            shift_factor=round(float(self.latent_mean), 5),
            scaling_factor=round(1 / float(self.latent_std), 5),
        )
        vae.save_pretrained(folder / "vae")
        # diffusers writes this key, and warns of it when it reads it
        drop_from_config(folder / "vae", "block_out_channels")


def _moments(latents: Tensor) -> Tensor:
    """Mean, and mean square, of each channel of latents (B, C, h, w): (2, C)."""
    return torch.stack([latents.mean((0, 2, 3)), latents.square().mean((0, 2, 3))])


def _fresh(
    channels: int, latent_channels: int, encoder_blocks: tuple[int, ...], decoder_blocks: tuple[int, ...]
) -> AutoencoderTiny:
    from diffusers import AutoencoderTiny

    vae = AutoencoderTiny(
        encoder_block_out_channels=(channels,) * len(encoder_blocks),
        decoder_block_out_channels=(channels,) * len(decoder_blocks),
        num_encoder_blocks=tuple(encoder_blocks),
        num_decoder_blocks=tuple(decoder_blocks),
        latent_channels=latent_channels,
    )
    _begin_with_colors(vae)
    return vae


@torch.no_grad()
def _begin_with_colors(vae: AutoencoderTiny) -> None:
    """Let three channels carry the colours of the shrunken picture from end to end, and blocks do nothing.

    From random weights light and dark are learned first and colours thousands of steps later.
    """
    from diffusers.models.autoencoders.vae import AutoencoderTinyBlock

    for block in vae.modules():
        if isinstance(block, AutoencoderTinyBlock):
            first, _, second, _, last = block.conv
            nn.init.kaiming_normal_(first.weight, nonlinearity="relu")
            nn.init.kaiming_normal_(second.weight, nonlinearity="relu")
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
    encoder, decoder = (
        [layer for layer in half.layers if isinstance(layer, nn.Conv2d)]
        for half in (vae.encoder, vae.decoder)
    )
    for convolution in (*encoder[:-1], *decoder[:-1]):
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    decoder[-1].weight.mul_(0.1)

    def carry(convolution: nn.Conv2d, scale: float = 1.0, shift: float = 0.0) -> None:
        """Make the first three channels those before, or the mean of each two by two of them."""
        taps = slice(1, 1 + convolution.stride[0])
        convolution.weight[:3] = 0
        for channel in range(3):
            convolution.weight[channel, channel, taps, taps] = scale / convolution.stride[0] ** 2
            if convolution.bias is not None:
                convolution.bias[channel] = shift

    for convolution in (*encoder[:-1], *decoder[1:]):
        carry(convolution)
    # inside, as its blocks' ReLU wants them, colours are in [0, 1]; as latents in [-REACH, REACH]
    carry(encoder[-1], 2 * REACH, -REACH)
    carry(decoder[0], 0.5 / REACH, 0.5)


def _read(folder: str) -> AutoencoderTiny:
    from diffusers import AutoencoderTiny

    vae = load_autoencoder(folder)
    if not isinstance(vae, AutoencoderTiny):
        raise UserError(
            f"The autoencoder in {folder} is of type {type(vae).__name__}: give an AutoencoderTiny."
        )
    return vae
