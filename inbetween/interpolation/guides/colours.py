"""Colours that occur often, and pixels of them."""

import numpy as np
from numpy.typing import NDArray

LEVELS = 16  # of each channel: colours are counted in so many
LEAST_SHARE = 0.02  # of the pixels, from which a colour counts
SAME, OTHER = 12 / 255, 40 / 255  # distance from a colour up to which, and from which, it is not another one

Picture = NDArray[np.float32]  # (H, W, 4) in [0, 1]: RGB multiplied by opacity, then opacity


def frequent_colours(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The colours (K, 4) that many of the pixels (N, 4) have."""
    cells = (pixels * (LEVELS - 1)).round().astype(np.int64)
    _, member, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    member = member.ravel()
    sums = np.stack([np.bincount(member, pixels[:, channel]) for channel in range(4)], axis=1)
    kept = counts >= LEAST_SHARE * len(pixels)
    means: NDArray[np.float32] = (sums[kept] / counts[kept, None]).astype(np.float32)
    return means


def likeness(picture: Picture, colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much pixels are of one of these colours, (H, W) in [0, 1]."""
    if not len(colours):
        return np.zeros(picture.shape[:2], np.float32)
    nearest = np.min([np.abs(picture - colour).max(-1) for colour in colours], axis=0)
    found: NDArray[np.float32] = ((OTHER - nearest) / (OTHER - SAME)).clip(0, 1).astype(np.float32)
    return found
