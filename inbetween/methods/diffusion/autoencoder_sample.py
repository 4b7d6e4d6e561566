"""What data workers prepare for an autoencoder's training step: frames of windows, or crops of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generator_of
from inbetween.types import Window


class AutoencoderSample(NamedTuple):
    """Frames of one window, or crops of them; collated, everything has a leading B."""

    frames: Tensor  # (F, 3, H, W) in [0, 1], H and W multiples of `multiple`
    noise: Tensor  # (F, C, h, w) standard normal, added to their latents; C is 0 for whole frames


@dataclass(frozen=True)
class PrepareCrops:
    """Crops every frame of a window at random positions; without `crop` it takes whole frames, once.

    Args:
        multiple: Pixels along a side of one latent pixel.
        crop: Side in pixels of the crops; smaller frames are taken whole.
        crops: Number of crops of each frame.
        latent_channels: C, or 0 for no noise.
    """

    multiple: int
    crop: int | None = None
    crops: int = 1
    latent_channels: int = 0

    def __call__(self, window: Window) -> AutoencoderSample:
        """See the class."""
        generator = generator_of(window)
        frames = torch.cat([window["first"][None], window["targets"], window["last"][None]])
        if self.crop is not None:
            frames = torch.stack(
                [self._crop(frame, generator) for frame in frames.repeat(self.crops, 1, 1, 1)]
            )
        frames = pad_to_multiple(frames, self.multiple)
        size = (side // self.multiple for side in frames.shape[-2:])
        return AutoencoderSample(
            frames, torch.randn((len(frames), self.latent_channels, *size), generator=generator)
        )

    def _crop(self, frame: Tensor, generator: torch.Generator) -> Tensor:
        sides = [min(side, self.crop or side) for side in frame.shape[-2:]]
        top, left = (
            int(torch.randint(whole - side + 1, (), generator=generator))
            for whole, side in zip(frame.shape[-2:], sides, strict=True)
        )
        return frame[:, top : top + sides[0], left : left + sides[1]]
