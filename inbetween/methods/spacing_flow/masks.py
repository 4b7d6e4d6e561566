"""Blend masks at inference: one keyframe per region, and no lines lost."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.lines import soft_lines
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.composition import (
    MASK_SHARPNESS,
    Intermediate,
    end_flows,
    proximity_logit,
)

LINE_LOGIT = 0.5  # logit of the keyframe that is chosen to preserve lines
MIN_LINE_SHARE = 0.5  # of the conflicting lines of the keyframe with fewer: a blend must keep this share
MIN_DIFFERENCE = 0.1  # of [0, 1]: colour difference from which the warped keyframes are in conflict
MIN_LINE_DENSITY = 0.002  # share of an area covered by lines from which they count
CELL = 8  # pixels of a cell in which line density is measured
MASK_RADIUS = 6  # cells of two pixels: radius of the box filter on the mask


def sharpen_mask(first: Tensor, last: Tensor, spacing: Tensor, prediction: Intermediate) -> Intermediate:
    """A spatially smooth mask, for `compose` to take one keyframe per region.

    The network learns blend weights pixel by pixel. Used as they are, they show both keyframes at half
    strength (ghosting) wherever motion is not found; thresholded pixel by pixel, they tear lines. So the
    mask is smoothed where the warped keyframes differ, and lines are preserved.

    Args:
        first: (M, 3, H, W) in [0, 1], H and W even.
        last: (M, 3, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].
        prediction: At the same height and width.
    """
    flow_t0, flow_t1 = end_flows(prediction.motion, spacing)
    from_first, from_last = backward_warp(first, flow_t0), backward_warp(last, flow_t1)
    difference = (from_first - from_last).abs().mean(1, keepdim=True)
    mask = F.interpolate(
        smooth_mask(F.avg_pool2d(prediction.mask, 2), F.avg_pool2d(difference, 2)),
        scale_factor=2,
        mode="bilinear",
    )
    conflict = difference > MIN_DIFFERENCE
    line_maps = soft_lines(from_first) * conflict, soft_lines(from_last) * conflict
    return prediction._replace(
        mask=_preserve_lines(_preserve_lines(mask, line_maps, spacing, 1 / 4), line_maps, spacing, 2)
    )


def _preserve_lines(mask: Tensor, line_maps: tuple[Tensor, Tensor], spacing: Tensor, scale: float) -> Tensor:
    """A mask (M, 1, H, W) that drops no more lines than it must.

    An object whose motion is not found is at two places, and the mask may choose the other keyframe's empty
    background at both. Where the blend would drop most conflicting lines of an area, one keyframe is taken
    in all of it: the one with more lines, or of about equal ones the nearer in time.

    Args:
        mask: Logits.
        line_maps: Conflicting lines of both warped keyframes, (M, 1, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].
        scale: Side of the area, relative to the longer side of the image; 2 is the whole image.
    """
    share = torch.sigmoid(MASK_SHARPNESS * (mask + proximity_logit(spacing)))
    blended = share * line_maps[0] + (1 - share) * line_maps[1]
    cells = [F.avg_pool2d(line_map, CELL, ceil_mode=True) for line_map in (blended, *line_maps)]
    radius = max(1, round(max(cells[0].shape[-2:]) * scale / 2))
    blended, of_first, of_last = (_box_mean(density, radius) for density in cells)
    fewer, more = torch.minimum(of_first, of_last), torch.maximum(of_first, of_last)
    lost = (blended < MIN_LINE_SHARE * fewer) & (fewer > MIN_LINE_DENSITY)
    first_is_nearer = F.avg_pool2d(spacing, CELL, ceil_mode=True) <= 0.5
    prefers_first = torch.where(more - fewer < 0.1 * more, first_is_nearer, of_first > of_last)
    size = mask.shape[-2], mask.shape[-1]
    lost, prefers_first = (
        F.interpolate(cell.float(), scale_factor=CELL)[..., : size[0], : size[1]] > 0.5
        for cell in (lost, prefers_first)
    )
    return torch.where(lost, torch.where(prefers_first, LINE_LOGIT, -LINE_LOGIT), mask)


def smooth_mask(mask: Tensor, difference: Tensor) -> Tensor:
    """A mask filtered by two box filters, weighted by how much the choice between the keyframes matters.

    Args:
        mask: (M, 1, h, w) logits.
        difference: (M, 1, h, w) at least 0: by how much the warped keyframes differ.

    Returns:
        (M, 1, h, w) logits.
    """
    weight = difference + 1e-3
    weighted = torch.cat([mask * weight, weight], dim=1)
    for _ in range(2):
        weighted = _box_mean(weighted, MASK_RADIUS)
    return weighted[:, :1] / weighted[:, 1:]


def _box_mean(maps: Tensor, radius: int) -> Tensor:
    """Means over squares of 2 radius + 1 pixels around each, as far as they are inside the image."""
    side = 2 * radius + 1
    maps = F.avg_pool2d(maps, (side, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(maps, (1, side), 1, (0, radius), count_include_pad=False)
