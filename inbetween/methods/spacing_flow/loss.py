"""The training loss of spacing flow, apart from its perceptual term."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.lines import soft_lines
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.composition import Composition, Intermediate, compose, end_flows
from inbetween.methods.spacing_flow.crops import CroppedSample
from inbetween.methods.spacing_flow.masks import sharpen_mask
from inbetween.methods.spacing_flow.matching import Matcher
from inbetween.methods.spacing_flow.matching_loss import matching_loss
from inbetween.modules.processes import mean_per_sample

DENSITY_WINDOW = 32  # pixels: side of the windows in which line density is compared
MAX_DIFFERENCE = 0.1  # of [0, 1]: largest colour difference at which two pixels count as the same point
LEVEL_WEIGHTS = (0.5, 0.7, 1.0, 1.0)  # of the levels' end-point errors, coarse to fine


@dataclass(frozen=True)
class SpacingFlowLoss:
    """Weights and terms of the loss; see `SpacingFlow` for the formula.

    Args:
        l1_weight: Of the absolute difference of colours, and, halved, of their gradients.
        flow_weight: Of the flows' end-point error in pixels; falls to a fifth in the course of the training.
        line_weight: Of the line term.
        matching_weight: Of the cross-entropy of the global matches; 0 needs no matcher.
        error_weight: Of the negative log-likelihood of the predicted error.
    """

    l1_weight: float
    flow_weight: float
    line_weight: float
    matching_weight: float
    error_weight: float

    def __call__(
        self,
        frame: Tensor,
        prediction: Intermediate,
        sample: CroppedSample,
        composition: Composition,
        matcher: Matcher | None,
        progress: float | None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and its terms.

        Args:
            frame: (B, 3, H, W), composed as in training.
            prediction: The network's, of B in-betweens.
            sample: The training sample.
            composition: How inference composes frames, for the error term.
            matcher: The network's, for the matching term.
            progress: Share of the training that is done, in [0, 1]; None in validation.
        """
        target, training = sample.target, progress is not None
        edges = near_edges(target)
        l1, gradients = photometric_loss(frame, target)
        lines = line_loss(frame, target, sample.lines)
        nll = error_nll(prediction, sample, composition)
        loss = self.l1_weight * (l1 + gradients / 2) + self.line_weight * lines + self.error_weight * nll
        terms = {"l1": l1, "gradient_l1": gradients, "lines": lines, "error_nll": nll}
        if self.matching_weight and matcher is not None:
            terms["matching"] = _matching_loss(matcher, prediction, sample, edges)
            loss = loss + self.matching_weight * terms["matching"]
        if sample.flows.shape[1]:
            terms["epe"] = end_point_error(prediction, sample, edges, training)
            weight = self.flow_weight * (0.6 + 0.4 * math.cos(math.pi * (progress or 0.0)))
            loss = loss + weight * terms["epe"]
        return loss, terms


def photometric_loss(frame: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """L1 of colours, and of their gradients, of frames (B, 3, H, W)."""
    across = F.l1_loss(frame.diff(dim=-1), target.diff(dim=-1))
    down = F.l1_loss(frame.diff(dim=-2), target.diff(dim=-2))
    return F.l1_loss(frame, target), across + down


def error_nll(prediction: Intermediate, sample: CroppedSample, composition: Composition) -> Tensor:
    """Laplace negative log-likelihood of the error of the frame as inference composes it."""
    with torch.no_grad():
        keyframes = sample.first, sample.last, sample.spacing
        sharp = sharpen_mask(*keyframes, prediction) if composition.mask_sharpness != 1 else prediction
        frame = compose(*keyframes, sharp, *composition).clamp(0, 1)
    error = (frame - sample.target).abs().mean(1, keepdim=True)
    return (error * torch.exp(-prediction.error) + prediction.error).mean()


def line_loss(frame: Tensor, target: Tensor, lines: Tensor) -> Tensor:
    """False lines by their distance to true ones, missing lines, and the difference in line density.

    With the first two alone, a misplaced line costs more than a missing one, so that lines of
    badly tracked objects would vanish. The third compares their amount, whatever their exact position.

    Args:
        frame: (B, 3, H, W) in [0, 1].
        target: (B, 3, H, W) in [0, 1].
        lines: (B, 2, H, W), `CroppedSample.lines` of the target.
    """
    predicted_lines = soft_lines(frame)
    false_lines = predicted_lines * lines[:, 1:]
    dilated = F.max_pool2d(predicted_lines, 3, 1, 1)
    missing = lines[:, :1] * (1 - dilated)
    side = min(DENSITY_WINDOW, *frame.shape[-2:])
    density, true_density = (
        F.avg_pool2d(maps, side, side // 2) for maps in (predicted_lines, soft_lines(target))
    )
    return false_lines.mean() + missing.mean() + 2 * F.l1_loss(density, true_density)


def end_point_error(prediction: Intermediate, sample: CroppedSample, edges: Tensor, training: bool) -> Tensor:
    """Mean end-point error in pixels over the windows whose true flow is known; 0 if there are none.

    Args:
        prediction: The network's.
        sample: With true flows.
        edges: (B, 1, H, W) in [0, 1], `near_edges` of the target.
        training: All levels, smoothed near 0, and four fifths of the weight near edges, where motion can be
            observed; else the final motion alone, all pixels alike.
    """
    spacing = sample.spacing
    known = ~sample.flows.isnan().flatten(1).any(1)
    flows = sample.flows.nan_to_num()
    levels = [*prediction.levels, prediction.motion] if training else [prediction.motion]
    level_weights, smoothing = LEVEL_WEIGHTS[-len(levels) :], 0.01 if training else 1e-12
    weights = known.view(-1, 1, 1, 1) * (0.2 + 0.8 * edges if training else torch.ones_like(edges))
    total = spacing.new_zeros(())
    for motion, level_weight in zip(levels, level_weights, strict=True):
        size = motion.shape[-2], motion.shape[-1]
        flow = torch.cat(end_flows(motion, F.adaptive_avg_pool2d(spacing, size)), dim=1)
        true = F.interpolate(flows, size=size, mode="nearest-exact")
        x0, y0, x1, y1 = ((flow - true) ** 2).unbind(1)
        distance = (x0 + y0 + smoothing).sqrt() + (x1 + y1 + smoothing).sqrt()
        total = total + level_weight * (distance * F.adaptive_avg_pool2d(weights, size)[:, 0]).mean() / 2
    # each level has half the size of the next: the mean weight is the same at all
    mass = mean_per_sample(weights.flatten(1).mean(1).sum(), len(weights))
    error: Tensor = total / (sum(level_weights) * mass.clamp(min=1e-6))
    return error


def _matching_loss(
    matcher: Matcher, prediction: Intermediate, sample: CroppedSample, edges: Tensor
) -> Tensor:
    """`matching_loss` at pixels that are visible in both keyframes, mostly near edges.

    Where the true flow is not known, the predicted one is the label, if warping by it explains the target.
    """
    flows = torch.cat(end_flows(prediction.motion.detach(), sample.spacing), dim=1)
    if sample.flows.shape[1]:
        flows = torch.where(sample.flows.isnan(), flows, sample.flows)
    difference = torch.zeros_like(sample.spacing)
    for keyframe, flow in ((sample.first, flows[:, :2]), (sample.last, flows[:, 2:])):
        of_keyframe = (backward_warp(keyframe, flow) - sample.target).abs().amax(1, keepdim=True)
        difference = torch.maximum(difference, of_keyframe)
    weight = (difference < MAX_DIFFERENCE) * (0.05 + 0.95 * edges)
    return matching_loss(matcher, prediction.descriptors[0], prediction.descriptors[1], flows, weight)


def near_edges(images: Tensor) -> Tensor:
    """Pixels of (B, 3, H, W) within four pixels of an edge, (B, 1, H, W) in [0, 1]."""
    steps = F.pad(images.diff(dim=-1), (0, 1)).abs() + F.pad(images.diff(dim=-2), (0, 0, 0, 1)).abs()
    columns = F.max_pool2d(4 * steps.amax(1, keepdim=True), (9, 1), 1, (4, 0))
    return F.max_pool2d(columns, (1, 9), 1, (0, 4)).clamp(max=1)
