"""Forward splatting: send each pixel along its flow, and add up what lands on the same place."""

import torch
from torch import Tensor

from inbetween.functional.warp import backward_warp, pixel_grid


def softmax_splat(values: Tensor, flow: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """Send `values` along `flow`; where several land, mean them with weights exp(importance).

    Softmax splatting (arXiv 2003.05534) in plain PyTorch: each pixel's weight is dealt out to the four
    pixels around its target, bilinearly. What leaves the picture is lost.

    Args:
        values: (B, C, H, W), any range.
        flow: (B, 2, H, W) in pixels, x then y, at the source's pixels.
        importance: (B, 1, H, W), about -20 to 20: which of two that meet is in front.

    Returns:
        The means (B, C, H, W) float32, zero where nothing lands, and the total weight (B, 1, H, W).
    """
    batch, channels, height, width = values.shape
    weight = importance.float().exp()
    carried = torch.cat([values.float() * weight, weight], dim=1).flatten(2)
    x, y = (pixel_grid(height, width, values.device) + flow.float()).flatten(2).unbind(1)
    left, top = x.floor(), y.floor()
    landed = carried.new_zeros(batch, channels + 1, height * width)
    for column, share_x in ((left, left + 1 - x), (left + 1, x - left)):
        for row, share_y in ((top, top + 1 - y), (top + 1, y - top)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
            share = (share_x * share_y * inside)[:, None]
            landed.scatter_add_(2, place[:, None].expand(-1, channels + 1, -1), carried * share)
    landed = landed.view(batch, channels + 1, height, width)
    total = landed[:, -1:]
    return landed[:, :-1] / total.clamp(min=1e-8), total


def splatted_motion(flow_01: Tensor, flow_10: Tensor, first: Tensor, last: Tensor, spacing: Tensor) -> Tensor:
    """Two guesses of the way through an in-between's pixels, from the keyframes' flows sent there.

    Of points that meet, the one whose colour agrees more with the other keyframe is in front. Where
    nothing lands, the keyframe's flow at the same pixel stands in.

    Args:
        flow_01: (M, 2, H, W) in pixels.
        flow_10: (M, 2, H, W) in pixels.
        first: (M, 3, H, W) in [0, 1].
        last: (M, 3, H, W) in [0, 1].
        spacing: (M, 1, H, W) in [0, 1].

    Returns:
        (M, 6, H, W) float32: way by first's points, way by last's points, in pixels; then for each
        what landed, in [0, 1].
    """
    flow_candidates, landed = [], []
    for flow, near, far, share, sign in (
        (flow_01, first, last, spacing, 1.0),
        (flow_10, last, first, 1 - spacing, -1.0),
    ):
        # the map is given at the in-between's pixels: look it up about where a point will be
        share = backward_warp(share, share * flow)
        inconsistency = (near - backward_warp(far, flow)).abs().mean(1, keepdim=True)
        displacement, weight = softmax_splat(flow, share * flow, -10 * inconsistency)
        certain = weight / (weight + 0.002)
        flow_candidates.append(sign * (certain * displacement + (1 - certain) * flow))
        landed.append(certain)
    return torch.cat([*flow_candidates, *landed], dim=1)
