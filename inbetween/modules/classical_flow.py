"""Classical optical flow by OpenCV, and the blend of both keyframes warped to t."""

from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.warp import backward_warp

Algorithm = Literal["farneback", "dis"]

# pixels: DIS fails on smaller images
SMALLEST_SIDE = 64


def estimate_flow(
    source: NDArray[np.uint8], target: NDArray[np.uint8], algorithm: Algorithm
) -> NDArray[np.float32]:
    """Flow (2, H, W) in pixels, x then y, from `source` to `target`, grey images (H, W)."""
    if algorithm == "farneback":
        flow = cv2.calcOpticalFlowFarneback(source, target, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    else:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        flow = dis.calc(source, target, None)
    return np.ascontiguousarray(np.moveaxis(flow, -1, 0), dtype=np.float32)


def two_way_flow(first: Tensor, last: Tensor, algorithm: Algorithm) -> tuple[Tensor, Tensor]:
    """Flow from first to last at first's pixels, and back at last's.

    Args:
        first: (B, 3, H, W) in [0, 1], any H and W.
        last: (B, 3, H, W) in [0, 1].
        algorithm: `farneback` or `dis`.

    Returns:
        flow_01 and flow_10, each (B, 2, H, W) float32 in pixels, x then y, on first's device.
    """
    height, width = first.shape[-2:]
    a, b = (_grey(frames) for frames in (first, last))
    flow_01, flow_10 = (
        torch.from_numpy(np.stack([estimate_flow(x, y, algorithm) for x, y in pairs])).to(first.device)
        for pairs in (zip(a, b, strict=True), zip(b, a, strict=True))
    )
    return flow_01[..., :height, :width], flow_10[..., :height, :width]


def warped_blend(first: Tensor, last: Tensor, t: Tensor, flow_01: Tensor, flow_10: Tensor) -> Tensor:
    """(1 - t) warp(first, t flow_10) + t warp(last, (1 - t) flow_01), in-betweens by bidirectional flow.

    A backward warp needs the flow at the in-between's own pixels. It is approximated by the keyframes' flows
    at the same pixel, which is right where motion is smooth. Warping `first` with flow_01 instead would move
    it away from the target.

    Args:
        first: (B, 3, H, W) in [0, 1].
        last: (B, 3, H, W) in [0, 1].
        t: (B, N) in (0, 1).
        flow_01: (B, 2, H, W) in pixels.
        flow_10: (B, 2, H, W) in pixels.

    Returns:
        (B, N, 3, H, W) float32 in [0, 1].
    """
    frames = []
    for column in t.float().unbind(1):
        weight = column.view(-1, 1, 1, 1)
        from_first = backward_warp(first, weight * flow_10)
        from_last = backward_warp(last, (1 - weight) * flow_01)
        frames.append((1 - weight) * from_first + weight * from_last)
    return torch.stack(frames, dim=1)


def _grey(frames: Tensor) -> list[NDArray[np.uint8]]:
    """Grey images (H, W) of frames (B, 3, H, W) in [0, 1], padded to the size that DIS needs."""
    height, width = frames.shape[-2:]
    if min(height, width) < SMALLEST_SIDE:
        frames = pad_to_multiple(frames, SMALLEST_SIDE)
    pixels = (frames.detach().float().cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in pixels]
