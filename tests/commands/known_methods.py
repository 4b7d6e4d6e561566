"""Methods whose every stroke is known, for tests of what is built around a method."""

import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import pil_to_tensor

from inbetween.methods import CrossFade
from inbetween.methods.base import Generators, Method
from inbetween.methods.spaced import SpacedMethod


class Painter(SpacedMethod):
    """Paints how far each pixel has gone: brightness is spacing."""

    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        return spacing.expand(-1, -1, 3, -1, -1), torch.zeros_like(spacing)


class Judge(Painter):
    """Expects the greater errors the further a pixel has gone."""

    review_thresholds = (0.3, 0.6)

    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        return super().interpolate_spaced(first, last, spacing)[0], spacing


class Waverer(SpacedMethod):
    """Paints black, or else white."""

    candidates = 2

    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        return torch.full_like(spacing, candidate).expand(-1, -1, 3, -1, -1), torch.zeros_like(spacing)


class Gambler(Method):
    """Paints each frame in one colour, by chance."""

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        colors = [torch.rand(t.shape[1], 3, 1, 1, generator=stream) for stream in generator]
        return torch.stack(colors).expand(-1, -1, -1, *first.shape[-2:])


class OpaqueCrossFade(CrossFade):
    """A cross-fade that knows nothing of opacity."""

    supports_alpha = False


class Careless(Method):
    """Paints in a colour by torch's own chance, which is everybody's."""

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        return torch.rand(*t.shape, 3, 1, 1).expand(-1, -1, -1, *first.shape[-2:])


class Slow(CrossFade):
    """Takes long to be moved and to draw for the first time, and draws on a device that is not waited for."""

    waiting = 0.0  # seconds until the device has drawn what it was given

    def __init__(self) -> None:
        super().__init__()
        self.drawings = 0

    def to(self, *args: Any, **named: Any) -> "Slow":
        time.sleep(0.2)
        return super().to(*args, **named)

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        if self.drawings == 0:
            time.sleep(0.2)
        self.drawings += 1
        Slow.waiting += 0.02 * (len(first) > 1)
        return super().interpolate(first, last, t, generator)


class Memorizer(Method):
    """Draws the training frame that is most like the first keyframe.

    Args:
        folder: Of training frames.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.files = sorted(Path(folder).rglob("*.png"))

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        frames = torch.stack([pil_to_tensor(Image.open(file)).float() / 255 for file in self.files])
        frames = functional.interpolate(frames, size=first.shape[-2:], mode="area")
        nearest = (frames[None] - first[:, None]).square().mean((2, 3, 4)).argmin(1)
        return frames[nearest][:, None].repeat(1, t.shape[1], 1, 1, 1)
