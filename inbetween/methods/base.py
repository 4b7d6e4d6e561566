"""What every method shares: steps, logging and optimisers. A method adds its idea and nothing else."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Literal

import lightning as L
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import default_collate

from inbetween.errors import UserError, check_at_least
from inbetween.functional.schedules import cosine_after_warmup
from inbetween.functional.seeds import generators
from inbetween.types import Preparation, StepOutput, WindowBatch
from inbetween.weights.frozen import leave_frozen_out

Generators = Sequence[torch.Generator] | torch.Generator | None

# Hyperparameters that belong to the run and not to the weights: a checkpoint does not bring them along.
RUN_HYPERPARAMETERS = ["optimizer", "schedule", "warmup_steps", "sampling", "sampled_batches"]


class Method(L.LightningModule, ABC):
    """A way to draw the frames between two keyframes.

    Args:
        sampled_batches: Validation draws the windows of its first this many batches, for metrics and
            pictures, and takes the loss on all. Test draws all.
    """

    #: t -> 0 and t -> 1 approach the keyframes.
    exact_endpoints: ClassVar[bool] = False
    #: Swapping the keyframes and t -> 1 - t gives the same frames in reverse.
    time_symmetric: ClassVar[bool] = False
    #: `interpolate` takes a fourth channel, opacity in [0, 1], and moves it as it moves the first three.
    supports_alpha: ClassVar[bool] = False

    def __init__(self, sampled_batches: int = 4) -> None:
        super().__init__()
        check_at_least(0, sampled_batches=sampled_batches)
        self.sampled_batches = sampled_batches

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

    def interpolator(
        self, first: Tensor, last: Tensor, generator: Sequence[torch.Generator] = ()
    ) -> Callable[[Tensor], Tensor]:
        """What draws between two keyframes, a few frames at a time.

        A method that finds out something about keyframes which does not depend on `t` does it here, once.

        Args:
            first: As for `interpolate`.
            last: As for `interpolate`.
            generator: One torch.Generator per sample, from whose state every call draws anew.

        Returns:
            Takes t (B, N) and gives the frames of `interpolate`, the same however t is dealt out to calls.
        """
        return lambda t: self.interpolate(first, last, t, [each.clone_state() for each in generator])

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        """Refuse `fit`: a method without weights has no loss."""
        raise nothing_to_train(self)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Refuse `fit` before anything is written."""
        raise nothing_to_train(self)

    def interpolate_batch(self, batch: WindowBatch) -> Tensor:
        """Frames (B, N, 3, H, W) of a batch, seeded by each sample's own seed."""
        return self.interpolate(batch["first"], batch["last"], batch["t"], generators(batch["seed"]))

    def flows(self, batch: WindowBatch) -> Tensor | None:
        """What `interpolate_batch` warps a batch's keyframes along, where that is all it does; else None.

        Returns:
            (B, N, 4, H, W) in pixels, from each drawing to first (x, y) and to last (x, y).
        """
        return None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the method, so that a checkpoint is never loaded into another one.

        Networks handed over in Python are weights or frozen, no hyperparameters to be pickled.
        """
        checkpoint["method"] = f"{type(self).__module__}.{type(self).__qualname__}"
        hyperparameters = checkpoint.setdefault("hyper_parameters", {})
        for name in [name for name, value in hyperparameters.items() if isinstance(value, torch.nn.Module)]:
            del hyperparameters[name]

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> StepOutput:
        """Loss of the batch, and the frames of all its windows if it is one of the first batches."""
        output = self._evaluate(batch, "val")
        return self._with_frames(batch, output) if batch_idx < self.sampled_batches else output

    def test_step(self, batch: WindowBatch, batch_idx: int) -> StepOutput:
        """Loss and frames of every window."""
        return self._with_frames(batch, self._evaluate(batch, "test"))

    def predict_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        """Frames (B, N, 3, H, W) of every window."""
        return self.interpolate_batch(batch)

    def _with_frames(self, batch: WindowBatch, output: StepOutput) -> StepOutput:
        return {**output, "frames": self.interpolate_batch(batch)}

    def _evaluate(self, batch: WindowBatch, stage: str) -> StepOutput:
        return {}


def nothing_to_train(method: Method) -> UserError:
    """What to say when a method without weights is asked to train."""
    return UserError(
        f"{type(method).__name__} has nothing to train: run `validate`, `test`, `predict` or `compare`."
    )


def no_end() -> UserError:
    """What to say when a learning rate is to fall to zero at the end of a run that has none."""
    return UserError(
        "The cosine schedule needs an end, and this run has none: set trainer.max_steps or"
        " trainer.max_epochs, or schedule to constant."
    )


def adamw(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """AdamW with the learning rate 1e-4."""
    return torch.optim.AdamW(parameters, lr=1e-4)


class TrainableMethod(Method):
    """A method with weights. Subclasses pass its arguments on as `**options`.

    Args:
        optimizer: Called with the trainable parameters.
        schedule: Learning rate after the warm-up: `cosine` falls to zero at the end of training. A run that
            has ended and goes on with more steps gets the schedule of the new end; `constant` goes on as one
            that was never ended.
        warmup_steps: Optimiser steps in which the learning rate rises from zero.
        sampled_batches: See `Method`.
    """

    #: Frozen weights are part of checkpoints, too: there is no backbone that they could come from.
    saves_frozen: ClassVar[bool] = False

    def __init__(
        self,
        optimizer: OptimizerCallable = adamw,
        schedule: Literal["constant", "cosine"] = "cosine",
        warmup_steps: int = 0,
        sampled_batches: int = 4,
    ) -> None:
        super().__init__(sampled_batches)
        check_at_least(0, warmup_steps=warmup_steps)
        self.optimizer, self.schedule, self.warmup_steps = optimizer, schedule, warmup_steps
        if not self.saves_frozen:
            leave_frozen_out(self)

    def prepare_fit(self) -> None:
        """Fetch what only training needs; called before a run writes anything, and when `fit` starts.

        Raises:
            UserError: It cannot be had.
        """

    def on_fit_start(self) -> None:
        """Prepare, where the command line has not done it."""
        self.prepare_fit()

    def preparation(self, training: bool) -> Preparation | None:
        """What data workers are to compute of each window for `training_loss`; None: nothing.

        Everything that is drawn at random belongs here, seeded by the window's own seed, and everything that
        OpenCV or numpy computes: so a training step is tensor work on one device.

        Args:
            training: Whether the loss is trained on, or only measured.
        """
        return None

    def sample_of(self, batch: WindowBatch) -> Any:  # noqa: ANN401 - the method's own
        """What `preparation` made of a batch's windows, made now if no data worker has."""
        if "sample" in batch or (prepare := self.preparation(self.training)) is None:
            return batch.get("sample")
        windows: Any = move_data_to_device(batch, torch.device("cpu"))
        rows: list[Any] = [
            {name: values[row] for name, values in windows.items()} for row in range(len(windows["t"]))
        ]
        made = [prepare(row) for row in rows]
        return move_data_to_device(default_collate(made), batch["t"].device)

    @abstractmethod
    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """The loss of a batch, a mean over its samples, and further scalars in `logs`.

        Where there is a `preparation`, batches to train on hold what it made, to be had by `sample_of`, and
        no pictures. What is no mean over samples takes `modules.processes`, to be the same on any number of
        processes.
        """

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Besides what `Method` does, halve checkpoints that no training goes on from (`WeightsWriter`).

        float32 becomes float16, which has three bits more than the bfloat16 that networks compute in.
        """
        super().on_save_checkpoint(checkpoint)
        if "optimizer_states" not in checkpoint:
            weights = checkpoint["state_dict"]
            checkpoint["state_dict"] = {
                name: value.half() if value.dtype == torch.float32 else value
                for name, value in weights.items()
            }

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        """One loss, logged with its parts under `train/`."""
        return self._logged(batch, "train")["loss"]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser on what is trainable, and the schedule stepped every batch."""
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if not trainable:
            raise nothing_to_train(self)
        optimizer = self.optimizer(trainable)
        total = None
        if self.schedule == "cosine":
            steps = self.trainer.estimated_stepping_batches
            if math.isinf(steps):
                raise no_end()
            total = int(steps)
        scheduler = LambdaLR(optimizer, lambda step: cosine_after_warmup(step, self.warmup_steps, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _evaluate(self, batch: WindowBatch, stage: str) -> StepOutput:
        return self._logged(batch, stage)

    def _logged(self, batch: WindowBatch, stage: str) -> StepOutput:
        output = self.training_loss(batch)
        scalars = {f"{stage}/loss": output["loss"].detach()}
        scalars |= {f"{stage}/{key}": value.detach() for key, value in output.get("logs", {}).items()}
        training = stage == "train"
        # Lightning 2.6 takes the mean of the processes' counts in whole numbers: this one divides.
        windows = len(batch["t"]) * self.trainer.world_size
        self.log_dict(
            scalars,
            prog_bar=True,
            on_step=training,
            on_epoch=not training,
            sync_dist=True,
            batch_size=windows,
        )
        return output
