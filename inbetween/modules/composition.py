"""Composition: from motion, mask and residual to the in-between itself."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.lines import soft_lines
from inbetween.functional.warp import backward_warp

DECISION = 10.0  # how sharply drawing chooses between the keyframes; 1 would fade wherever it is not sure
LEAN = 1.0  # of a drawing that leans to one keyframe: logit by which that counts more
KEPT = 0.5  # share of the lines of the emptier keyframe that a drawing has at least
ACCORD = 6  # cells of two pixels about a place whose choice is made together


class Intermediate(NamedTuple):
    """What the network says about M in-betweens, all at the picture's resolution unless said otherwise."""

    motion: Tensor  # (M, 4, H, W) float32 in pixels: way from key to key (x, y), and its bow (x, y)
    mask: Tensor  # (M, 1, H, W) float32 logits: how much more `first` counts than `last`
    residual: Tensor  # (M, 3, H, W) float32: colour that neither keyframe shows
    error: Tensor  # (M, 1, H, W) float32: log of the expected absolute error of the frame
    levels: list[Tensor]  # motions of the coarser levels, (M, 4, h, w), in pixels of the picture
    marks: tuple[Tensor, ...] = ()  # what both keyframes were matched by, (B, 64, H/8, W/8) each


def end_flows(motion: Tensor, spacing: Tensor) -> tuple[Tensor, Tensor]:
    """Flows from an in-between to both keyframes.

    A point's path is straight from key to key but for a bow that vanishes at both ends:
    flow_t0 = -s way - 4 s (1 - s) bow and flow_t1 = (1 - s) way - 4 s (1 - s) bow. So the point lies
    where the spacing s says, whatever way and bow are.

    Args:
        motion: (M, 4, H, W) in pixels, way and bow.
        spacing: (M, 1, H, W) in [0, 1].

    Returns:
        flow_t0 and flow_t1, each (M, 2, H, W) in pixels, x then y, at the in-between's pixels.
    """
    way, bow = motion[:, :2], 4 * spacing * (1 - spacing) * motion[:, 2:]
    return -spacing * way - bow, (1 - spacing) * way - bow


def odds_of(spacing: Tensor) -> Tensor:
    """Logit of how much `first` counts for its nearness alone, from spacing in [0, 1]."""
    s = spacing.clamp(1e-6, 1 - 1e-6)
    return ((1 - s) / s).log()


def compose(
    first: Tensor, last: Tensor, spacing: Tensor, found: Intermediate, decision: float = 1.0
) -> Tensor:
    """The frames: both keyframes warped along the motion, weighed by mask and spacing, plus the residual.

    Args:
        first: (M, C, H, W) in [0, 1]: colour, and perhaps opacity, which goes along.
        last: (M, C, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].
        found: At the same height and width.
        decision: What the logits of the weights are multiplied by: 1 weighs both by their odds, 10 takes
            one of them nearly everywhere.

    Returns:
        (M, C, H, W) float32, about [0, 1], sharp edges overshoot. Where s = 0 it is `first`, where s = 1
        `last`.
    """
    flow_t0, flow_t1 = end_flows(found.motion, spacing)
    share = torch.sigmoid(decision * (found.mask + odds_of(spacing)))
    from_first, from_last = backward_warp(first, flow_t0, "bicubic"), backward_warp(last, flow_t1, "bicubic")
    blend = share * from_first + (1 - share) * from_last
    painted = 4 * spacing * (1 - spacing) * found.residual
    return blend + F.pad(painted, (0, 0, 0, 0, 0, first.shape[1] - 3))


def decided(first: Tensor, last: Tensor, spacing: Tensor, found: Intermediate) -> Intermediate:
    """With a mask that neighbours agree on, for `compose` to take one keyframe whole at each place.

    The network learns the odds. Blended by them, both drawings would show at half strength wherever it cannot
    follow, and each pixel for itself would tear lines. Where the warped keyframes agree it does not matter.
    Things that leave here and appear there may both lose against paper: where most lines of the picture would
    be lost, one keyframe is taken for all of it: the nearer one, or about the middle that with more lines.

    Args:
        first: (M, 3, H, W) in [0, 1], H and W even.
        last: (M, 3, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].
        found: At the same height and width.
    """
    flow_t0, flow_t1 = end_flows(found.motion, spacing)
    from_first, from_last = backward_warp(first, flow_t0), backward_warp(last, flow_t1)
    unlike = (from_first - from_last).abs().mean(1, keepdim=True)
    mask = F.interpolate(
        agreed(F.avg_pool2d(found.mask, 2), F.avg_pool2d(unlike, 2)), scale_factor=2, mode="bilinear"
    )
    share = torch.sigmoid(DECISION * (mask + odds_of(spacing)))
    inks = soft_lines(from_first), soft_lines(from_last)
    drawn = (share * inks[0] + (1 - share) * inks[1]).mean((1, 2, 3))
    one, other = (ink.mean((1, 2, 3)) for ink in inks)
    lost = drawn < KEPT * torch.minimum(one, other)
    alike = (one - other).abs() < 1e-3 * one
    prefers_first = torch.where(alike, spacing.mean((1, 2, 3)) <= 0.5, one > other)
    fuller = torch.where(prefers_first, 0.5, -0.5)
    return found._replace(mask=torch.where(lost[:, None, None, None], fuller[:, None, None, None], mask))


def agreed(mask: Tensor, disagreement: Tensor) -> Tensor:
    """The mean of a mask over a neighbourhood, where it makes a difference counting most.

    Args:
        mask: (M, 1, h, w) logits.
        disagreement: (M, 1, h, w) at least 0: how much the choice matters at each place.

    Returns:
        (M, 1, h, w) logits.
    """
    weight = disagreement + 1e-3
    both = torch.cat([mask * weight, weight], dim=1)
    for _ in range(2):
        both = F.avg_pool2d(both, (2 * ACCORD + 1, 1), 1, (ACCORD, 0), count_include_pad=False)
        both = F.avg_pool2d(both, (1, 2 * ACCORD + 1), 1, (0, ACCORD), count_include_pad=False)
    return both[:, :1] / both[:, 1:]
