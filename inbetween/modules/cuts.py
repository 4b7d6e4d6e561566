"""What an autoencoder trains on: single drawings of windows, or crops of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generator_of
from inbetween.types import Window


class Cut(NamedTuple):
    """Drawings of one window, or crops of them; collated, everything has a leading B."""

    frames: Tensor  # (F, 3, H, W) in [0, 1], H and W multiples of what the autoencoder takes
    noise: Tensor  # (F, C, h, w) standard normal, for their latents; of whole drawings C is 0


@dataclass(frozen=True)
class Crops:
    """Cuts every drawing of a window at random places; without `crop` it takes all of each, once.

    Args:
        multiple: Pixels behind a latent's side.
        crop: Side in pixels of the crops; all of smaller drawings.
        crops: Number of crops of each drawing.
        channels: Of the latents.
    """

    multiple: int
    crop: int | None = None
    crops: int = 1
    channels: int = 0

    def __call__(self, window: Window) -> Cut:
        """See the class."""
        generator = generator_of(window)
        frames = torch.cat([window["first"][None], window["targets"], window["last"][None]])
        if self.crop is not None:
            frames = torch.stack(
                [self._crop(frame, generator) for frame in frames.repeat(self.crops, 1, 1, 1)]
            )
        frames = pad_to_multiple(frames, self.multiple)
        cells = (side // self.multiple for side in frames.shape[-2:])
        return Cut(frames, torch.randn((len(frames), self.channels, *cells), generator=generator))

    def _crop(self, frame: Tensor, generator: torch.Generator) -> Tensor:
        sides = [min(side, self.crop or side) for side in frame.shape[-2:]]
        top, left = (
            int(torch.randint(whole - side + 1, (), generator=generator))
            for whole, side in zip(frame.shape[-2:], sides, strict=True)
        )
        return frame[:, top : top + sides[0], left : left + sides[1]]
