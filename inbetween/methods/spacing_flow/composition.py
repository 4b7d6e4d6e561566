"""Composition: from motion, blend mask and residual to the in-between itself."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.warp import WarpMode, backward_warp

MASK_SHARPNESS = 10.0  # at inference; 1 is a cross-fade wherever the mask is undecided
KEYFRAME_BIAS = 2.5  # logit that favours a keyframe: larger than that of proximity at up to eight in-betweens


class Composition(NamedTuple):
    """How an in-between is blended from both warped keyframes."""

    mask_sharpness: float = MASK_SHARPNESS  # 1 is plain alpha blending, each pixel by itself
    warp_mode: WarpMode = "bicubic"  # how keyframes are interpolated between pixels


SHARP = Composition()


class Intermediate(NamedTuple):
    """The network's output for M in-betweens, at the images' resolution unless noted otherwise."""

    # (M, 4, H, W) float32 in pixels: displacement from first to last (x, y), and curvature (x, y)
    motion: Tensor
    mask: Tensor  # (M, 1, H, W) float32 logits: weight of `first` against `last`
    # (M, 3, H, W) float32: colour to add where neither keyframe shows the content; None for no such colour
    residual: Tensor | None
    error: Tensor  # (M, 1, H, W) float32: log of the frame's expected absolute error
    # motions of the coarser levels, (M, 4, h, w), in pixels at full resolution: for training
    levels: list[Tensor]
    descriptors: tuple[Tensor, ...] = ()  # of both keyframes, for matching, (B, 64, H/8, W/8) each


class FlowNetwork(Protocol):
    """A network that estimates the motion between two keyframes, such as `IntermediateFlow`."""

    #: Distance of the spacing from 0 and from 1 from which its displacement is reliable.
    reliable_from: float

    def encode_pair(self, first: Tensor, last: Tensor, flow_01: Tensor, flow_10: Tensor) -> Any:  # noqa: ANN401
        """The encoded keyframes, for `between`."""

    def between(self, pair: Any, spacing: Tensor) -> Intermediate:  # noqa: ANN401 - what `encode_pair` gives
        """The in-betweens of encoded keyframes."""


def end_flows(motion: Tensor, spacing: Tensor) -> tuple[Tensor, Tensor]:
    """Flows from an in-between to both keyframes.

    A point's trajectory is straight but for a parabolic term that vanishes at both ends:

        flow_t0 = -s displacement - 4 s (1 - s) curvature
        flow_t1 = (1 - s) displacement - 4 s (1 - s) curvature

    so that the point's position follows the spacing s, whatever displacement and curvature.

    Args:
        motion: (M, 4, H, W) in pixels, displacement and curvature.
        spacing: (M, 1, H, W) in [0, 1], or (M, 1, 1, 1) where it is constant.

    Returns:
        flow_t0 and flow_t1, each (M, 2, H, W) in pixels, x then y, at the in-between's pixels.
    """
    displacement, curvature = motion[:, :2], 4 * spacing * (1 - spacing) * motion[:, 2:]
    return -spacing * displacement - curvature, (1 - spacing) * displacement - curvature


def proximity_logit(spacing: Tensor) -> Tensor:
    """Logit of the weight of `first` by temporal distance alone, log((1 - s) / s), from spacing in [0, 1]."""
    s = spacing.clamp(1e-6, 1 - 1e-6)
    return ((1 - s) / s).log()


def compose(
    first: Tensor,
    last: Tensor,
    spacing: Tensor,
    prediction: Intermediate,
    sharpness: float = 1.0,
    warp_mode: WarpMode = "bicubic",
) -> Tensor:
    """The frames: both keyframes warped along the motion, blended by mask and spacing, plus the residual.

        frame = m warp(first, flow_t0) + (1 - m) warp(last, flow_t1) + 4 s (1 - s) residual
        m = sigmoid(sharpness (mask + log((1 - s) / s)))

    Args:
        first: (M, C, H, W) in [0, 1]: colour, and opacity if there is any, which is warped with it.
        last: (M, C, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1], or (M, 1, 1, 1) where it is constant.
        prediction: At the same height and width.
        sharpness: 1 blends by the mask as it was trained, 10 takes one keyframe nearly everywhere.
        warp_mode: How keyframes are interpolated between pixels.

    Returns:
        (M, C, H, W) float32, about [0, 1]: sharp edges overshoot. `first` where s = 0, `last` where s = 1.
    """
    flow_t0, flow_t1 = end_flows(prediction.motion, spacing)
    share = torch.sigmoid(sharpness * (prediction.mask + proximity_logit(spacing)))
    from_first, from_last = backward_warp(first, flow_t0, warp_mode), backward_warp(last, flow_t1, warp_mode)
    frame = torch.lerp(from_last, from_first, share)
    if prediction.residual is None:
        return frame
    residual = 4 * spacing * (1 - spacing) * prediction.residual
    if first.shape[1] > 3:
        residual = F.pad(residual, (0, 0, 0, 0, 0, first.shape[1] - 3))
    return frame + residual
