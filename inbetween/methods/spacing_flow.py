"""Spacing flow: learned intermediate flow for drawings, indexed by how far the motion has gone."""

from __future__ import annotations

import math
from types import EllipsisType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.functional.lines import distance_to_lines, line_mask, soft_lines
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generators
from inbetween.methods.base import RUN_HYPERPARAMETERS, SpacedMethod
from inbetween.methods.perceptual import PERCEPTUAL_HYPERPARAMETERS, PerceptualMethod
from inbetween.modules.classical_flow import two_way_flow
from inbetween.modules.flow import MULTIPLE, Intermediate, IntermediateFlow, compose, end_flows
from inbetween.types import TARGET_TRUTH, StepOutput, WindowBatch

PIXELS_AT_ONCE = 2**20  # of in-betweens drawn together: more would leave the processor's cache
FAR = 10.0  # pixels from a line beyond which a stray line is no worse
FLOW_WEIGHTS = (0.5, 0.7, 1.0, 1.0)  # of the levels, coarse to fine


class Sample(NamedTuple):
    """One in-between per window, as it is trained on."""

    first: Tensor  # (B, 3, H, W) in [0, 1]
    last: Tensor  # (B, 3, H, W)
    target: Tensor  # (B, 3, H, W)
    spacing: Tensor  # (B, 1, H, W)
    flows: Tensor | None  # (B, 4, H, W) true flow_t0 and flow_t1 in pixels, or NaN, if some source knows them


class SpacingFlow(SpacedMethod, PerceptualMethod):
    """Draws an in-between by warping both keyframes along learned flow, told how far each pixel has gone.

    `IntermediateFlow` estimates, coarse to fine and starting from a classical flow, the way through each
    pixel of the in-between; the spacing map (a constant map where only t is given) says where on its
    way the pixel is (distance indexing, arXiv 2311.08007). A mask blends both warped keyframes, a
    residual paints what neither shows.

    Training minimises, for one in-between per window,

        |x - x'| + |grad x - grad x'| / 2 + flow_weight EPE + line_weight lines
        + perceptual_weight LPIPS(VGG16) + Laplace NLL of the predicted error / 50.

    EPE is the distance of both flows to the true ones at every level, where the source knows them
    (synthetic cels with `truth`); its weight falls to a fifth. `lines` punishes lines where none should
    be, by their distance to the nearest true one (arXiv 2111.12792), and true lines that are not drawn.
    Without truth the map is constant and EPE is left out, for each window by itself: the method trains on
    any drawings and on mixtures.

    Args:
        prior: The classical flow to start from, or `none`, which starts from no motion.
        crop: Side in pixels of what is cut from windows for training, after shrinking them by a random
            factor; windows no larger are taken whole.
        flow_weight: Weight of the flows' end-point error in pixels.
        line_weight: Weight of the line term.
        work_side: Longer side in pixels at which motion is estimated; larger pictures are shrunk for
            that, and warped at their own size.
        verdict_limits: Mean expected error of a drawing up to which it is easy, and up to which it is to be
            checked; `compare` says what half and four fifths of its windows stay below.
        **options: See `PerceptualMethod`.
    """

    reaches_keyframes = True
    moves_opacity = True

    def __init__(
        self,
        prior: Literal["dis", "farneback", "none"] = "dis",
        crop: int = 224,
        flow_weight: float = 0.02,
        line_weight: float = 0.3,
        work_side: int = 960,
        verdict_limits: tuple[float, float] | None = None,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(**options)
        of_the_run = ("crop", "flow_weight", "line_weight", "work_side", "verdict_limits")
        self.save_hyperparameters(ignore=[*RUN_HYPERPARAMETERS, *PERCEPTUAL_HYPERPARAMETERS, *of_the_run])
        if verdict_limits and not verdict_limits[0] < verdict_limits[1]:
            raise UserError(
                f"verdict_limits is {list(verdict_limits)}: give a smaller number, then a larger one."
            )
        self.verdict_limits = verdict_limits
        self.prior, self.crop, self.work_side = prior, crop, work_side
        self.flow_weight, self.line_weight = flow_weight, line_weight
        self.network = IntermediateFlow()

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """See the class; in training of a random view of each window, else of the whole one."""
        sample = self._sample(batch)
        found = self._look(sample.first, sample.last, sample.spacing[:, None])
        frame = compose(sample.first, sample.last, sample.spacing, found)
        target, progress = sample.target, self.progress if self.training else 0.0
        pixels = (frame - target).abs().mean(1, keepdim=True)
        slopes = F.l1_loss(frame.diff(dim=-1), target.diff(dim=-1))
        slopes = slopes + F.l1_loss(frame.diff(dim=-2), target.diff(dim=-2))
        lines = self._lines(frame, target)
        # a Laplace distribution's negative log-likelihood
        doubt = (pixels.detach() * torch.exp(-found.error) + found.error).mean()
        l1 = pixels.mean()
        loss = l1 + slopes / 2 + self.line_weight * lines + doubt / 50
        logs = {"l1": l1, "slopes": slopes, "lines": lines, "doubt": doubt}
        if sample.flows is not None:
            logs["epe"] = self._end_point_error(found, sample.spacing, sample.flows)
            weight = self.flow_weight * (0.6 + 0.4 * math.cos(math.pi * progress))
            loss = loss + weight * logs["epe"]
        if perceptual := self.perceptual:
            cut = _cut_for_perception(frame.shape[-1], batch)
            logs["perceptual"] = perceptual(frame[cut], target[cut])
            loss = loss + self.perceptual_weight * logs["perceptual"]
        return {"loss": loss, "logs": logs}

    def _look(self, first: Tensor, last: Tensor, spacing: Tensor) -> Intermediate:
        if self.prior == "none":
            flow_01 = flow_10 = first.new_zeros(len(first), 2, *first.shape[-2:])
        else:
            flow_01, flow_10 = two_way_flow(first, last, self.prior)
        found: Intermediate = self.network(first, last, spacing, flow_01, flow_10)
        return found

    def _lines(self, frame: Tensor, target: Tensor) -> Tensor:
        """Stray lines by their distance to true ones, and true lines that are missing, mean over pixels."""
        masks = [line_mask(picture) for picture in target]
        away = [
            distance_to_lines(mask).clamp(max=FAR) / FAR if mask.any() else mask.float() + 1 for mask in masks
        ]
        drawn = soft_lines(frame)
        stray = drawn * torch.stack(away)[:, None].to(drawn)
        near = F.max_pool2d(drawn, 3, 1, 1)
        missing = torch.stack(masks)[:, None].to(drawn) * (1 - near)
        return stray.mean() + missing.mean()

    def _end_point_error(self, found: Intermediate, spacing: Tensor, flows: Tensor) -> Tensor:
        """Mean distance in pixels to the true flows, over the windows whose flow is known; 0 if none is.

        In training of every level and smoothed near 0, else of what the frame is drawn with.
        """
        total, known = spacing.new_zeros(()), ~flows.flatten(1).isnan().any(1)
        if not known.any():
            return total
        levels = [*found.levels, found.motion] if self.training else [found.motion]
        weights, smooth = FLOW_WEIGHTS[-len(levels) :], 0.01 if self.training else 0.0
        for motion, weight in zip(levels, weights, strict=True):
            size = motion.shape[-2], motion.shape[-1]
            flow = torch.cat(end_flows(motion[known], F.adaptive_avg_pool2d(spacing[known], size)), dim=1)
            true = F.interpolate(flows[known], size=size, mode="nearest-exact")
            x0, y0, x1, y1 = ((flow - true) ** 2).unbind(1)
            distance = (x0 + y0 + smooth).sqrt() + (x1 + y1 + smooth).sqrt()
            total = total + weight * distance.mean() / 2
        return total / sum(weights)

    def _sample(self, batch: WindowBatch) -> Sample:
        """One in-between per window; in training shrunk, cut, mirrored, transposed and reversed at random."""
        streams = generators(batch["seed"])
        count, (height, width) = batch["t"].shape[1], batch["first"].shape[-2:]
        chosen = [
            int(torch.randint(count, (), generator=s)) if self.training else count // 2 for s in streams
        ]
        rows = list(range(len(chosen)))
        t = batch["t"][rows, chosen].float().view(-1, 1, 1, 1)
        known = all(name in batch for name in TARGET_TRUTH)
        spacing = t.expand(-1, 1, height, width)
        if known:
            true = batch["spacing"][rows, chosen]
            spacing = torch.where(true.isnan(), spacing, true)
        parts = [batch["first"], batch["last"], batch["targets"][rows, chosen], spacing]
        if known:
            parts += [batch["flow_t0"][rows, chosen], batch["flow_t1"][rows, chosen]]
        if not self.training:
            padded = [pad_to_multiple(part, MULTIPLE) for part in parts]
            flows = torch.cat(padded[4:], dim=1) if known else None
            return Sample(padded[0], padded[1], padded[2], padded[3], flows)
        side = min(self.crop, height, width) // MULTIPLE * MULTIPLE
        # one size for the whole batch, views of their own for its windows
        low = side / min(height, width)
        share = low + (1 - low) * float(torch.rand((), generator=streams[0]))
        shape = max(round(height * share), side), max(round(width * share), side)
        stacked = torch.cat(parts, dim=1)
        if shape != (height, width):
            pictures = F.interpolate(stacked[:, :9], size=shape, mode="bilinear", antialias=True)
            exact = F.interpolate(stacked[:, 9:], size=shape, mode="nearest-exact")
            exact[:, 1:] *= share
            stacked = torch.cat([pictures, exact], dim=1)
        views = torch.stack([_view(*pair, side) for pair in zip(stacked, streams, strict=True)])
        return Sample(
            views[:, :3], views[:, 3:6], views[:, 6:9], views[:, 9:10], views[:, 10:] if known else None
        )

    @torch.no_grad()
    def interpolate_spaced(self, first: Tensor, last: Tensor, spacing: Tensor) -> tuple[Tensor, Tensor]:
        """See `SpacedMethod.interpolate_spaced`."""
        windows, count, _, height, width = spacing.shape
        shrink = max(1.0, max(height, width) / self.work_side)
        size = round(height / shrink), round(width / shrink)
        at_once = max(1, PIXELS_AT_ONCE // (count * size[0] * size[1]))
        frames, errors = [], []
        for begin in range(0, windows, at_once):
            rows = slice(begin, begin + at_once)
            pair = [image[rows].float() for image in (first, last)]
            maps = spacing[rows].float()
            small, small_maps = [image[:, :3] for image in pair], maps.flatten(0, 1)
            if shrink > 1:
                small = [F.interpolate(image, size=size, mode="area") for image in small]
                small_maps = F.interpolate(small_maps, size=size, mode="area")
            padded = [pad_to_multiple(image, MULTIPLE) for image in small]
            small_maps = pad_to_multiple(small_maps, MULTIPLE)
            small_maps = small_maps.view(-1, count, *small_maps.shape[1:])
            found = _cut(self._look(padded[0], padded[1], small_maps), size, (height, width))
            whole = [image.repeat_interleave(count, 0) for image in pair]
            frames.append(compose(whole[0], whole[1], maps.flatten(0, 1), found).clamp(0, 1))
            errors.append(found.error.exp().clamp(0, 1))
        return (
            torch.cat(frames).view(windows, count, -1, height, width),
            torch.cat(errors).view(windows, count, 1, height, width),
        )


def _cut(found: Intermediate, size: tuple[int, int], shape: tuple[int, int]) -> Intermediate:
    """Without the padding beyond `size`, enlarged to `shape`, motion in the larger picture's pixels."""
    height, width = size
    maps = [tensor[..., :height, :width] for tensor in found[:4]]
    if size != shape:
        scale = maps[0].new_tensor([shape[1] / width, shape[0] / height] * 2).view(1, 4, 1, 1)
        maps = [F.interpolate(tensor, size=shape, mode="bilinear") for tensor in maps]
        maps[0] = maps[0] * scale
    return Intermediate(maps[0], maps[1], maps[2], maps[3], [])


def _cut_for_perception(side: int, batch: WindowBatch) -> tuple[slice | EllipsisType, ...]:
    """A random quarter of square views: on whole ones VGG16 would cost more than all the rest."""
    stream = generators(batch["seed"][:1])[0]
    corner = torch.randint(side - side // 2 + 1, (2,), generator=stream).tolist()
    return (..., *(slice(start, start + side // 2) for start in corner))


def _view(parts: Tensor, stream: torch.Generator, side: int) -> Tensor:
    """A random view (10 or 14, side, side): first, last, target, spacing, and flows to first and last."""
    height, width = parts.shape[-2:]
    top = int(torch.randint(height - side + 1, (), generator=stream))
    left = int(torch.randint(width - side + 1, (), generator=stream))
    mirror, turn, back, soften = (torch.rand(4, generator=stream) < 0.5).tolist()
    parts = parts[:, top : top + side, left : left + side].clone()
    if mirror:
        parts = parts.flip(-1)
        parts[10::2] *= -1
    if turn:
        parts = parts.transpose(-1, -2)
        parts = torch.cat([parts[:10], *(parts[k : k + 2].flip(0) for k in range(10, len(parts), 2))])
    if back:
        flows = parts[10:].roll(2, dims=0)
        parts = torch.cat([parts[3:6], parts[:3], parts[6:9], 1 - parts[9:10], flows])
    if soften:
        # people paint spacing maps with a broad brush
        parts = parts.contiguous()
        parts[9:10] = F.avg_pool2d(parts[None, 9:10], 9, 1, 4, count_include_pad=False)[0]
    return parts.contiguous()
