"""Latent interpolation without a denoiser, and the training of its autoencoder."""

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
from inbetween.methods.diffusion.autoencoder_sample import AutoencoderSample, PrepareCrops
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.modules.processes import mean_of_processes
from inbetween.types import StepOutput, WindowBatch
from inbetween.weights.loading import drop_from_config, load_autoencoder

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny


# an untrained autoencoder's latents hold colours in [-1.5, 1.5]; AutoencoderTiny squashes to [-3, 3]
COLOR_RANGE = 1.5


class LatentInterpolation(PerceptualMethod):
    """An autoencoder for animation frames; in-betweens are the keyframes' slerped latents, decoded.

    As a method it is the baseline without a denoiser. Its training makes the `vae` of a backbone,
    diffusers' AutoencoderTiny. That has no group norms, which remove the mean of large flat areas and
    with it the background's colour. Training minimises, for frames x, latents z and reconstructions x',

        loss = |x - x'| + square_weight |x - x'|^2 + line_weight |grad x - grad x'|
               + perceptual_weight LPIPS(VGG16) + latent_weight (mean(z)^2 + (std(z) - 1)^2),

    where grad are the differences of neighbouring pixels, in which the lines are. While the position of a
    line is uncertain the squared error makes it faint, where the absolute error would omit it. Noise on
    the latents makes the decoder robust to a denoiser's errors. The last term normalises each latent
    channel, since diffusion noise is equally strong on all of them; what remains of mean and scale is
    written by `save_pretrained` as `shift_factor` and `scaling_factor`.

    Args:
        vae: Folder of an AutoencoderTiny to start from, or `small` for the shipped one; the next four are
            then ignored. None is a randomly initialised one.
        trained: `all`; or `decoder`, which keeps the encoder and so the latents, so that denoisers trained on
            them remain valid.
        channels: Channels of all blocks, three at least.
        latent_channels: Channels of the latents, three at least.
        encoder_blocks: Residual blocks per resolution, high to low; each resolution but the first halves
            height and width.
        decoder_blocks: Residual blocks per resolution, low to high, for as many resolutions.
        crop: Side in pixels of the training crops; smaller frames are taken whole.
        crops: Number of crops of each frame.
        square_weight: Weight of the squared error.
        line_weight: Weight of the gradients' absolute error.
        latent_noise: Standard deviation of the noise on the latents in training.
        latent_weight: Weight of the latents' distance from mean 0 and standard deviation 1.
        output: `slerp` interpolates. `reconstruction` encodes and decodes the true in-betweens of measured
            windows instead: an upper bound for all methods that decode these latents, without
            `autoencoder_residual`.
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
        output: Literal["slerp", "reconstruction"] = "slerp",
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(**options)
        least = {"channels": (channels, 3), "latent_channels": (latent_channels, 3)}
        for name, (value, lowest) in (least | {"crop": (crop, 1), "crops": (crops, 1)}).items():
            if value < lowest:
                raise UserError(f"{name} is {value}: give at least {lowest}.")
        if len(encoder_blocks) != len(decoder_blocks):
            raise UserError(
                f"encoder_blocks has {len(encoder_blocks)} entries and decoder_blocks {len(decoder_blocks)}:"
                " give as many for both."
            )
        if trained == "decoder" and vae is None:
            raise UserError(
                "trained is decoder, and there is no trained encoder: give the vae to start from."
            )
        self.vae = (
            _untrained(channels, latent_channels, encoder_blocks, decoder_blocks)
            if vae is None
            else _read(vae)
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
        self._latent_moments: tuple[Tensor, Tensor] | None = None  # mean and mean square in the last batch

    def preparation(self, training: bool) -> PrepareCrops:
        """Random crops of every frame in training, else whole frames."""
        if not training:
            return PrepareCrops(self.multiple)
        return PrepareCrops(self.multiple, self.crop, self.crops, int(self.vae.config.latent_channels))

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """Reconstruction loss on crops, or on whole frames; see `preparation`."""
        sample: AutoencoderSample = self.sample_of(batch)
        x = sample.frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        z: Tensor = self.vae.encode(x * 2 - 1).latents
        if self.training:
            mean, square = mean_of_processes(_moments(z.float()))
            latent_loss = (mean**2 + ((square - mean**2).clamp(min=1e-12).sqrt() - 1) ** 2).mean()
            self._latent_moments = mean.detach().mean(), square.detach().mean()
            z = z + self.latent_noise * sample.noise.flatten(0, 1).to(z)
        y = self.vae.decode(z).sample.float() / 2 + 0.5

        l1, mse = F.l1_loss(y, x), F.mse_loss(y, x)
        gradient = F.l1_loss(y.diff(dim=-1), x.diff(dim=-1)) + F.l1_loss(y.diff(dim=-2), x.diff(dim=-2))
        loss = l1 + self.square_weight * mse + self.line_weight * gradient
        logs = {"l1": l1, "mse": mse, "gradient": gradient}
        if self.training:
            logs["latent"] = latent_loss
            loss = loss + self.latent_weight * latent_loss
        if perceptual := self.perceptual:
            logs["perceptual"] = perceptual(y, x)
            loss = loss + self.perceptual_weight * logs["perceptual"]
        return {"loss": loss, "logs": logs}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the running mean and standard deviation of the latents from the last batch.

        Once per optimiser step, so that a checkpoint holds the statistics of the batches it was trained on.
        """
        if self.trained == "all" and self._latent_moments is not None:
            mean, mean_square = self._latent_moments
            self.latent_mean.lerp_(mean, 0.01)
            self.latent_std.lerp_((mean_square - mean**2).clamp(min=0).sqrt(), 0.01)

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        return self.interpolator(first, last)(t)

    @torch.no_grad()
    def interpolator(
        self, first: Tensor, last: Tensor, generator: Sequence[torch.Generator] = ()
    ) -> Callable[[Tensor], Tensor]:
        """See `Method.interpolator`: keyframes are encoded once."""
        latents = self._encoded(torch.cat([first, last])).chunk(2)

        @torch.no_grad()
        def at(t: Tensor) -> Tensor:
            z_first, z_last = (z.repeat_interleave(t.shape[1], 0) for z in latents)
            frames = self._decoded(slerp(z_first, z_last, t.flatten()), first.shape[-2:])
            return frames.view(*t.shape, *frames.shape[1:])

        return at

    @torch.no_grad()
    def interpolate_batch(self, batch: WindowBatch) -> Tensor:
        """Frames (B, N, 3, H, W) of a batch, as `output` says."""
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
        """Write the autoencoder in float16 to `folder/vae`, with `shift_factor` and `scaling_factor`."""
        vae = copy.deepcopy(self.vae).half()
        vae.register_to_config(
            shift_factor=round(float(self.latent_mean), 5),
            scaling_factor=round(1 / float(self.latent_std), 5),
        )
        vae.save_pretrained(folder / "vae")
        # diffusers writes this key, and warns about it on loading
        drop_from_config(folder / "vae", "block_out_channels")


def _moments(latents: Tensor) -> Tensor:
    """Mean and mean square of each channel of latents (B, C, h, w): (2, C)."""
    return torch.stack([latents.mean((0, 2, 3)), latents.square().mean((0, 2, 3))])


def _untrained(
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
    _initialize_with_colors(vae)
    return vae


@torch.no_grad()
def _initialize_with_colors(vae: AutoencoderTiny) -> None:
    """Initialise three channels to pass the downsampled image through, and residual blocks to zero.

    From random weights brightness is learned first, and colours only thousands of steps later.
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

    def pass_through(convolution: nn.Conv2d, scale: float = 1.0, shift: float = 0.0) -> None:
        """Make the first three outputs the first three inputs, or their 2x2 means where it has a stride."""
        taps = slice(1, 1 + convolution.stride[0])
        convolution.weight[:3] = 0
        for channel in range(3):
            convolution.weight[channel, channel, taps, taps] = scale / convolution.stride[0] ** 2
            if convolution.bias is not None:
                convolution.bias[channel] = shift

    for convolution in (*encoder[:-1], *decoder[1:]):
        pass_through(convolution)
    # colours are in [0, 1] inside, for the blocks' ReLU, and in [-COLOR_RANGE, COLOR_RANGE] as latents
    pass_through(encoder[-1], 2 * COLOR_RANGE, -COLOR_RANGE)
    pass_through(decoder[0], 0.5 / COLOR_RANGE, 0.5)


def _read(folder: str) -> AutoencoderTiny:
    from diffusers import AutoencoderTiny

    vae = load_autoencoder(folder)
    if not isinstance(vae, AutoencoderTiny):
        raise UserError(
            f"The autoencoder in {folder} is of type {type(vae).__name__}: give an AutoencoderTiny."
        )
    return vae
