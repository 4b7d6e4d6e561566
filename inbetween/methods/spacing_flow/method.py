"""Spacing flow: learned intermediate flow for drawings, indexed by how far the motion has gone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.errors import UserError, check_at_least
from inbetween.functional.crops import crops_at
from inbetween.functional.lines import soft_lines
from inbetween.functional.warp import backward_warp
from inbetween.methods.base import RUN_HYPERPARAMETERS
from inbetween.methods.perceptual import PERCEPTUAL_HYPERPARAMETERS, PerceptualMethod
from inbetween.methods.spaced import SpacedMethod, even_spacing
from inbetween.methods.spacing_flow.composition import (
    KEYFRAME_BIAS,
    SHARP,
    Intermediate,
    compose,
    end_flows,
    sharpen_mask,
)
from inbetween.methods.spacing_flow.crops import CroppedSample, FullFrame, RandomCrop
from inbetween.methods.spacing_flow.interpolation import (
    FLOW_RESOLUTION,
    Prior,
    build_spaced_interpolator,
    spaced_flows,
)
from inbetween.methods.spacing_flow.matching import matching_loss
from inbetween.methods.spacing_flow.network import IntermediateFlow
from inbetween.modules.processes import mean_per_sample
from inbetween.types import Preparation, StepOutput, WindowBatch

ABOUT = 32  # pixels of a neighbourhood that keeps its ink
SAME = 0.1  # of [0, 1]: largest difference of colour at which two pixels may show the same point
FLOW_WEIGHTS = (0.5, 0.7, 1.0, 1.0)  # of the levels, coarse to fine


class SpacingFlow(SpacedMethod, PerceptualMethod):
    """Draws an in-between by warping both keyframes along learned flow, told how far each pixel has gone.

    `IntermediateFlow` estimates, coarse to fine and starting from a classical flow and its own matches over
    the whole picture, the way through each pixel of the in-between; the spacing map (a constant map where
    only t is given) says where on its way the pixel is (distance indexing, arXiv 2311.08007). A mask weighs
    both warped keyframes, a residual paints what neither shows. Training blends by that mask; drawing takes
    the likelier keyframe whole, region by region, so that lines stay sharp where the motion is in doubt.

    Training minimises, for one in-between per window,

        |x - x'| + |grad x - grad x'| / 2 + flow_weight EPE + line_weight lines + matching_weight matching
        + perceptual_weight LPIPS(VGG16) + Laplace NLL of the predicted error / 50,

    the error being that of the frame as it is drawn, sharpened.

    EPE is the distance of both flows to the true ones at every level, where the source knows them
    (synthetic cels with `truth`), mostly near edges; its weight falls to a fifth. `lines` punishes lines
    where none should be, by their distance to the nearest true one (arXiv 2111.12792), true lines that are
    not drawn, and neighbourhoods with more or less line than there should be. `matching` is the cross-
    entropy of each place's true match among all places. Without truth the map is constant, EPE is left out,
    and what the drawing is warped along stands in for the true match where it explains the target, for each
    window by itself: the method trains on any drawings and on mixtures.

    Args:
        prior: The classical flow to start from, or `none`, which starts from no motion.
        trained: `error_head` leaves all as it is but the few weights that say how wrong a frame may be.
        prior_dropout: Share of training samples in [0, 1] that go without it, so that the same weights draw
            with any prior and with none.
        crop: Side in pixels of what is cut from windows for training, after shrinking them by a random
            factor; windows no larger are taken whole.
        crops_per_window: Crops taken of each window: where data are slower than training, more of them feed
            a GPU. A training batch has `batch_size` times as many samples.
        flow_weight: Weight of the flows' end-point error in pixels.
        line_weight: Weight of the line term.
        matching_weight: Weight of the cross-entropy of the global matches.
        flow_resolution: Motion is estimated at no more pixels than a square of this side has; larger pictures
            are shrunk for that, and warped at their own size, along motion that the classical flow, where
            there is one, corrects by what still parts both warped keyframes.
        perceptual_crop: Share in (0, 1] of a crop's side that the perceptual loss looks at, at a random
            place: on a processor VGG16 would cost more on all of it than everything else.
        review_thresholds: Mean expected error of a frame up to which it is easy, and up to which it is to be
            checked; `compare` says what half and four fifths of its windows stay below.
        **options: See `PerceptualMethod`.
    """

    exact_endpoints = True
    supports_alpha = True
    candidates = 3
    saves_frozen = True
    #: Besides those of the bases, hyperparameters that belong to the run and not to the weights.
    of_the_run: ClassVar[tuple[str, ...]] = (
        "prior",
        "trained",
        "prior_dropout",
        "crop",
        "crops_per_window",
        "flow_weight",
        "line_weight",
        "matching_weight",
        "flow_resolution",
        "perceptual_crop",
        "review_thresholds",
    )
    #: What estimates the motion: its `encode_pair` and `between` are those of `IntermediateFlow`.
    network_class: ClassVar[type[nn.Module]] = IntermediateFlow
    #: How it interpolates; training blends.
    composition = SHARP

    def __init__(
        self,
        prior: Prior = "dis",
        trained: Literal["all", "error_head"] = "all",
        prior_dropout: float = 0.25,
        crop: int = 224,
        crops_per_window: int = 1,
        flow_weight: float = 0.02,
        line_weight: float = 0.3,
        matching_weight: float = 0.02,
        flow_resolution: int = FLOW_RESOLUTION,
        perceptual_crop: float = 0.5,
        review_thresholds: tuple[float, float] | None = None,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(
            ignore=[*RUN_HYPERPARAMETERS, *PERCEPTUAL_HYPERPARAMETERS, *self.of_the_run]
        )
        if review_thresholds and not review_thresholds[0] < review_thresholds[1]:
            raise UserError(
                f"review_thresholds is {list(review_thresholds)}: give a smaller number, then a larger one."
            )
        self.review_thresholds = review_thresholds
        if not 0 <= prior_dropout <= 1:
            raise UserError(f"prior_dropout is {prior_dropout}: give a share between 0 and 1.")
        if not 0 < perceptual_crop <= 1:
            raise UserError(f"perceptual_crop is {perceptual_crop}: give a share above 0, up to 1.")
        self.perceptual_crop, self.crops_per_window = perceptual_crop, crops_per_window
        check_at_least(1, crop=crop, crops_per_window=crops_per_window, flow_resolution=flow_resolution)
        check_at_least(0, flow_weight=flow_weight, line_weight=line_weight, matching_weight=matching_weight)
        self.prior, self.prior_dropout, self.crop, self.flow_resolution = (
            prior,
            prior_dropout,
            crop,
            flow_resolution,
        )
        self.flow_weight, self.line_weight, self.matching_weight = flow_weight, line_weight, matching_weight
        self.network: Any = self.network_class()
        if trained == "error_head":
            self.network.requires_grad_(False)
            self.network.error_head.requires_grad_(True)

    def preparation(self, training: bool) -> Preparation:
        """In training a random view of each window, else all of its middle in-between."""
        if not training:
            return FullFrame(self.prior)
        return RandomCrop(
            self.crop, self.prior, self.prior_dropout, self.perceptual_crop, self.crops_per_window
        )

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """See the class."""
        sample: CroppedSample = self.sample_of(batch)
        if sample.first.ndim == 5:
            # several crops of each window
            sample = CroppedSample(*(field.flatten(0, 1) for field in sample))
        found: Intermediate = self.network(
            sample.first, sample.last, sample.spacing[:, None], sample.prior[:, :2], sample.prior[:, 2:]
        )
        reading = self.composition.reading
        frame = compose(sample.first, sample.last, sample.spacing, found, reading=reading)
        target, progress = sample.target, self.progress if self.training else 0.0
        pixels = (frame - target).abs().mean(1, keepdim=True)
        slopes = F.l1_loss(frame.diff(dim=-1), target.diff(dim=-1))
        slopes = slopes + F.l1_loss(frame.diff(dim=-2), target.diff(dim=-2))
        lines = self._lines(frame, target, sample.lines)
        error_nll = self._error_nll(found, sample)
        l1 = pixels.mean()
        edges = _near_edges(target)
        loss = l1 + slopes / 2 + self.line_weight * lines + error_nll / 50
        logs = {"l1": l1, "slopes": slopes, "lines": lines, "error_nll": error_nll}
        if self.matching_weight:
            logs["matching"] = self._matching(found, sample, edges)
            loss = loss + self.matching_weight * logs["matching"]
        if sample.flows.shape[1]:
            logs["epe"] = self._end_point_error(found, sample, edges)
            weight = self.flow_weight * (0.6 + 0.4 * math.cos(math.pi * progress))
            loss = loss + weight * logs["epe"]
        if perceptual := self.perceptual:
            side = round(self.perceptual_crop * frame.shape[-1])
            logs["perceptual"] = perceptual(*(crops_at(x, sample.corner, side) for x in (frame, target)))
            loss = loss + self.perceptual_weight * logs["perceptual"]
        return {"loss": loss, "logs": logs}

    def _error_nll(self, found: Intermediate, sample: CroppedSample) -> Tensor:
        """A Laplace distribution's negative log-likelihood of the error of the frame as it is drawn."""
        with torch.no_grad():
            if self.composition.mask_sharpness != 1:
                found = sharpen_mask(sample.first, sample.last, sample.spacing, found)
            frame = compose(sample.first, sample.last, sample.spacing, found, *self.composition).clamp(0, 1)
        off = (frame - sample.target).abs().mean(1, keepdim=True)
        return (off * torch.exp(-found.error) + found.error).mean()

    def _lines(self, frame: Tensor, target: Tensor, lines: Tensor) -> Tensor:
        """Stray lines by their distance to true ones, true lines that are missing, and ink that is.

        The first two are means over pixels. By them a line in the wrong place is worse than none, so what
        moves too far would vanish: of ink there has to be as much as there is, give or take a
        neighbourhood.

        Args:
            frame: (B, 3, H, W) in [0, 1].
            target: (B, 3, H, W) in [0, 1].
            lines: (B, 2, H, W), `CroppedSample.lines` of the target.
        """
        predicted_lines = soft_lines(frame)
        stray = predicted_lines * lines[:, 1:]
        near = F.max_pool2d(predicted_lines, 3, 1, 1)
        missing = lines[:, :1] * (1 - near)
        side = min(ABOUT, *frame.shape[-2:])
        line_density, wanted = (
            F.avg_pool2d(found, side, side // 2) for found in (predicted_lines, soft_lines(target))
        )
        return stray.mean() + missing.mean() + 2 * F.l1_loss(line_density, wanted)

    def _end_point_error(self, found: Intermediate, sample: CroppedSample, edges: Tensor) -> Tensor:
        """Mean distance in pixels to the true flows, over the windows whose flow is known; 0 if none is.

        In training of every level, smoothed near 0, and for four fifths near edges, where motion can be seen;
        else of what the frame is drawn with, at all pixels alike.
        """
        spacing = sample.spacing
        known = ~sample.flows.isnan().flatten(1).any(1)
        flows = sample.flows.nan_to_num()
        levels = [*found.levels, found.motion] if self.training else [found.motion]
        weights, smooth = FLOW_WEIGHTS[-len(levels) :], 0.01 if self.training else 1e-12
        counts = known.view(-1, 1, 1, 1) * (0.2 + 0.8 * edges if self.training else torch.ones_like(edges))
        total = spacing.new_zeros(())
        for motion, weight in zip(levels, weights, strict=True):
            size = motion.shape[-2], motion.shape[-1]
            flow = torch.cat(end_flows(motion, F.adaptive_avg_pool2d(spacing, size)), dim=1)
            true = F.interpolate(flows, size=size, mode="nearest-exact")
            x0, y0, x1, y1 = ((flow - true) ** 2).unbind(1)
            distance = (x0 + y0 + smooth).sqrt() + (x1 + y1 + smooth).sqrt()
            total = total + weight * (distance * F.adaptive_avg_pool2d(counts, size)[:, 0]).mean() / 2
        # levels halve evenly: the counts' mean is the same at each
        mass = mean_per_sample(counts.flatten(1).mean(1).sum(), len(counts))
        error: Tensor = total / (sum(weights) * mass.clamp(min=1e-6))
        return error

    def _matching(self, found: Intermediate, sample: CroppedSample, edges: Tensor) -> Tensor:
        """`matching_loss` at pixels that both keyframes show, mostly near edges.

        What is drawn along is taken for true where the source does not know the flow.
        """
        flows = torch.cat(end_flows(found.motion.detach(), sample.spacing), dim=1)
        if sample.flows.shape[1]:
            flows = torch.where(sample.flows.isnan(), flows, sample.flows)
        off = torch.zeros_like(sample.spacing)
        for keyframe, flow in ((sample.first, flows[:, :2]), (sample.last, flows[:, 2:])):
            difference = (backward_warp(keyframe, flow) - sample.target).abs().amax(1, keepdim=True)
            off = torch.maximum(off, difference)
        weight = (off < SAME) * (0.05 + 0.95 * edges)
        return matching_loss(self.network.matcher, found.descriptors[0], found.descriptors[1], flows, weight)

    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        """See `SpacedMethod.interpolate_spaced`; versions 1 and 2 take more of first, and more of last."""
        return self.spaced_interpolator(first, last, candidate)(spacing)

    def spaced_interpolator(
        self, first: Tensor, last: Tensor, candidate: int = 0
    ) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """See `SpacedMethod.spaced_interpolator`."""
        keyframe_bias = (0.0, KEYFRAME_BIAS, -KEYFRAME_BIAS)[candidate]
        interpolator = build_spaced_interpolator(
            self.network,
            first,
            last,
            self.prior,
            self.flow_resolution,
            keyframe_bias,
            composition=self.composition,
        )

        def clamped(spacing: Tensor) -> tuple[Tensor, Tensor]:
            frames, errors = interpolator(spacing)
            return frames.clamp_(0, 1), errors

        return clamped

    def flows(self, batch: WindowBatch) -> Tensor:
        """See `Method.flows`."""
        first, spacing = batch["first"], even_spacing(batch["first"], batch["t"])
        return spaced_flows(self.network, first, batch["last"], spacing, self.prior, self.flow_resolution)


def _near_edges(images: Tensor) -> Tensor:
    """Which pixels of (B, 3, H, W) lie within four of an edge, (B, 1, H, W) in [0, 1]."""
    steps = F.pad(images.diff(dim=-1), (0, 1)).abs() + F.pad(images.diff(dim=-2), (0, 0, 0, 1)).abs()
    tall = F.max_pool2d(4 * steps.amax(1, keepdim=True), (9, 1), 1, (4, 0))
    return F.max_pool2d(tall, (1, 9), 1, (0, 4)).clamp(max=1)
