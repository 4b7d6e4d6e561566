"""What data workers prepare for a diffusion training step: the random draws, and what OpenCV computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from inbetween.functional.seeds import generator_of
from inbetween.types import Window

CROP = 96  # pixels: side of the crops that the perceptual loss compares


class TrainingSample(NamedTuple):
    """One in-between of a window with its random draws; collated, tensors have a leading B."""

    frames: (
        Tensor  # (3 or 4, 3, H, W) in [0, 1]: in-between, first, last, and the reference of ImageVariation
    )
    frame_ids: Tensor  # (3,) int64: identify the frames, where they recur each epoch; else (0,)
    t: Tensor  # () float32: position of the in-between
    train_from: str  # what it is noised from, one of `TrainFrom`; collated, B of them
    timestep: Tensor  # () int64: of its noised latents
    init_timestep: Tensor  # () int64: the first timestep of the trajectory from its initial latents
    noise: Tensor  # (C, h, w) standard normal
    dropout_draws: Tensor  # (3,) uniform in [0, 1): for condition, keyframes' latents, line condition
    corner: Tensor  # (2,) int64: top and left latent pixel of the perceptual loss's crop
    flows: Tensor  # (4, h', w') the blend's classical flow, `Blend.prior_flows`; (0, 1, 1): not needed
    pooled_only: Tensor  # () bool: whether ImageVariation uses its reference's pooled token alone


@dataclass(frozen=True)
class PrepareSample:
    """Makes the `TrainingSample` of a window, seeded by the window's own seed.

    Args:
        num_train_timesteps: Of the noise schedule.
        logit_mean: See `sample_timestep`.
        train_from: See `Denoising`.
        max_init_timestep: The largest timestep at which sampling begins.
        latent_channels: C.
        multiple: Pixels along a side of one latent pixel.
        prior_flows: `Blend.prior_flows`, if the method warps the keyframes in training.
        reference: Whether to add a random frame of the window, the reference of an image variation.
    """

    num_train_timesteps: int
    logit_mean: float | None
    train_from: Sequence[str]
    max_init_timestep: float
    latent_channels: int
    multiple: int
    prior_flows: Callable[[Tensor, Tensor], Tensor] | None
    reference: bool = False

    def __call__(self, window: Window) -> TrainingSample:
        """See the class."""
        generator = generator_of(window)
        count, (height, width) = len(window["t"]), window["first"].shape[-2:]
        chosen = int(torch.randint(count, (), generator=generator))
        timestep = sample_timestep(generator, self.num_train_timesteps, self.logit_mean)
        size = -(-height // self.multiple), -(-width // self.multiple)
        noise = torch.randn((self.latent_channels, *size), generator=generator)
        train_from = self.train_from[int(torch.randint(len(self.train_from), (), generator=generator))]
        init_timestep, trajectory_timestep = sample_trajectory(generator, self.max_init_timestep)
        dropout_draws = torch.rand(3, generator=generator)
        side = crop_side(self.multiple, size)
        corner = torch.stack([torch.randint(length - side + 1, (), generator=generator) for length in size])
        reference = int(torch.randint(count + 2, (), generator=generator))
        pooled_only = torch.rand((), generator=generator) < 0.5
        first, last = window["first"], window["last"]
        frames = [window["targets"][chosen], first, last]
        if self.reference:
            frames.append(torch.cat([first[None], window["targets"], last[None]])[reference])
        ids = window["frame_ids"][[chosen + 1, 0, -1]] if "frame_ids" in window else corner.new_zeros(0)
        return TrainingSample(
            torch.stack(frames),
            ids,
            window["t"][chosen],
            train_from,
            timestep if train_from == "target" else trajectory_timestep,
            init_timestep,
            noise,
            dropout_draws,
            corner,
            self.prior_flows(first[None], last[None])[0] if self.prior_flows else torch.zeros(0, 1, 1),
            pooled_only,
        )


def crop_side(multiple: int, size: tuple[int, int]) -> int:
    """Side in latent pixels of the perceptual loss's crop: `CROP` pixels and a margin, or all of `size`."""
    return min(CROP // multiple + 2, *size)


def sample_timestep(generator: torch.Generator, num_train_timesteps: int, logit_mean: float | None) -> Tensor:
    """A random timestep () int64.

    Args:
        generator: The sample's own.
        num_train_timesteps: Of the noise schedule.
        logit_mean: Mean of a logit-normal distribution with standard deviation 1 (arXiv 2403.03206); None
            samples uniformly.
    """
    if logit_mean is None:
        return torch.randint(num_train_timesteps, (), generator=generator)
    share = (torch.randn((), generator=generator) + logit_mean).sigmoid()
    # the sigmoid of a large number is 1
    return (share * num_train_timesteps).long().clamp(max=num_train_timesteps - 1)


def sample_trajectory(generator: torch.Generator, max_init_timestep: float) -> tuple[Tensor, Tensor]:
    """A random trajectory of sampling and a point on it, uniform over all pairs.

    Args:
        generator: The sample's own.
        max_init_timestep: The largest timestep at which sampling begins.

    Returns:
        The trajectory's first timestep () int64, and that of the point, no larger.
    """
    shares = torch.rand(2, generator=generator).sqrt()
    init_timestep = (shares[0] * max_init_timestep).long().clamp(max=max(int(max_init_timestep) - 1, 0))
    return init_timestep, (shares[1] * (init_timestep + 1)).long().minimum(init_timestep)
