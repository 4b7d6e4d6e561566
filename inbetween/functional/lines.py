"""Line extraction, and distances between the lines of two images."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.color import luma

SIGMA = 1.0  # pixels: half the width of the lines to extract
RATIO = 1.6  # of the two Gaussians' widths: the usual approximation of a Laplacian of Gaussian
THRESHOLD = 0.005  # of [0, 1]: least contrast of a line to its surroundings


def line_mask(image: Tensor) -> Tensor:
    """Pixels that are darker than their surroundings: lines, and the dark side of edges.

    A difference of Gaussians of the luma Y, `G(1.6 sigma) * Y - G(sigma) * Y > 0.005` with
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
    """`line_mask` of a batch on its own device, up to rounding.

    Args:
        images: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 1, H, W) bool.
    """
    grey = luma(images.detach().float())
    # the kernel sizes of OpenCV's Gaussians on float images
    near, far = (_blurred(grey, sigma, round(4 * sigma * 2 + 1) // 2) for sigma in (SIGMA, SIGMA * RATIO))
    return far - near > THRESHOLD


def distance_to_lines(mask: Tensor) -> Tensor:
    """Distance from each pixel to the nearest line pixel.

    Args:
        mask: (H, W) bool with at least one line pixel.

    Returns:
        (H, W) float32 in pixels.
    """
    background = (~mask).cpu().numpy().astype(np.uint8)
    distance = torch.from_numpy(cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    # squared distances are integers: this removes rounding that depends on OpenCV's number of threads
    return distance.square().round().sqrt()


def chamfer_distance(mask: Tensor, other: Tensor) -> float:
    """Mean distance from a line pixel of one image to the nearest line of the other.

    The mean of both directions, divided by the image's diagonal. Unlike EISAI's sum over pixels divided by
    the image's area, the mean over line pixels does not grow with the number of lines.

    Args:
        mask: (H, W) bool.
        other: (H, W) bool.

    Returns:
        A number in [0, 1]: 0 if neither has lines, 1 (the whole diagonal) if only one has.
    """
    if not mask.any() and not other.any():
        return 0.0
    if not mask.any() or not other.any():
        return 1.0
    forward = distance_to_lines(other)[mask.cpu()].double().mean()
    backward = distance_to_lines(mask)[other.cpu()].double().mean()
    return float((forward + backward) / 2) / math.hypot(*mask.shape)


def soft_lines(images: Tensor) -> Tensor:
    """Differentiable line strength of each pixel: `line_mask`'s difference of Gaussians over 0.02.

    Args:
        images: (B, 3, H, W), about [0, 1].

    Returns:
        (B, 1, H, W) float32 in [0, 1]; `line_mask`'s threshold is at 0.25.
    """
    grey, reach = luma(images.float()), math.ceil(3 * SIGMA * RATIO)
    near, far = (_blurred(grey, sigma, reach) for sigma in (SIGMA, SIGMA * RATIO))
    return ((far - near) / (4 * THRESHOLD)).clamp(0, 1)


def _blurred(grey: Tensor, sigma: float, reach: int) -> Tensor:
    """Images (B, 1, H, W) blurred by a Gaussian truncated at `reach` pixels, borders replicated."""
    at = torch.arange(-reach, reach + 1, device=grey.device, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = F.pad(grey, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3))
