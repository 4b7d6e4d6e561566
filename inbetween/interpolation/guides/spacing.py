"""Spacing by region: masks and charts become spacing maps."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.interpolation.guides.guides import RegionSpacing
from inbetween.interpolation.guides.masks import Share
from inbetween.interpolation.guides.timing import position

SOFT = 2.0  # pixels over which the spacing changes at the edge of a region


def spacing_maps(regions: Sequence[RegionSpacing], t: Sequence[float], size: tuple[int, int]) -> Tensor:
    """Spacing maps (1, N, 1, H, W) in [0, 1] at positions t: t itself outside of all regions.

    Args:
        regions: One or more; later ones count where they overlap.
        t: N positions.
        size: Height and width of the keyframes.

    Raises:
        UserError: A mask has another size or is empty.
    """
    maps = np.empty((len(t), *size), np.float32)
    maps[:] = np.array(t, np.float32)[:, None, None]
    for region in regions:
        first = region.mask.at_size(size)
        last = region.mask_last.at_size(size) if region.mask_last else None
        ends = [_depth(mask) for mask in (first, first if last is None else last)]
        centres = [_centre(mask) for mask in (first, first if last is None else last)]
        for own, place in zip(maps, t, strict=True):
            done = position(region.spacing, place)
            share = (_between(ends, centres, done) / SOFT + 0.5).clip(0, 1)
            own += share * (np.float32(done) - own)
    return torch.from_numpy(maps)[None, :, None]


def _depth(mask: Share) -> NDArray[np.float32]:
    """Pixels from each pixel to the mask's edge, below 0 outside."""
    inside = (mask > 0.5).astype(np.uint8)
    within, outside = (cv2.distanceTransform(part, cv2.DIST_L2, 5) for part in (inside, 1 - inside))
    depth: NDArray[np.float32] = within - outside
    return depth


def _centre(mask: Share) -> NDArray[np.float64]:
    rows, columns = np.nonzero(mask > 0.5)
    return np.array([columns.mean(), rows.mean()])


def _between(
    ends: Sequence[NDArray[np.float32]], centres: Sequence[NDArray[np.float64]], share: float
) -> NDArray[np.float32]:
    """The depth in a mask that moves and changes from one to another."""
    if ends[0] is ends[1] or np.array_equal(ends[0], ends[1]):
        return ends[0]
    way = centres[1] - centres[0]
    height, width = ends[0].shape
    moved = [
        cv2.warpAffine(
            end, np.column_stack([np.eye(2), shift]), (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        for end, shift in zip(ends, (share * way, (share - 1) * way), strict=True)
    ]
    mixed: NDArray[np.float32] = (1 - share) * moved[0] + share * moved[1]
    return mixed
