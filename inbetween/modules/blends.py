"""Both keyframes warped to t and blended: the drawing that a diffusion can start from."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from inbetween.errors import UserError
from inbetween.modules.classical_flow import two_way_flow, warped_blend
from inbetween.modules.flow import IntermediateFlow
from inbetween.modules.loading import read_weights
from inbetween.modules.spaced_drawing import draw_spaced
from inbetween.paths import find_checkpoint

#: Takes keyframes (B, C, H, W), C at least 3, colour in [0, 1] and channels that move with it, and t
#: (B, N) in (0, 1); gives (B, N, C, H, W) float32, about in the keyframes' range.
Blend = Callable[[Tensor, Tensor, Tensor], Tensor]

DIS = "dis"


def dis_blend(first: Tensor, last: Tensor, t: Tensor) -> Tensor:
    """A `Blend` along DIS flow."""
    return warped_blend(first, last, t, *two_way_flow(first[:, :3], last[:, :3], "dis"))


class SpacingFlowBlend:
    """A `Blend` along the flow of a trained `SpacingFlow`.

    Args:
        weights: What `WeightsWriter` wrote of it; one that ships is found by its name.

    Raises:
        UserError: They are missing, or of something else.
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

    def __call__(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """See `Blend`."""
        spacing = t[:, :, None, None, None].expand(-1, -1, 1, *first.shape[-2:])
        return draw_spaced(self.network.to(first.device), first, last, spacing)[0]


def load_blend(flow: str) -> Blend:
    """The blend along `dis` flow, or along that of the spacing flow whose weights are the file `flow`."""
    return dis_blend if flow == DIS else SpacingFlowBlend(flow)
