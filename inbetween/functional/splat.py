"""Forward warping by softmax splatting."""

import torch
from torch import Tensor

from inbetween.functional.warp import backward_warp, pixel_grid


def softmax_splat(values: Tensor, flow: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """Forward-warp `values` along `flow`; where several land, average them with weights exp(importance).

    Softmax splatting (arXiv 2003.05534) in plain PyTorch: each pixel's weight is distributed bilinearly to
    the four pixels around its target. What leaves the image is dropped.

    Args:
        values: (B, C, H, W), any range.
        flow: (B, 2, H, W) in pixels, x then y, at the source's pixels.
        importance: (B, 1, H, W), about -20 to 20: of what lands on one pixel, higher occludes lower.

    Returns:
        The averages (B, C, H, W) float32, zero where nothing lands, and the total weight (B, 1, H, W).
    """
    batch, channels, height, width = values.shape
    weight = importance.float().exp()
    weighted = torch.cat([values.float() * weight, weight], dim=1).flatten(2)
    x, y = (pixel_grid(height, width, values.device) + flow.float()).flatten(2).unbind(1)
    left, top = x.floor(), y.floor()
    splatted = weighted.new_zeros(batch, channels + 1, height * width)
    for column, share_x in ((left, left + 1 - x), (left + 1, x - left)):
        for row, share_y in ((top, top + 1 - y), (top + 1, y - top)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            target = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
            share = (share_x * share_y * inside)[:, None]
            splatted.scatter_add_(2, target[:, None].expand(-1, channels + 1, -1), weighted * share)
    splatted = splatted.view(batch, channels + 1, height, width)
    total = splatted[:, -1:]
    return splatted[:, :-1] / total.clamp(min=1e-8), total


def splatted_motion(flow_01: Tensor, flow_10: Tensor, first: Tensor, last: Tensor, spacing: Tensor) -> Tensor:
    """Two candidates for the displacement at an in-between's pixels, by splatting the keyframes' flows.

    Where several points land, those whose colour matches the other keyframe better occlude the others.
    Where none lands, the keyframe's flow at the same pixel is used.

    Args:
        flow_01: (M, 2, H, W) in pixels.
        flow_10: (M, 2, H, W) in pixels.
        first: (M, 3, H, W) in [0, 1].
        last: (M, 3, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].

    Returns:
        (M, 6, H, W) float32: displacement (x, y) from first's points and from last's, in pixels; then the
        coverage of each, in [0, 1].
    """
    displacements, coverages = [], []
    for flow, near, far, share, sign in (
        (flow_01, first, last, spacing, 1.0),
        (flow_10, last, first, 1 - spacing, -1.0),
    ):
        # the map is given at the in-between's pixels: sample it about where a point will land
        share = backward_warp(share, share * flow)
        inconsistency = (near - backward_warp(far, flow)).abs().mean(1, keepdim=True)
        displacement, weight = softmax_splat(flow, share * flow, -10 * inconsistency)
        coverage = weight / (weight + 0.002)
        displacements.append(sign * (coverage * displacement + (1 - coverage) * flow))
        coverages.append(coverage)
    return torch.cat([*displacements, *coverages], dim=1)
