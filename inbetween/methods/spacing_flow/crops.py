"""Training samples of spacing flow: random crops of one in-between and its keyframes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.lines import distance_to_lines, line_mask
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generator_of
from inbetween.methods.spacing_flow.network import MULTIPLE
from inbetween.methods.spacing_flow.prior import Prior, prior_flow
from inbetween.types import TARGET_TRUTH, Window

MAX_LINE_DISTANCE = 10.0  # pixels: distances of false lines are clamped to it


class CroppedSample(NamedTuple):
    """An in-between with its keyframes and labels; collated, all fields have a leading B."""

    first: Tensor  # (3, H, W) in [0, 1], H and W multiples of 16
    last: Tensor  # (3, H, W)
    target: Tensor  # (3, H, W)
    spacing: Tensor  # (1, H, W) in [0, 1]
    flows: Tensor  # (4, H, W) true flow_t0 and flow_t1 in pixels, NaN if unknown; (0, H, W) if unknown to all
    prior: Tensor  # (4, H, W) classical flow_01 and flow_10 in pixels, or zeros
    lines: Tensor  # (2, H, W) the target's line mask, and the clamped distance to it in [0, 1]
    corner: Tensor  # (2,) int64: top and left of the square for the perceptual loss


@dataclass(frozen=True)
class FullFrame:
    """Makes the `CroppedSample` of a window's middle in-between, uncropped, padded to multiples of 16.

    Args:
        prior: The classical flow's algorithm.
    """

    prior: Prior

    def __call__(self, window: Window) -> CroppedSample:
        """See the class."""
        parts = _parts(window, len(window["t"]) // 2)
        padded = pad_to_multiple(torch.cat(parts), MULTIPLE)
        return _cropped_sample(padded, self.prior, torch.zeros(2, dtype=torch.int64))


@dataclass(frozen=True)
class RandomCrop:
    """Makes a `CroppedSample` of a random in-between: cropped, shrunk, flipped, transposed, reversed in time.

    With several crops per window each field of the sample has a leading K.

    Args:
        crop: Side in pixels of the crops; smaller images give smaller ones.
        prior: The classical flow's algorithm.
        prior_dropout: Share in [0, 1] of the crops without classical flow.
        perceptual_crop: Side of the square for the perceptual loss, as a share in (0, 1] of the crop's.
        crops_per_window: K, the number of crops of a window.
    """

    crop: int
    prior: Prior
    prior_dropout: float
    perceptual_crop: float = 0.5
    crops_per_window: int = 1

    def __call__(self, window: Window) -> CroppedSample:
        """See the class."""
        generator = generator_of(window)
        if self.crops_per_window == 1:
            return self._crop(window, generator)
        crops = [self._crop(window, generator) for _ in range(self.crops_per_window)]
        return CroppedSample(*map(torch.stack, zip(*crops, strict=True)))

    def _crop(self, window: Window, generator: torch.Generator) -> CroppedSample:
        chosen = int(torch.randint(len(window["t"]), (), generator=generator))
        height, width = window["first"].shape[-2:]
        side = min(self.crop, height, width) // MULTIPLE * MULTIPLE
        low = side / min(height, width)
        share, dropout = torch.rand(2, generator=generator).tolist()
        cut = min(max(round(side / (low + (1 - low) * share)), side), height, width)
        top, left = (
            int(torch.randint(free + 1, (), generator=generator)) for free in (height - cut, width - cut)
        )
        area = (..., slice(top, top + cut), slice(left, left + cut))
        images, exact = (part[area] for part in _parts(window, chosen))
        if cut != side:
            size = (side, side)
            images = F.interpolate(images[None], size=size, mode="bilinear", antialias=True)[0]
            exact = F.interpolate(exact[None], size=size, mode="nearest-exact")[0]
            exact[1:] *= side / cut
        parts = _flipped(torch.cat([images, exact]), generator)
        corner = torch.randint(side - round(self.perceptual_crop * side) + 1, (2,), generator=generator)
        return _cropped_sample(parts, "none" if dropout < self.prior_dropout else self.prior, corner)


def _parts(window: Window, chosen: int) -> tuple[Tensor, Tensor]:
    """First, last and target (9, H, W); spacing, and the flows to first and last if known, (1 or 5, H, W)."""
    images = torch.cat([window["first"], window["last"], window["targets"][chosen]])
    spacing = window["t"][chosen].float().expand(1, *images.shape[-2:])
    if not all(name in window for name in TARGET_TRUTH):
        return images, spacing.clone()
    true = window["spacing"][chosen]
    spacing = torch.where(true.isnan(), spacing, true)
    return images, torch.cat([spacing, window["flow_t0"][chosen], window["flow_t1"][chosen]])


def _flipped(parts: Tensor, generator: torch.Generator) -> Tensor:
    """Parts (10 or 14, S, S) at random flipped, transposed, reversed in time, and their spacing blurred."""
    flip, transpose, reverse, blur = (torch.rand(4, generator=generator) < 0.5).tolist()
    if flip:
        parts = parts.flip(-1)
        parts[10::2] *= -1
    if transpose:
        parts = parts.transpose(-1, -2)
        parts = torch.cat([parts[:10], *(parts[k : k + 2].flip(0) for k in range(10, len(parts), 2))])
    if reverse:
        flows = parts[10:].roll(2, dims=0)
        parts = torch.cat([parts[3:6], parts[:3], parts[6:9], 1 - parts[9:10], flows])
    if blur:
        # hand-painted spacing maps have soft edges
        parts = parts.contiguous()
        parts[9:10] = F.avg_pool2d(parts[None, 9:10], 9, 1, 4, count_include_pad=False)[0]
    return parts.contiguous()


def _cropped_sample(parts: Tensor, prior: Prior, corner: Tensor) -> CroppedSample:
    first, last, target = parts[:9].view(3, 3, *parts.shape[-2:]).unbind(0)
    flows = torch.cat(prior_flow(first[None], last[None], prior).unbind(0), dim=1)[0]
    mask = line_mask(target)
    distance = torch.ones_like(target[0])
    if mask.any():
        distance = distance_to_lines(mask).clamp(max=MAX_LINE_DISTANCE) / MAX_LINE_DISTANCE
    return CroppedSample(
        first, last, target, parts[9:10], parts[10:], flows, torch.stack([mask.float(), distance]), corner
    )
