"""A method of the user's own, by import path: small enough that every command takes a moment with it."""

from typing import Any

import torch
from torch import Tensor, nn

from inbetween.methods.base import Generators, TrainableMethod
from inbetween.types import StepOutput, WindowBatch


class Blend(TrainableMethod):
    """A cross-fade through two convolutions.

    Args:
        width: Channels between them.
        needs: Numbers that each drawing asks the machine's memory for.
        fails: Exception that every loss ends in: a mistake of the method's own.
    """

    architecture = ("width",)

    def __init__(self, width: int = 2, needs: int = 0, fails: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.needs, self.fails = needs, fails
        self.network = nn.Sequential(nn.Conv2d(6, width, 1), nn.Conv2d(width, 3, 1))

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        torch.empty(self.needs)
        place = t[:, :, None, None, None]
        mixed = (1 - place) * first[:, None] + place * last[:, None]
        shift = self.network(torch.cat([first, last], 1))
        return (mixed + 0 * shift[:, None]).float().clamp(0, 1)

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        if self.fails == "MisconfigurationException":
            self.log("train/loss", torch.zeros(()), on_step=False, on_epoch=False, reduce_fx="nonsense")
        if self.fails:
            raise {"ValueError": ValueError, "RuntimeError": RuntimeError, "KeyError": KeyError}[self.fails]
        drawn = self.interpolate(batch["first"], batch["last"], batch["t"])
        return {"loss": (drawn - batch["targets"]).abs().mean()}


class Other(Blend):
    """The same by another name."""
