"""The classical flow that the network starts from, and the resolution at which motion is estimated."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.padding import pad_to_multiple
from inbetween.methods.spacing_flow.network import MULTIPLE
from inbetween.modules.classical_flow import two_way_flow

Prior = Literal["dis", "farneback", "none"]
FLOW_RESOLUTION = 256  # square root of the number of pixels at which motion is estimated, as in training


def prior_flow(first: Tensor, last: Tensor, prior: Prior) -> Tensor:
    """Classical flow in both directions.

    Args:
        first: (B, 3, H, W) in [0, 1].
        last: (B, 3, H, W) in [0, 1].
        prior: The flow's algorithm; `none` gives zeros.

    Returns:
        (2, B, 2, H, W) in pixels: flow_01, flow_10.
    """
    if prior == "none":
        return first.new_zeros(2, len(first), 2, *first.shape[-2:])
    return torch.stack(two_way_flow(first, last, prior))


def prior_flow_of_pair(
    first: Tensor, last: Tensor, prior: Prior = "dis", flow_resolution: int = FLOW_RESOLUTION
) -> Tensor:
    """The classical flow that `PairInterpolator` would compute, for data workers to compute it before.

    Args:
        first: (B, C, H, W), C at least 3, in [0, 1].
        last: (B, C, H, W).
        prior: See `prior_flow`.
        flow_resolution: See `InferenceOptions`.

    Returns:
        (B, 4, h, w): flow_01 and flow_10, in pixels at the resolution that motion is estimated at.
    """
    size = size_at(flow_resolution, first.shape[-2], first.shape[-1])
    flows = prior_flow(resize_and_pad(first, size), resize_and_pad(last, size), prior)
    return torch.cat(flows.unbind(0), dim=1)


def size_at(resolution: int, height: int, width: int) -> tuple[int, int]:
    """Height and width with at most as many pixels as a square of side `resolution`, never enlarged."""
    shrink = max(1.0, math.sqrt(height * width) / resolution)
    return round(height / shrink), round(width / shrink)


def resize_and_pad(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The colour of images (B, C, H, W) as the network takes it: of this size, padded to multiples of 16."""
    return pad_to_multiple(area_resize(images[:, :3], size), MULTIPLE)


def area_resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Area-averaged images (B, C, *size), size no larger than theirs."""
    height, width = images.shape[-2:]
    while height % (2 * size[0]) == 0 and width % (2 * size[1]) == 0:
        # the same as the mean of 2x2 pixels, and five times as fast
        height, width = height // 2, width // 2
        images = F.interpolate(images, size=(height, width), mode="bilinear")
    return images if (height, width) == size else F.interpolate(images, size=size, mode="area")
