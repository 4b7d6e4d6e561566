"""Inference: images of any size, any number of in-betweens, and further channels warped with the colour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.batch import repeat_samples
from inbetween.functional.constants import constant
from inbetween.functional.padding import pad_to_multiple
from inbetween.methods.spacing_flow.arcs import KeyframeMotion, bent, keyframe_motion, paths
from inbetween.methods.spacing_flow.composition import (
    SHARP,
    Composition,
    FlowNetwork,
    Intermediate,
    compose,
    end_flows,
)
from inbetween.methods.spacing_flow.masks import sharpen_mask
from inbetween.methods.spacing_flow.network import MULTIPLE
from inbetween.methods.spacing_flow.prior import (
    FLOW_RESOLUTION,
    Prior,
    area_resize,
    prior_flow,
    size_at,
)
from inbetween.methods.spacing_flow.refinement import REFINE_RESOLUTION, refine_flow
from inbetween.methods.spacing_flow.still import Held, StillContent, compose_still, hold_still

MAX_PIXELS = 2**20  # of the in-betweens computed in one pass: more would not fit a CPU's cache


@dataclass(frozen=True)
class InferenceOptions:
    """How frames are made with a trained network; no option changes its weights.

    Args:
        prior: The classical flow to start from; see `prior_flow`.
        flow_resolution: The network gets at most as many pixels as a square of this side has; larger images
            are resized, and the motion found is refined (`refine_flow`) unless `prior` is `none`.
        keyframe_bias: Logit by which the blend mask favours first where both warped keyframes differ; below
            0, last.
        composition: How the warped keyframes are blended.
    """

    prior: Prior = "dis"
    flow_resolution: int = FLOW_RESOLUTION
    keyframe_bias: float = 0.0
    composition: Composition = SHARP


DEFAULTS = InferenceOptions()


class PairInterpolator:
    """Keyframes encoded once, for any number of in-betweens.

    Motion is estimated at a low resolution and upsampled; images are warped at their own. Still content is
    not warped (`StillContent`).

    Args:
        network: Trained.
        first: (B, C, H, W), C at least 3: colour in [0, 1], and channels that are warped with it.
        last: (B, C, H, W).
        options: How frames are made.
        prior_flows: What `prior_flow_of_pair` gives for these keyframes, (B, 4, h, w), if already computed.
    """

    @torch.no_grad()
    def __init__(
        self,
        network: FlowNetwork,
        first: Tensor,
        last: Tensor,
        options: InferenceOptions = DEFAULTS,
        prior_flows: Tensor | None = None,
    ) -> None:
        self.network, self.options = network, options
        self.before: Tensor | None = None
        self.after: Tensor | None = None
        # a fixed memory layout: rounding in warps depends on it
        self.first, self.last = (image.float().contiguous() for image in (first, last))
        self.image_size = first.shape[-2], first.shape[-1]
        self.still = StillContent(self.first, self.last)
        self.flow_size = size_at(options.flow_resolution, *self.image_size)
        resized = [area_resize(image[:, :3], self.flow_size) for image in (self.first, self.last)]
        self.small = [pad_to_multiple(image, MULTIPLE) for image in resized]
        flow_01, flow_10 = (
            prior_flow(self.small[0], self.small[1], options.prior)
            if prior_flows is None
            else prior_flows.chunk(2, dim=1)
        )
        self.pair = network.encode_pair(self.small[0], self.small[1], flow_01, flow_10)
        upsampled = self.flow_size != self.image_size
        self.refine_with = options.prior if upsampled and options.prior != "none" else None
        if self.refine_with:
            # `refine_flow` would resize them again for each pass
            self.refine_size = size = size_at(REFINE_RESOLUTION, *self.image_size)
            self.refine_images = (
                resized
                if size == self.flow_size
                else [area_resize(image[:, :3], size) for image in (self.first, self.last)]
            )

    @cached_property
    def keyframe_motion(self) -> KeyframeMotion:
        """The displacement at the keyframes' own pixels, for the paths of the neighbouring pairs."""
        with torch.no_grad():
            return keyframe_motion(self.network, self.pair, (self.small[0], self.small[1]))

    def run_through(self, before: PairInterpolator | None, after: PairInterpolator | None) -> None:
        """Let motion run through the keyframes.

        Args:
            before: The pair of keyframes whose last is the first one here; None to begin here.
            after: The pair whose first is the last one here.
        """
        self.before = before.keyframe_motion.last if before else None
        self.after = after.keyframe_motion.first if after else None

    def paths(self, points: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Where points of the first keyframe go; of a single window.

        Points are (K, 2), x and y in pixels, and t is (N,) in [0, 1]. Returns (N, K, 2), and the confidence
        (K,) in [0, 1].
        """
        (height, width), (flow_height, flow_width) = self.image_size, self.flow_size
        scale = torch.tensor([flow_width / width, flow_height / height]).to(points)
        own, small = self.keyframe_motion, points * scale
        column = small[:, 0].round().long().clamp(max=flow_width - 1)
        row = small[:, 1].round().long().clamp(max=flow_height - 1)
        return paths(small, t, own, self.before, self.after) / scale, own.first[0, 2, row, column]

    @torch.no_grad()
    def interpolate(self, spacing: Tensor) -> tuple[Tensor, Tensor]:
        """Interpolate the frames at a spacing map.

        Args:
            spacing: (B, N, 1, H, W) in [0, 1].

        Returns:
            The frames (B, N, C, H, W) float32, about in the range of the keyframes, and the expected absolute
            error of each pixel (B, N, 1, H, W) in [0, 1].
        """
        windows, count = spacing.shape[:2]
        # allocated once: concatenating a list would take twice the memory
        frames = self.first.new_empty(windows, count, *self.first.shape[1:])
        errors = self.first.new_empty(windows, count, 1, *self.image_size)
        for part, maps, prediction, held in self._predictions(spacing):
            errors[:, part] = prediction.error.exp().clamp(0, 1).view_as(errors[:, part])
            images = [repeat_samples(image, part.stop - part.start) for image in (self.first, self.last)]
            composed = compose(images[0], images[1], maps, prediction, *self.options.composition)
            composed = compose_still(composed, images[0], images[1], held)
            frames[:, part] = composed.view_as(frames[:, part])
        return frames, errors

    @torch.no_grad()
    def flows(self, spacing: Tensor) -> Tensor:
        """The flows that `interpolate` warps keyframes along.

        Returns:
            (B, N, 4, H, W) in pixels, from each in-between to first (x, y) and to last (x, y).
        """
        flows = self.first.new_empty(*spacing.shape[:2], 4, *self.image_size)
        for part, maps, prediction, _ in self._predictions(spacing):
            both = torch.cat(end_flows(prediction.motion, maps), dim=1)
            flows[:, part] = both.view_as(flows[:, part])
        return flows

    def _predictions(self, spacing: Tensor) -> Iterator[tuple[slice, Tensor, Intermediate, Held]]:
        """A few in-betweens per pass: slice of N, spacing, the network's output, and what is held still.

        The spacing is (B n, 1, H, W), or (B n, 1, 1, 1) where it is constant.
        """
        windows, total = spacing.shape[:2]
        step = max(1, MAX_PIXELS // (windows * math.prod(self.image_size)))
        for start in range(0, total, step):
            part = slice(start, min(start + step, total))
            count = part.stop - start
            maps = _compact(spacing)[:, part].float().flatten(0, 1)
            small_maps = pad_to_multiple(_resized_maps(maps, self.flow_size), MULTIPLE)
            prediction = self.network.between(
                self.pair, small_maps.view(windows, count, *small_maps.shape[1:])
            )
            if self.before is not None or self.after is not None:
                prediction = bent(prediction, small_maps, self.keyframe_motion, self.before, self.after)
            prediction = prediction._replace(mask=prediction.mask + self.options.keyframe_bias)
            if self.options.composition.mask_sharpness != 1:
                first, last = (repeat_samples(image, count) for image in self.small)
                prediction = sharpen_mask(first, last, small_maps, prediction)
            prediction = _upsampled(prediction, self.flow_size, self.image_size)
            if self.refine_with:
                refine_maps = _resized_maps(maps, self.refine_size)
                first, last = self.refine_images
                motion = refine_flow(first, last, refine_maps, prediction.motion, self.refine_with)
                prediction = prediction._replace(motion=motion)
            held = self.still.held(prediction.motion, maps)
            yield part, maps, hold_still(prediction, held), held


class SpacedInterpolator:
    """`PairInterpolator` for any number of windows.

    Args:
        pairs: Interpolators, with their rows of the batch.
        clamp: Keep frames in [0, 1].
    """

    def __init__(self, pairs: Sequence[tuple[slice, PairInterpolator]], clamp: bool = False) -> None:
        self.pairs, self.clamp = pairs, clamp

    def __call__(self, spacing: Tensor) -> tuple[Tensor, Tensor]:
        """See `PairInterpolator.interpolate`."""
        results = [pair.interpolate(spacing[rows]) for rows, pair in self.pairs]
        frames, errors = results[0]
        if len(results) > 1:
            frames, errors = (torch.cat(parts) for parts in zip(*results, strict=True))
        return frames.clamp_(0, 1) if self.clamp else frames, errors

    def paths(self, points: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """See `PairInterpolator.paths`; of the first window."""
        return self.pairs[0][1].paths(points, t)

    def run_through(self, before: SpacedInterpolator | None, after: SpacedInterpolator | None) -> None:
        """See `PairInterpolator.run_through`, for as many windows."""
        for number, (_, pair) in enumerate(self.pairs):
            pair.run_through(
                None if before is None else before.pairs[number][1],
                None if after is None else after.pairs[number][1],
            )


def build_spaced_interpolator(
    network: FlowNetwork,
    first: Tensor,
    last: Tensor,
    options: InferenceOptions = DEFAULTS,
    prior_flows: Tensor | None = None,
    clamp: bool = False,
) -> SpacedInterpolator:
    """A `SpacedInterpolator`; for the arguments see `PairInterpolator`."""
    return SpacedInterpolator(_pairs(network, first, last, options, prior_flows), clamp)


def spaced_flows(
    network: FlowNetwork, first: Tensor, last: Tensor, spacing: Tensor, options: InferenceOptions = DEFAULTS
) -> Tensor:
    """`PairInterpolator.flows` for any number of windows."""
    pairs = _pairs(network, first, last, options, None)
    return torch.cat([pair.flows(spacing[rows]) for rows, pair in pairs])


def _pairs(
    network: FlowNetwork, first: Tensor, last: Tensor, options: InferenceOptions, prior_flows: Tensor | None
) -> list[tuple[slice, PairInterpolator]]:
    """Interpolators of as many windows as fit into one pass, with their rows of the batch."""
    step = max(1, MAX_PIXELS // math.prod(first.shape[-2:]))
    pairs = []
    for start in range(0, len(first), step):
        rows = slice(start, start + step)
        flows = None if prior_flows is None else prior_flows[rows]
        pairs.append((rows, PairInterpolator(network, first[rows], last[rows], options, flows)))
    return pairs


def _upsampled(prediction: Intermediate, size: tuple[int, int], image_size: tuple[int, int]) -> Intermediate:
    """Cropped to `size`, which takes the padding off, and upsampled, motion in the larger image's pixels."""
    height, width = size
    scale = constant(prediction.motion, *([image_size[1] / width, image_size[0] / height] * 2))

    def upsampled(maps: Tensor) -> Tensor:
        maps = maps[..., :height, :width]
        return maps if size == image_size else F.interpolate(maps, size=image_size, mode="bilinear")

    return Intermediate(
        upsampled(prediction.motion * scale.view(1, 4, 1, 1)),
        upsampled(prediction.mask),
        None if prediction.residual is None else upsampled(prediction.residual),
        upsampled(prediction.error),
        [],
    )


def _compact(spacing: Tensor) -> Tensor:
    """Maps (B, N, 1, H, W), or (B, N, 1, 1, 1) of those that are an expanded number (`even_spacing`)."""
    return spacing[..., :1, :1] if spacing.stride()[-2:] == (0, 0) else spacing


def _resized_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Spacing maps (M, 1, H, W) or (M, 1, 1, 1), resized."""
    constant_maps = maps.shape[-2:] == (1, 1)
    return maps.expand(-1, -1, *size) if constant_maps else area_resize(maps, size)
