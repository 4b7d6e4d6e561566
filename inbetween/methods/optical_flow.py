"""Optical flow: warp both keyframes to t along a classical flow, then blend."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inbetween.methods.base import Generators, Method
from inbetween.modules.classical_flow import Algorithm, two_way_flow, warped_blend
from inbetween.types import WindowBatch


class OpticalFlow(Method):
    """Bidirectional classical flow; frame = (1 - t) warp(first, t flow_10) + t warp(last, (1 - t) flow_01).

    Args:
        algorithm: `farneback` (Farnebäck, SCIA 2003) with pyramid scale 0.5, 3 levels, window 15,
            3 iterations, poly_n 5, poly_sigma 1.2; or `dis`, dense inverse search at OpenCV's medium
            preset (Kroeger et al., arXiv 1603.03590).
        sampled_batches: Validation interpolates the windows of its first this many batches, for metrics and
            image grids, and computes the loss on all. Test interpolates all.
    """

    exact_endpoints = True
    time_symmetric = True
    supports_alpha = True

    def __init__(self, algorithm: Algorithm = "farneback", sampled_batches: int = 4) -> None:
        super().__init__(sampled_batches)
        self.algorithm = algorithm

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        return self.interpolator(first, last)(t)

    def interpolator(
        self, first: Tensor, last: Tensor, generator: Sequence[torch.Generator] = ()
    ) -> Callable[[Tensor], Tensor]:
        """See `Method.interpolator`: the flow is estimated once."""
        flows = two_way_flow(first[:, :3], last[:, :3], self.algorithm)
        return lambda t: warped_blend(first, last, t, *flows)

    def flows(self, batch: WindowBatch) -> Tensor:
        """See `Method.flows`."""
        flow_01, flow_10 = two_way_flow(batch["first"], batch["last"], self.algorithm)
        t = batch["t"].float()[:, :, None, None, None]
        return torch.cat([t * flow_10[:, None], (1 - t) * flow_01[:, None]], dim=2)
