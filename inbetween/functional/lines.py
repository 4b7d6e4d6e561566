"""Drawn lines as pixels, and how far two drawings' lines lie from each other."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.color import luma

SIGMA = 1.0  # pixels: half the width of the lines looked for
RATIO = 1.6  # of the two Gaussians' widths: the usual stand-in for a Laplacian of Gaussian
THRESHOLD = 0.005  # how much darker than its surroundings a line is, of [0, 1]


def line_mask(image: Tensor) -> Tensor:
    """Pixels that are darker than their surroundings: lines, and the dark side of edges.

    A difference of Gaussians of the brightness Y, `G(1.6 sigma) * Y - G(sigma) * Y > 0.005` with
    sigma of one pixel: the extraction of EISAI's evaluation (arXiv 2111.12792).

    Args:
        image: (3, H, W) in [0, 1].

    Returns:
        (H, W) bool.
    """
    grey = luma(image.detach().float().cpu())[0].numpy()
    near = cv2.GaussianBlur(grey, (0, 0), SIGMA, borderType=cv2.BORDER_REPLICATE)
    far = cv2.GaussianBlur(grey, (0, 0), SIGMA * RATIO, borderType=cv2.BORDER_REPLICATE)
    return torch.from_numpy(far - near > THRESHOLD)


def line_masks(images: Tensor) -> Tensor:
    """`line_mask` of a batch on its own device, but for the rounding of sums.

    Args:
        images: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 1, H, W) bool.
    """
    grey = luma(images.detach().float())
    # as far as OpenCV's Gaussians of float pictures reach
    near, far = (_blurred(grey, sigma, round(4 * sigma * 2 + 1) // 2) for sigma in (SIGMA, SIGMA * RATIO))
    return far - near > THRESHOLD


def distance_to_lines(mask: Tensor) -> Tensor:
    """Distance from each pixel to the nearest line pixel.

    Args:
        mask: (H, W) bool with at least one line pixel.

    Returns:
        (H, W) float32 in pixels.
    """
    away = (~mask).cpu().numpy().astype(np.uint8)
    found = torch.from_numpy(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    # squares are whole numbers: what OpenCV rounds otherwise in threads than alone is put right
    return found.square().round().sqrt()


def chamfer_distance(mask: Tensor, other: Tensor) -> float:
    """Mean distance from a line pixel of one drawing to the nearest line of the other.

    The mean of both directions, as a share of the picture's diagonal. Unlike EISAI's sum over
    pixels divided by the picture's area, the mean over line pixels does not grow with the amount of
    lines in a drawing.

    Args:
        mask: (H, W) bool.
        other: (H, W) bool.

    Returns:
        A number in [0, 1]: 0 when neither has lines, 1 (a whole diagonal) when only one has.
    """
    if not mask.any() and not other.any():
        return 0.0
    if not mask.any() or not other.any():
        return 1.0
    forward = distance_to_lines(other)[mask.cpu()].double().mean()
    backward = distance_to_lines(mask)[other.cpu()].double().mean()
    return float((forward + backward) / 2) / math.hypot(*mask.shape)


def soft_lines(images: Tensor) -> Tensor:
    """How much of a line each pixel is, with gradients: `line_mask`'s difference of Gaussians over 0.02.

    Args:
        images: (B, 3, H, W), about [0, 1].

    Returns:
        (B, 1, H, W) float32 in [0, 1]; `line_mask`'s threshold lies at a quarter.
    """
    grey, reach = luma(images.float()), math.ceil(3 * SIGMA * RATIO)
    near, far = (_blurred(grey, sigma, reach) for sigma in (SIGMA, SIGMA * RATIO))
    return ((far - near) / (4 * THRESHOLD)).clamp(0, 1)


def _blurred(grey: Tensor, sigma: float, reach: int) -> Tensor:
    """Pictures (B, 1, H, W) under a Gaussian cut off `reach` pixels from its middle, borders repeated."""
    at = torch.arange(-reach, reach + 1, device=grey.device, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = F.pad(grey, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3))
