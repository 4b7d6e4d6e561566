"""Drawing along intermediate flow: any size, any number of in-betweens, and channels that go along."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.constants import constant
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.composition import (
    SHARP,
    Composition,
    Intermediate,
    compose,
    end_flows,
    sharpen_mask,
)
from inbetween.methods.spacing_flow.network import MULTIPLE
from inbetween.modules.classical_flow import Algorithm, two_way_flow

Prior = Literal["dis", "farneback", "none"]
PIXELS_AT_ONCE = 2**20  # of in-betweens drawn together: more would leave the processor's cache
FLOW_RESOLUTION = 256  # root of the pixels that motion is estimated at: about what training shows
REFINE_RESOLUTION = 512  # root of the pixels at which what is left between the warped keyframes is looked at
NEAR = 4.0  # of those pixels: so far apart it is one line drawn twice, from the double on it is two


class FlowNetwork(Protocol):
    """What finds the motion between two keyframes: `IntermediateFlow`, or a network in its place."""

    def encode_pair(self, first: Tensor, last: Tensor, flow_01: Tensor, flow_10: Tensor) -> Any:  # noqa: ANN401
        """What `between` is to be told of both keyframes."""

    def between(self, pair: Any, spacing: Tensor) -> Intermediate:  # noqa: ANN401 - what `encode_pair` gives
        """What lies between keyframes that were looked at."""


def prior_flow(first: Tensor, last: Tensor, prior: Prior) -> Tensor:
    """The classical flow that `IntermediateFlow` starts from, there and back.

    Args:
        first: (B, 3, H, W) in [0, 1].
        last: (B, 3, H, W) in [0, 1].
        prior: The flow's algorithm; `none` gives zeros.

    Returns:
        (2, B, 2, H, W) in pixels.
    """
    if prior == "none":
        return first.new_zeros(2, len(first), 2, *first.shape[-2:])
    return torch.stack(two_way_flow(first, last, prior))


class SpacedPair:
    """Keyframes of any size, looked at once, for any number of in-betweens: draws a few at a time.

    Motion is estimated small and aligned, pictures are warped whole.

    Args:
        network: The trained flow.
        first: (B, C, H, W), C at least 3: colour in [0, 1], and channels that move with it.
        last: (B, C, H, W).
        prior: See `prior_flow`.
        flow_resolution: The network sees no more pixels than a square of this side; larger images are shrunk,
            and what it finds is refined (`refine_flow`) unless there is no prior.
        composition: How keyframes are put together.
        keyframe_bias: Logit by which first counts more, where both keyframes disagree; below 0, last.
        flows: What `working_flow` gives of these keyframes, (B, 4, h, w), where it is known already.
    """

    @torch.no_grad()
    def __init__(
        self,
        network: FlowNetwork,
        first: Tensor,
        last: Tensor,
        prior: Prior = "dis",
        flow_resolution: int = FLOW_RESOLUTION,
        keyframe_bias: float = 0.0,
        flows: Tensor | None = None,
        composition: Composition = SHARP,
    ) -> None:
        self.network, self.keyframe_bias, self.composition = network, keyframe_bias, composition
        # of one layout in memory whatever the caller's: warping rounds by it, and frames must not
        self.first, self.last = (image.float().contiguous() for image in (first, last))
        self.shape = first.shape[-2], first.shape[-1]
        self.size = working_size(*self.shape, flow_resolution)
        self.small = [_working(image, self.size) for image in (self.first, self.last)]
        prior_flows = (
            prior_flow(self.small[0], self.small[1], prior) if flows is None else flows.chunk(2, dim=1)
        )
        self.pair = network.encode_pair(self.small[0], self.small[1], prior_flows[0], prior_flows[1])
        self.algorithm = prior if self.size != self.shape and prior != "none" else None
        if self.algorithm:
            # `refine_flow` would shrink them anew for each few in-betweens
            size = working_size(*self.shape, REFINE_RESOLUTION)
            self.middling = _shrunk(self.first[:, :3], size), _shrunk(self.last[:, :3], size)

    @torch.no_grad()
    def interpolate(self, spacing: Tensor) -> tuple[Tensor, Tensor]:
        """Draw in-betweens.

        Args:
            spacing: (B, N, 1, H, W) in [0, 1].

        Returns:
            The frames (B, N, C, H, W) float32, about in the range of the keyframes, and the expected absolute
            error of each pixel (B, N, 1, H, W) in [0, 1].
        """
        windows, count = spacing.shape[:2]
        # filled part by part: a list of them, joined in the end, would take twice the memory
        frames = self.first.new_empty(windows, count, *self.first.shape[1:])
        errors = self.first.new_empty(windows, count, 1, *self.shape)
        for part, maps, found in self._estimated(spacing):
            errors[:, part] = found.error.exp().clamp(0, 1).view_as(errors[:, part])
            whole = [_repeat(image, part.stop - part.start) for image in (self.first, self.last)]
            results = compose(whole[0], whole[1], maps, found, *self.composition)
            frames[:, part] = results.view_as(frames[:, part])
        return frames, errors

    @torch.no_grad()
    def flows(self, spacing: Tensor) -> Tensor:
        """What `interpolate` warps keyframes along.

        Returns:
            (B, N, 4, H, W) in pixels, from each in-between to first (x, y) and to last (x, y).
        """
        flows = self.first.new_empty(*spacing.shape[:2], 4, *self.shape)
        for part, maps, found in self._estimated(spacing):
            both = torch.cat(end_flows(found.motion, maps), dim=1)
            flows[:, part] = both.view_as(flows[:, part])
        return flows

    def _estimated(self, spacing: Tensor) -> Iterator[tuple[slice, Tensor, Intermediate]]:
        """A few in-betweens at a time: which, their spacing (B n, 1, H, W), and what is found there."""
        windows, total = spacing.shape[:2]
        at_once = max(1, PIXELS_AT_ONCE // (windows * math.prod(self.shape)))
        for begin in range(0, total, at_once):
            part = slice(begin, min(begin + at_once, total))
            count = part.stop - begin
            maps = spacing[:, part].float().flatten(0, 1)
            small_maps = pad_to_multiple(_shrunk(maps, self.size), MULTIPLE)
            found = self.network.between(self.pair, small_maps.view(windows, count, *small_maps.shape[1:]))
            found = found._replace(mask=found.mask + self.keyframe_bias)
            if self.composition.mask_sharpness != 1:
                a, b = (_repeat(image, count) for image in self.small)
                found = sharpen_mask(a, b, small_maps, found)
            found = _cut(found, self.size, self.shape)
            if self.algorithm:
                motion = refine_flow(*self.middling, maps, found.motion, self.algorithm)
                found = found._replace(motion=motion)
            yield part, maps, found


def build_spaced_interpolator(
    network: FlowNetwork,
    first: Tensor,
    last: Tensor,
    prior: Prior = "dis",
    flow_resolution: int = FLOW_RESOLUTION,
    keyframe_bias: float = 0.0,
    flows: Tensor | None = None,
    composition: Composition = SHARP,
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """`SpacedPair.interpolate` for any number of windows; for the arguments see there."""
    pairs = _pairs(network, first, last, prior, flow_resolution, keyframe_bias, flows, composition)

    def interpolator(spacing: Tensor) -> tuple[Tensor, Tensor]:
        results = [pair.interpolate(spacing[rows]) for rows, pair in pairs]
        if len(results) == 1:
            return results[0]
        frames, errors = zip(*results, strict=True)
        return torch.cat(frames), torch.cat(errors)

    return interpolator


def spaced_flows(
    network: FlowNetwork,
    first: Tensor,
    last: Tensor,
    spacing: Tensor,
    prior: Prior = "dis",
    flow_resolution: int = FLOW_RESOLUTION,
) -> Tensor:
    """What `build_spaced_interpolator` draws along; see `SpacedPair.flows`."""
    pairs = _pairs(network, first, last, prior, flow_resolution, 0.0, None, SHARP)
    return torch.cat([pair.flows(spacing[rows]) for rows, pair in pairs])


def _pairs(
    network: FlowNetwork,
    first: Tensor,
    last: Tensor,
    prior: Prior,
    flow_resolution: int,
    keyframe_bias: float,
    flows: Tensor | None,
    composition: Composition,
) -> list[tuple[slice, SpacedPair]]:
    """Windows, as many together as are drawn at once, and their rows."""
    at_once = max(1, PIXELS_AT_ONCE // math.prod(first.shape[-2:]))
    pairs = []
    for begin in range(0, len(first), at_once):
        rows = slice(begin, begin + at_once)
        prior_flows = None if flows is None else flows[rows]
        pair = SpacedPair(
            network, first[rows], last[rows], prior, flow_resolution, keyframe_bias, prior_flows, composition
        )
        pairs.append((rows, pair))
    return pairs


def working_size(height: int, width: int, flow_resolution: int) -> tuple[int, int]:
    """Height and width at which motion is estimated, no more pixels than a square of that side has."""
    shrink = max(1.0, math.sqrt(height * width) / flow_resolution)
    return round(height / shrink), round(width / shrink)


def working_flow(
    first: Tensor, last: Tensor, prior: Prior = "dis", flow_resolution: int = FLOW_RESOLUTION
) -> Tensor:
    """The classical flow that `SpacedPair` starts from, for it to be told.

    Args:
        first: (B, C, H, W), C at least 3, in [0, 1].
        last: (B, C, H, W).
        prior: See `prior_flow`.
        flow_resolution: See `SpacedPair`.

    Returns:
        (B, 4, h, w) in pixels of the size that motion is estimated at, there and back.
    """
    size = working_size(first.shape[-2], first.shape[-1], flow_resolution)
    return torch.cat(prior_flow(_working(first, size), _working(last, size), prior).unbind(0), dim=1)


def _working(image: Tensor, size: tuple[int, int]) -> Tensor:
    return pad_to_multiple(_shrunk(image[:, :3], size), MULTIPLE)


def refine_flow(first: Tensor, last: Tensor, spacing: Tensor, motion: Tensor, algorithm: Algorithm) -> Tensor:
    """Motion without the small errors that show once it is enlarged: they would draw every line twice.

    A classical flow says how far apart both keyframes still lie, warped. A point of the in-between that
    comes from x in first, and drawn from last lies r beyond, has a way that is longer by r: whatever the
    spacing, both then meet.

    Args:
        first: (B, C, h, w), C at least 3: colour in [0, 1], and what else there is; of the motion's height
            and width or shrunk to REFINE_RESOLUTION.
        last: (B, C, h, w).
        spacing: (B N, 1, H, W) in [0, 1].
        motion: (B N, 4, H, W) in pixels, way and bow.
        algorithm: Of the classical flow.

    Returns:
        (B N, 4, H, W) in pixels. What lies far apart is not the same, and keeps its motion.
    """
    height, width = motion.shape[-2:]
    size = working_size(height, width, REFINE_RESOLUTION)
    scale = constant(motion, *([size[1] / width, size[0] / height] * 2)).view(1, 4, 1, 1)
    small = F.interpolate(motion, size=size, mode="bilinear") * scale
    flows = end_flows(small, _shrunk(spacing, size))
    warped = [
        backward_warp(_repeat(_shrunk(image[:, :3], size), len(motion) // len(image)), flow)
        for image, flow in zip((first, last), flows, strict=True)
    ]
    flow_01, flow_10 = two_way_flow(warped[0], warped[1], algorithm)
    residual_flow = (flow_01 - flow_10) / 2
    residual_flow = residual_flow * (2 - residual_flow.norm(dim=1, keepdim=True) / NEAR).clamp(0, 1)
    refinement = F.interpolate(residual_flow, size=(height, width), mode="bilinear") / scale[:, :2]
    return torch.cat([motion[:, :2] + refinement, motion[:, 2:]], dim=1)


def _repeat(tensor: Tensor, count: int) -> Tensor:
    return tensor if count == 1 else tensor.repeat_interleave(count, 0)


def _shrunk(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Means over areas, (B, C, *size)."""
    height, width = images.shape[-2:]
    while height % (2 * size[0]) == 0 and width % (2 * size[1]) == 0:
        # the same as the mean of 2x2 pixels, and five times as fast
        height, width = height // 2, width // 2
        images = F.interpolate(images, size=(height, width), mode="bilinear")
    return images if (height, width) == size else F.interpolate(images, size=size, mode="area")


def _cut(found: Intermediate, size: tuple[int, int], shape: tuple[int, int]) -> Intermediate:
    """Without the padding beyond `size`, enlarged to `shape`, motion in the larger picture's pixels."""
    height, width = size
    maps = [tensor[..., :height, :width] for tensor in found[:4]]
    if size != shape:
        scale = constant(maps[0], *([shape[1] / width, shape[0] / height] * 2)).view(1, 4, 1, 1)
        maps = [F.interpolate(tensor, size=shape, mode="bilinear") for tensor in maps]
        maps[0] = maps[0] * scale
    return Intermediate(maps[0], maps[1], maps[2], maps[3], [])
