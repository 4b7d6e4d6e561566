"""Both keyframes warped to t and blended: an initial image for diffusion methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from inbetween.errors import UserError
from inbetween.methods.spacing_flow.interpolation import build_spaced_interpolator
from inbetween.methods.spacing_flow.network import IntermediateFlow
from inbetween.methods.spacing_flow.prior import prior_flow_of_pair
from inbetween.modules.classical_flow import two_way_flow, warped_blend
from inbetween.paths import find_checkpoint
from inbetween.weights.checkpoints import read_weights

DIS = "dis"


class Blend(Protocol):
    """Warps both keyframes to t and blends them."""

    def prior_flows(self, first: Tensor, last: Tensor) -> Tensor:
        """The classical flow between keyframes (B, C, H, W), (B, 4, h, w): computed by data workers."""

    def __call__(
        self, first: Tensor, last: Tensor, flows: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Estimate the motion between keyframes.

        Args:
            first: (B, C, H, W), C at least 3, colour in [0, 1] and channels that are warped with it.
            last: (B, C, H, W).
            flows: What `prior_flows` gives for these keyframes, if already computed.

        Returns:
            A function from t (B, N) in (0, 1) to the blends (B, N, C, H, W) float32, about in the keyframes'
            range.
        """


class DisBlend:
    """A `Blend` along DIS flow."""

    @staticmethod
    def prior_flows(first: Tensor, last: Tensor) -> Tensor:
        """See `Blend`."""
        return torch.cat(two_way_flow(first[:, :3], last[:, :3], "dis"), dim=1)

    def __call__(
        self, first: Tensor, last: Tensor, flows: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """See `Blend`."""
        flow_01, flow_10 = (self.prior_flows(first, last) if flows is None else flows).chunk(2, dim=1)
        return lambda t: warped_blend(first, last, t, flow_01, flow_10)


class SpacingFlowBlend:
    """A `Blend` along the flow of a trained `SpacingFlow`.

    Args:
        weights: A file that `WeightsWriter` wrote; shipped ones are found by their name.

    Raises:
        UserError: They are missing, or of another method.
    """

    def __init__(self, weights: str) -> None:
        path = find_checkpoint(weights)
        self.network = IntermediateFlow().requires_grad_(False).eval()
        part = "network."
        try:
            saved = read_weights(path)["state_dict"]
            self.network.load_state_dict({name.removeprefix(part): value for name, value in saved.items()})
        except Exception as error:
            raise UserError(
                f"{path} are no weights of a spacing flow ({type(error).__name__}): give the"
                " weights.safetensors that a training of spacing_flow.yaml wrote, or dis."
            ) from error

    @staticmethod
    def prior_flows(first: Tensor, last: Tensor) -> Tensor:
        """See `Blend`."""
        return prior_flow_of_pair(first, last)

    def __call__(
        self, first: Tensor, last: Tensor, flows: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """See `Blend`; beyond 256x256 pixels OpenCV also refines the motion."""
        interpolator = build_spaced_interpolator(
            self.network.to(first.device), first, last, prior_flows=flows
        )
        return lambda t: interpolator(t[:, :, None, None, None].expand(-1, -1, 1, *first.shape[-2:]))[0]


def load_blend(flow: str) -> Blend:
    """A blend along `dis` flow, or along the flow of the `SpacingFlow` weights in the file `flow`."""
    return DisBlend() if flow == DIS else SpacingFlowBlend(flow)
