"""What a diffusion training draws at random of each window, and what OpenCV finds in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from inbetween.functional.seeds import generator_of
from inbetween.types import Window

TrainFrom = Literal["truth", "slerp", "flow"]
CROP = 96  # pixels: side of what the perceptual loss looks at in pictures that are decoded for it


class NoisedSample(NamedTuple):
    """One in-between of a window, as a denoiser is trained on it; collated, tensors have a leading B."""

    frames: (
        Tensor  # (3 or 4, 3, H, W) in [0, 1]: in-between, first, last, and what an image variation is shown
    )
    frame_ids: Tensor  # (3,) int64: names them, where they come back each epoch; else (0,)
    t: Tensor  # () float32: where the in-between lies
    init: str  # what the noised latent comes from, one of `TrainFrom`; collated, B of them
    timestep: Tensor  # () int64: how far it is noised
    begin: Tensor  # () int64: the timestep at which drawing from that start begins
    noise: Tensor  # (C, h, w) standard normal
    chances: Tensor  # (3,) in [0, 1): below its share goes the condition, keyframes' latents, structure
    corner: Tensor  # (2,) int64: top and left cell of what the perceptual loss looks at
    flows: Tensor  # (4, h', w') what the blend along a flow starts from; (0, 1, 1): there is no such blend
    pooled: Tensor  # () bool: whether an image variation is shown the pooled token of that alone


@dataclass(frozen=True)
class Noising:
    """Makes the `NoisedSample` of a window.

    Args:
        steps: Number of timesteps of the noise schedule.
        logit_mean: Of the timesteps drawn for the truth; see `timestep_of`.
        train_from: See `DiffusionMethod`.
        furthest: The largest timestep at which drawing begins.
        channels: C of the latents.
        multiple: Pixels behind a latent's side.
        prior_flows: What finds the flow that a blend of the keyframes starts from, `Blend.prior_flows`,
            if there is one.
        shows: Whether any frame of the window is chosen to be shown.
    """

    steps: int
    logit_mean: float | None
    train_from: tuple[TrainFrom, ...]
    furthest: float
    channels: int
    multiple: int
    prior_flows: Callable[[Tensor, Tensor], Tensor] | None
    shows: bool = False

    def __call__(self, window: Window) -> NoisedSample:
        """See the class."""
        generator = generator_of(window)
        count, (height, width) = len(window["t"]), window["first"].shape[-2:]
        chosen = int(torch.randint(count, (), generator=generator))
        timestep = timestep_of(generator, self.steps, self.logit_mean)
        cells = -(-height // self.multiple), -(-width // self.multiple)
        noise = torch.randn((self.channels, *cells), generator=generator)
        init = self.train_from[int(torch.randint(len(self.train_from), (), generator=generator))]
        begin, come = path_timesteps(generator, self.furthest)
        chances = torch.rand(3, generator=generator)
        side = crop_cells(self.multiple, cells)
        corner = torch.stack([torch.randint(cell - side + 1, (), generator=generator) for cell in cells])
        shown = int(torch.randint(count + 2, (), generator=generator))
        pooled = torch.rand((), generator=generator) < 0.5
        first, last = window["first"], window["last"]
        frames = [window["targets"][chosen], first, last]
        if self.shows:
            frames.append(torch.cat([first[None], window["targets"], last[None]])[shown])
        ids = window["frame_ids"][[chosen + 1, 0, -1]] if "frame_ids" in window else corner.new_zeros(0)
        return NoisedSample(
            torch.stack(frames),
            ids,
            window["t"][chosen],
            init,
            timestep if init == "truth" else come,
            begin,
            noise,
            chances,
            corner,
            self.prior_flows(first[None], last[None])[0] if self.prior_flows else torch.zeros(0, 1, 1),
            pooled,
        )


def crop_cells(multiple: int, cells: tuple[int, int]) -> int:
    """Side in cells of what the perceptual loss looks at: `CROP` pixels and a cell about, or all."""
    return min(CROP // multiple + 2, *cells)


def timestep_of(generator: torch.Generator, steps: int, logit_mean: float | None) -> Tensor:
    """The timestep () int64 of a training sample.

    Args:
        generator: The sample's own.
        steps: Number of timesteps of the noise schedule.
        logit_mean: Mean of a logit-normal share of them, of deviation 1 (arXiv 2403.03206); None draws
            uniformly.
    """
    if logit_mean is None:
        return torch.randint(steps, (), generator=generator)
    share = (torch.randn((), generator=generator) + logit_mean).sigmoid()
    return (share * steps).long().clamp(max=steps - 1)  # the sigmoid of a large number is 1


def path_timesteps(generator: torch.Generator, furthest: float) -> tuple[Tensor, Tensor]:
    """Where on the path from a start to the truth a training sample lies, evenly among all such places.

    Args:
        generator: The sample's own.
        furthest: The largest timestep at which drawing begins.

    Returns:
        The timestep () int64 at which the path begins, and the one that it has come to, no larger.
    """
    shares = torch.rand(2, generator=generator).sqrt()
    begin = (shares[0] * furthest).long().clamp(max=max(int(furthest) - 1, 0))
    return begin, (shares[1] * (begin + 1)).long().minimum(begin)
