"""A method of your own: a small network chooses, pixel by pixel, how to blend both keyframes."""

from typing import Any

import torch
from torch import Tensor, nn

from inbetween.methods import TrainableMethod
from inbetween.methods.base import Generators
from inbetween.types import StepOutput, WindowBatch


class LearnedBlend(TrainableMethod):
    """frame(t) = (1 - m) first + m last, with a mask m in [0, 1] from a network that sees both and t.

    Args:
        width: Channels of the network.
        **options: See `TrainableMethod`.
    """

    # arguments that checkpoints hold
    architecture = ("width",)

    def __init__(self, width: int = 16, **options: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(**options)
        self.network = nn.Sequential(
            nn.Conv2d(7, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`: all N frames in one call."""
        first, last = (keyframe[:, None].expand(-1, t.shape[1], -1, -1, -1) for keyframe in (first, last))
        place = t[:, :, None, None, None].expand_as(first[:, :, :1])
        mask = self.network(torch.cat([first, last, place], dim=2).flatten(0, 1)).sigmoid()
        mask = mask.unflatten(0, t.shape).float()
        return (1 - mask) * first + mask * last

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """L1 to the true frames."""
        frames = self.interpolate(batch["first"], batch["last"], batch["t"])
        return {"loss": (frames - batch["targets"]).abs().mean()}
