"""Optical flow: warp both keyframes to t along a classical flow, then blend."""

from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.warp import backward_warp
from inbetween.methods.base import Generators, Method

Algorithm = Literal["farneback", "dis"]

# DIS finds nothing to match below this many pixels.
SMALLEST_SIDE = 64


class OpticalFlow(Method):
    """Two-way classical flow; frame = (1 - t) warp(first, t flow_10) + t warp(last, (1 - t) flow_01).

    A backward warp needs the flow at the in-between's own pixels. The motion there is taken from the
    keyframes' flows at the same place, which holds where motion is smooth. Warping `first` with
    flow_01 instead would move it away from the target.

    Args:
        algorithm: `farneback` (Farnebäck, SCIA 2003) with pyramid scale 0.5, 3 levels, window 15,
            3 iterations, poly_n 5, poly_sigma 1.2; or `dis`, dense inverse search at OpenCV's medium
            preset (Kroeger et al., arXiv 1603.03590).
        sampled_batches: See `Method`.
    """

    reaches_keyframes = True
    mirrors = True

    def __init__(self, algorithm: Algorithm = "farneback", sampled_batches: int = 4) -> None:
        super().__init__(sampled_batches)
        self.save_hyperparameters(ignore=["sampled_batches"])
        self.algorithm = algorithm

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        height, width = first.shape[-2:]
        a, b = (_grey(frames) for frames in (first, last))
        flow_01, flow_10 = (
            torch.from_numpy(np.stack([estimate_flow(x, y, self.algorithm) for x, y in pairs])).to(
                first.device
            )
            for pairs in (zip(a, b, strict=True), zip(b, a, strict=True))
        )
        flow_01, flow_10 = flow_01[..., :height, :width], flow_10[..., :height, :width]
        frames = []
        for column in t.float().unbind(1):
            weight = column.view(-1, 1, 1, 1)
            from_first = backward_warp(first, weight * flow_10)
            from_last = backward_warp(last, (1 - weight) * flow_01)
            frames.append((1 - weight) * from_first + weight * from_last)
        return torch.stack(frames, dim=1)


def estimate_flow(
    source: NDArray[np.uint8], target: NDArray[np.uint8], algorithm: Algorithm
) -> NDArray[np.float32]:
    """Flow (2, H, W) in pixels, x then y, from `source` to `target`, grey pictures (H, W)."""
    if algorithm == "farneback":
        flow = cv2.calcOpticalFlowFarneback(source, target, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    else:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        flow = dis.calc(source, target, None)
    return np.ascontiguousarray(np.moveaxis(flow, -1, 0), dtype=np.float32)


def _grey(frames: Tensor) -> list[NDArray[np.uint8]]:
    """Grey pictures (H, W) of frames (B, 3, H, W) in [0, 1], no smaller than DIS needs."""
    height, width = frames.shape[-2:]
    if min(height, width) < SMALLEST_SIDE:
        frames = pad_to_multiple(frames, SMALLEST_SIDE)
    pixels = (frames.detach().float().cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pixels]
