"""Composition: from motion, mask and residual to the in-between itself."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.lines import soft_lines
from inbetween.functional.warp import Reading, backward_warp

MASK_SHARPNESS = 10.0  # of the choice between the keyframes; 1 would fade wherever it is not sure
KEYFRAME_BIAS = 2.5  # logit of a keyframe leant to: outweighs nearness at up to eight drawings between two
LINE_LOGIT = 0.5  # logit of a keyframe that is taken to keep lines
MIN_LINE_SHARE = 0.5  # share of the disputed lines of the emptier keyframe that a drawing has at least
MIN_DIFFERENCE = 0.1  # of [0, 1]: difference of colour from which both keyframes are in dispute
MIN_LINE_DENSITY = 0.002  # share of a place that lines cover from which they count
CELL = 8  # pixels of a place at which lines are counted
MASK_RADIUS = 6  # cells of two pixels about a place whose choice is made together


class Composition(NamedTuple):
    """How an in-between is put together from both warped keyframes."""

    mask_sharpness: float = MASK_SHARPNESS  # 1 blends by the odds, each pixel for itself
    reading: Reading = "bicubic"  # of keyframes between their pixels


SHARP = Composition()


class Intermediate(NamedTuple):
    """What the network says about M in-betweens, all at the picture's resolution unless said otherwise."""

    motion: Tensor  # (M, 4, H, W) float32 in pixels: way from key to key (x, y), and its bow (x, y)
    mask: Tensor  # (M, 1, H, W) float32 logits: how much more `first` counts than `last`
    residual: Tensor  # (M, 3, H, W) float32: colour that neither keyframe shows
    error: Tensor  # (M, 1, H, W) float32: log of the expected absolute error of the frame
    levels: list[Tensor]  # motions of the coarser levels, (M, 4, h, w), in pixels of the picture
    descriptors: tuple[Tensor, ...] = ()  # what both keyframes were matched by, (B, 64, H/8, W/8) each


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
    displacement, curvature = motion[:, :2], 4 * spacing * (1 - spacing) * motion[:, 2:]
    return -spacing * displacement - curvature, (1 - spacing) * displacement - curvature


def odds_of(spacing: Tensor) -> Tensor:
    """Logit of how much `first` counts for its nearness alone, from spacing in [0, 1]."""
    s = spacing.clamp(1e-6, 1 - 1e-6)
    return ((1 - s) / s).log()


def compose(
    first: Tensor,
    last: Tensor,
    spacing: Tensor,
    found: Intermediate,
    sharpness: float = 1.0,
    reading: Reading = "bicubic",
) -> Tensor:
    """The frames: both keyframes warped along the motion, weighed by mask and spacing, plus the residual.

    Args:
        first: (M, C, H, W) in [0, 1]: colour, and perhaps opacity, which goes along.
        last: (M, C, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].
        found: At the same height and width.
        sharpness: What the logits of the weights are multiplied by: 1 weighs both by their odds, 10 takes
            one of them nearly everywhere.
        reading: How keyframes are read between their pixels.

    Returns:
        (M, C, H, W) float32, about [0, 1], sharp edges overshoot. Where s = 0 it is `first`, where s = 1
        `last`.
    """
    flow_t0, flow_t1 = end_flows(found.motion, spacing)
    share = torch.sigmoid(sharpness * (found.mask + odds_of(spacing)))
    from_first, from_last = backward_warp(first, flow_t0, reading), backward_warp(last, flow_t1, reading)
    painted = 4 * spacing * (1 - spacing) * found.residual
    if first.shape[1] > 3:
        painted = F.pad(painted, (0, 0, 0, 0, 0, first.shape[1] - 3))
    return torch.lerp(from_last, from_first, share) + painted


def sharpen_mask(first: Tensor, last: Tensor, spacing: Tensor, found: Intermediate) -> Intermediate:
    """With a mask that neighbours agree on, for `compose` to take one keyframe whole at each place.

    The network learns the odds. Blended by them, both drawings would show at half strength wherever it cannot
    follow, and each pixel for itself would tear lines. Where the warped keyframes agree it does not matter.

    Args:
        first: (M, 3, H, W) in [0, 1], H and W even.
        last: (M, 3, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].
        found: At the same height and width.
    """
    flow_t0, flow_t1 = end_flows(found.motion, spacing)
    from_first, from_last = backward_warp(first, flow_t0), backward_warp(last, flow_t1)
    difference = (from_first - from_last).abs().mean(1, keepdim=True)
    mask = F.interpolate(
        smooth_mask(F.avg_pool2d(found.mask, 2), F.avg_pool2d(difference, 2)), scale_factor=2, mode="bilinear"
    )
    disputed = difference > MIN_DIFFERENCE
    line_maps = soft_lines(from_first) * disputed, soft_lines(from_last) * disputed
    return found._replace(
        mask=_preserve_lines(_preserve_lines(mask, line_maps, spacing, 1 / 4), line_maps, spacing, 2)
    )


def _preserve_lines(mask: Tensor, line_maps: tuple[Tensor, Tensor], spacing: Tensor, part: float) -> Tensor:
    """A mask (M, 1, H, W) that loses no more lines than it must.

    A thing that leaves one place and appears at another, and is not followed, may lose against paper at both.
    Where most of the disputed lines about a place would go, one keyframe is taken all about it: the fuller
    one, or of equally full ones the nearer one.

    Args:
        mask: Logits.
        line_maps: Disputed lines of both warped keyframes, (M, 1, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].
        part: What "about" is: the side of a square, in longer sides of the picture; the whole picture at 2.
    """
    share = torch.sigmoid(MASK_SHARPNESS * (mask + odds_of(spacing)))
    blended = share * line_maps[0] + (1 - share) * line_maps[1]
    cells = [F.avg_pool2d(line_map, CELL, ceil_mode=True) for line_map in (blended, *line_maps)]
    half = max(1, round(max(cells[0].shape[-2:]) * part / 2))
    blended, one, other = (_box_mean(line_map, half) for line_map in cells)
    fewer, more = torch.minimum(one, other), torch.maximum(one, other)
    lost = (blended < MIN_LINE_SHARE * fewer) & (fewer > MIN_LINE_DENSITY)
    nearer = F.avg_pool2d(spacing, CELL, ceil_mode=True) <= 0.5
    prefers_first = torch.where(more - fewer < 0.1 * more, nearer, one > other)
    size = mask.shape[-2], mask.shape[-1]
    lost, prefers_first = (
        F.interpolate(cell.float(), scale_factor=CELL)[..., : size[0], : size[1]] > 0.5
        for cell in (lost, prefers_first)
    )
    return torch.where(lost, torch.where(prefers_first, LINE_LOGIT, -LINE_LOGIT), mask)


def smooth_mask(mask: Tensor, disagreement: Tensor) -> Tensor:
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
        both = _box_mean(both, MASK_RADIUS)
    return both[:, :1] / both[:, 1:]


def _box_mean(maps: Tensor, half: int) -> Tensor:
    """Means over squares of 2 half + 1 pixels about each, as far as they are in the picture."""
    side = 2 * half + 1
    maps = F.avg_pool2d(maps, (side, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(maps, (1, side), 1, (0, half), count_include_pad=False)
