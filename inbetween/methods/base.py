"""What every method shares: steps, logging and optimisers. A method adds its idea and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import lightning as L
import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from inbetween.errors import UserError
from inbetween.functional.schedules import cosine_after_warmup
from inbetween.functional.seeds import generators
from inbetween.modules.frozen import leave_frozen_out
from inbetween.types import StepOutput, WindowBatch

Generators = Sequence[torch.Generator] | torch.Generator | None

# Hyperparameters that belong to the run and not to the weights: a checkpoint does not bring them along.
RUN_HYPERPARAMETERS = ["optimizer", "schedule", "warmup_steps", "sampling", "val_windows"]


class Method(L.LightningModule, ABC):
    """A way to draw the frames between two keyframes.

    Args:
        val_windows: Validation draws the first this many windows, for metrics and pictures; the loss is
            taken on all. Test draws all.
    """

    #: t -> 0 and t -> 1 approach the keyframes.
    reaches_keyframes: ClassVar[bool] = False
    #: Swapping the keyframes and t -> 1 - t gives the same frames in reverse.
    mirrors: ClassVar[bool] = False

    def __init__(self, val_windows: int = 16) -> None:
        super().__init__()
        self.val_windows = val_windows

    @abstractmethod
    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """Draw the frames at `t`.

        Args:
            first: (B, 3, H, W) in [0, 1], any H and W.
            last: (B, 3, H, W) in [0, 1].
            t: (B, N) in (0, 1).
            generator: One torch.Generator per sample, so that a sample's frames do not depend on its
                batch; or one for all; None for torch's own. Methods without chance ignore it.

        Returns:
            (B, N, 3, H, W) float32 in [0, 1].
        """

    def setup(self, stage: str) -> None:
        """Refuse `fit` for a method without weights."""
        if stage == "fit" and not isinstance(self, TrainableMethod):
            raise UserError(
                f"{type(self).__name__} has nothing to train: run `validate`, `test`, `predict` or `compare`."
            )

    def draw(self, batch: WindowBatch, rows: Tensor | None = None) -> Tensor:
        """Frames (M, N, 3, H, W) of the batch's `rows` (M,), seeded by each sample's own seed."""
        rows = torch.arange(len(batch["seed"]), device=batch["t"].device) if rows is None else rows
        return self.interpolate(
            batch["first"][rows], batch["last"][rows], batch["t"][rows], generators(batch["seed"][rows])
        )

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> StepOutput:
        """Loss on the whole batch; frames of the windows whose index is below `val_windows`."""
        output = self._evaluate(batch, "val")
        rows = torch.nonzero(batch["index"] < self.val_windows).flatten()
        if len(rows):
            output |= {"frames": self.draw(batch, rows), "rows": rows}
        return output

    def test_step(self, batch: WindowBatch, batch_idx: int) -> StepOutput:
        """Loss and frames of every window."""
        output = self._evaluate(batch, "test")
        rows = torch.arange(len(batch["seed"]), device=self.device)
        output |= {"frames": self.draw(batch), "rows": rows}
        return output

    def predict_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        """Frames (B, N, 3, H, W) of every window."""
        return self.draw(batch)

    def _evaluate(self, batch: WindowBatch, stage: str) -> StepOutput:
        return {}


class TrainableMethod(Method):
    """A method with weights.

    Args:
        optimizer: Called with the trainable parameters.
        schedule: Learning rate after the warm-up: `cosine` falls to zero at the end of training.
        warmup_steps: Optimiser steps in which the learning rate rises from zero.
        val_windows: See `Method`.
    """

    def __init__(
        self,
        optimizer: OptimizerCallable,
        schedule: Literal["constant", "cosine"] = "cosine",
        warmup_steps: int = 0,
        val_windows: int = 16,
    ) -> None:
        super().__init__(val_windows)
        self.optimizer, self.schedule, self.warmup_steps = optimizer, schedule, warmup_steps
        leave_frozen_out(self)

    @abstractmethod
    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """The loss of a batch, seeded by each sample's own seed, and further scalars in `logs`."""

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        """One loss, logged with its parts under `train/`."""
        return self._logged(batch, "train")["loss"]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser on what is trainable, and the schedule stepped every batch."""
        optimizer = self.optimizer([parameter for parameter in self.parameters() if parameter.requires_grad])
        total = int(self.trainer.estimated_stepping_batches) if self.schedule == "cosine" else None
        scheduler = LambdaLR(optimizer, lambda step: cosine_after_warmup(step, self.warmup_steps, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _evaluate(self, batch: WindowBatch, stage: str) -> StepOutput:
        return self._logged(batch, stage)

    def _logged(self, batch: WindowBatch, stage: str) -> StepOutput:
        output = self.training_loss(batch)
        scalars = {f"{stage}/loss": output["loss"].detach()}
        scalars |= {f"{stage}/{key}": value.detach() for key, value in output.get("logs", {}).items()}
        training = stage == "train"
        self.log_dict(
            scalars, prog_bar=True, on_step=training, on_epoch=not training, sync_dist=True, batch_size=len(batch["t"])
        )
        return output
