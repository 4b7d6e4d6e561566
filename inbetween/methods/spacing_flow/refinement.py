"""Residual flow refinement: motion that was estimated at a low resolution, corrected at a higher one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.batch import repeat_samples
from inbetween.functional.constants import constant
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.composition import end_flows
from inbetween.methods.spacing_flow.prior import area_resize, size_at
from inbetween.modules.classical_flow import Algorithm, two_way_flow

REFINE_RESOLUTION = 512  # square root of the number of pixels at which the residual flow is estimated
MAX_RESIDUAL = 4.0  # of those pixels: corrected in full up to here, not at all from twice as far


def refine_flow(first: Tensor, last: Tensor, spacing: Tensor, motion: Tensor, algorithm: Algorithm) -> Tensor:
    """Remove the small errors of upsampled motion, which show as double lines.

    A classical flow between both warped keyframes gives the residual r by which they are misaligned. A
    displacement that is longer by r aligns them at any spacing.

    Args:
        first: (B, C, h, w), C at least 3, colour in [0, 1] and further channels; of the motion's height and
            width, or resized to REFINE_RESOLUTION.
        last: (B, C, h, w).
        spacing: (B N, 1, H, W) in [0, 1], or resized as the images.
        motion: (B N, 4, H, W) in pixels, displacement and curvature.
        algorithm: Of the classical flow.

    Returns:
        (B N, 4, H, W) in pixels. Large residuals, which are between different objects, are ignored.
    """
    height, width = motion.shape[-2:]
    size = size_at(REFINE_RESOLUTION, height, width)
    scale = constant(motion, *([size[1] / width, size[0] / height] * 2)).view(1, 4, 1, 1)
    small = F.interpolate(motion, size=size, mode="bilinear") * scale
    flows = end_flows(small, area_resize(spacing, size))
    count = len(motion) // len(first)
    warped = [
        backward_warp(repeat_samples(area_resize(image[:, :3], size), count), flow)
        for image, flow in zip((first, last), flows, strict=True)
    ]
    flow_01, flow_10 = two_way_flow(warped[0], warped[1], algorithm)
    residual_flow = (flow_01 - flow_10) / 2
    length = torch.hypot(residual_flow[:, :1], residual_flow[:, 1:])
    residual_flow = residual_flow * (2 - length / MAX_RESIDUAL).clamp(0, 1) / scale[:, :2]
    refinement = F.interpolate(residual_flow, size=(height, width), mode="bilinear")
    return torch.cat([motion[:, :2] + refinement, motion[:, 2:]], dim=1)
