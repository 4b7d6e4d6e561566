"""Base classes of all methods: steps, logging and optimisers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import lightning as L
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import default_collate

from inbetween.errors import check_at_least
from inbetween.functional.schedules import cosine_after_warmup
from inbetween.functional.seeds import generators
from inbetween.methods.optimization import adamw, no_end, nothing_to_train
from inbetween.modules.fsdp import FSDP2Strategy, shards_nothing
from inbetween.types import Preparation, StepOutput, WindowBatch
from inbetween.weights.frozen import leave_frozen_out

Generators = Sequence[torch.Generator] | torch.Generator | None


class Method(L.LightningModule, ABC):
    """Interpolates the frames between two keyframes.

    Args:
        sampled_batches: Number of validation batches, the first ones, whose windows are interpolated, for
            metrics and image grids; the loss is computed on all. Test interpolates all.
    """

    #: t -> 0 and t -> 1 approach the keyframes.
    exact_endpoints: ClassVar[bool] = False
    #: Swapping the keyframes and t -> 1 - t gives the same frames in reverse.
    time_symmetric: ClassVar[bool] = False
    #: `interpolate` takes a fourth channel, opacity in [0, 1], and moves it as it moves the first three.
    supports_alpha: ClassVar[bool] = False
    #: In-betweens of two keyframes are frames of one sampled clip: all of them are asked for in one call.
    samples_clips: ClassVar[bool] = False
    #: It is constructed with trained weights and needs no checkpoint.
    begins_trained: bool = False

    def __init__(self, sampled_batches: int = 4) -> None:
        super().__init__()
        check_at_least(0, sampled_batches=sampled_batches)
        self.sampled_batches = sampled_batches

    @abstractmethod
    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """Interpolate the frames at `t`.

        Args:
            first: (B, 3, H, W) in [0, 1], any H and W.
            last: (B, 3, H, W) in [0, 1].
            t: (B, N) in (0, 1).
            generator: One torch.Generator per sample, so that a sample's frames do not depend on its
                batch; or one for all; None for torch's global one. Deterministic methods ignore it.

        Returns:
            (B, N, 3, H, W) float32 in [0, 1].
        """

    def interpolator(
        self, first: Tensor, last: Tensor, generator: Sequence[torch.Generator] = ()
    ) -> Callable[[Tensor], Tensor]:
        """A function that interpolates between two keyframes, for a few frames at a time.

        What does not depend on `t` is computed here, once for both keyframes.

        Args:
            first: As for `interpolate`.
            last: As for `interpolate`.
            generator: One torch.Generator per sample; every call starts from its state.

        Returns:
            A function from t (B, N) to the frames of `interpolate`, the same however t is split into calls.
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

    def check_trainer(self, trainer: L.Trainer) -> None:
        """Check, before a run writes anything, that the method can be run so.

        Raises:
            UserError: It cannot, such as with sharded weights if it does not shard any.
        """
        if isinstance(trainer.strategy, FSDP2Strategy) and not is_overridden("configure_model", self):
            raise shards_nothing(self)

    def check_windows(self, between: int) -> None:
        """Check, before a run writes anything, that its loss takes windows of so many in-betweens.

        Raises:
            UserError: It does not.
        """
        return

    def check_chart(self, t: Sequence[float]) -> None:
        """Check, before a command writes anything, that it interpolates at such t between two keyframes.

        Raises:
            UserError: It does not.
        """
        return

    def flows(self, batch: WindowBatch) -> Tensor | None:
        """The flows that `interpolate_batch` warps a batch's keyframes along; None if it does not warp.

        Returns:
            (B, N, 4, H, W) in pixels, from each in-between to first (x, y) and to last (x, y).
        """
        return None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the method's name, so that a checkpoint is never loaded into another method."""
        checkpoint["method"] = f"{type(self).__module__}.{type(self).__qualname__}"
        checkpoint.setdefault("hyper_parameters", {})  # Lightning leaves out an empty one

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


class TrainableMethod(Method):
    """A method with weights. Subclasses pass its arguments on as `**options`.

    Constructor arguments are of three kinds. Those of the *architecture* determine which weights there are
    and what they mean: the class lists them in `architecture`, checkpoints contain them, and loading a
    checkpoint overrides the config's. *Inference* options (sampling, sizes) and *training* options (loss
    weights, crops, optimiser) are not saved in checkpoints: they always come from the config or the command
    line. All are logged. A subclass with arguments of its own architecture extends the base's:

        architecture = (*DiffusionMethod.architecture, "weighting")

    Args:
        optimizer: Called with the trainable parameters.
        schedule: Learning rate after the warm-up: `cosine` decays to zero at the end of training; a finished
            run that is resumed with more steps gets the cosine of the new length. With `constant` a run that
            is resumed with more steps is the same as a longer one.
        warmup_steps: Optimiser steps in which the learning rate rises from zero.
        sampled_batches: Validation interpolates the windows of its first this many batches, for metrics and
            image grids, and computes the loss on all. Test interpolates all.
    """

    #: Names of the constructor arguments that belong to the weights, and are saved and loaded with them.
    architecture: ClassVar[tuple[str, ...]] = ()
    #: Whether frozen weights are saved in checkpoints, too, for methods without a pretrained backbone.
    saves_frozen: ClassVar[bool] = False

    def __init__(
        self,
        optimizer: OptimizerCallable = adamw,
        schedule: Literal["constant", "cosine"] = "cosine",
        warmup_steps: int = 0,
        sampled_batches: int = 4,
    ) -> None:
        super().__init__(sampled_batches)
        # Lightning collects the arguments of all constructors of the class, or those of the config.
        # Names with an underscore are LightningCLI's; modules are in the state dict.
        self.save_hyperparameters()
        self.remove_ignored_hparams(
            [
                name
                for name, value in self.hparams.items()
                if not name.startswith("_")
                and (name not in self.architecture or isinstance(value, torch.nn.Module))
            ]
        )
        check_at_least(0, warmup_steps=warmup_steps)
        self.optimizer, self.schedule, self.warmup_steps = optimizer, schedule, warmup_steps
        if not self.saves_frozen:
            leave_frozen_out(self)

    def prepare_fit(self) -> None:
        """Load what only training needs; called before a run writes anything, and when `fit` starts.

        Raises:
            UserError: It cannot be loaded.
        """

    def on_fit_start(self) -> None:
        """Prepare, if the command line has not."""
        self.prepare_fit()

    def preparation(self, training: bool) -> Preparation | None:
        """What data workers compute of each window for `training_loss`; None for nothing.

        Random numbers are sampled here, seeded by the window's own seed, and anything computed with OpenCV or
        numpy: so a training step consists of tensor operations on one device.

        Args:
            training: Whether it is for training, or for validation and test.
        """
        return None

    def sample_of(self, batch: WindowBatch) -> Any:  # noqa: ANN401 - the method's own type
        """The result of `preparation` for a batch, computed now if no data worker has."""
        if "sample" in batch or (prepare := self.preparation(self.training)) is None:
            return batch.get("sample")
        windows: Any = move_data_to_device(batch, torch.device("cpu"))
        rows: list[Any] = [
            {name: values[row] for name, values in windows.items()} for row in range(len(windows["t"]))
        ]
        samples = [prepare(row) for row in rows]
        return move_data_to_device(default_collate(samples), batch["t"].device)

    @abstractmethod
    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """The loss of a batch, a mean over its samples, and further scalars in `logs`.

        With a `preparation`, training batches contain its result (see `sample_of`) and no images. A
        term that is not a mean over samples needs `modules.processes`, to be the same on any number of
        processes.
        """

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """As `Method`, and store weights in float16 in checkpoints without optimiser states.

        These are written by `WeightsWriter`, and no training resumes from them. float16 has three bits of
        mantissa more than the bfloat16 that networks compute in.
        """
        super().on_save_checkpoint(checkpoint)
        if "optimizer_states" not in checkpoint:
            weights = checkpoint["state_dict"]
            checkpoint["state_dict"] = {
                name: value.half() if value.dtype == torch.float32 else value
                for name, value in weights.items()
            }

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        """The loss, logged with its terms under `train/`."""
        return self._logged(batch, "train")["loss"]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser of the trainable parameters, and the schedule, stepped every batch."""
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
        # Lightning 2.6 averages the processes' counts in integers: this product is divisible.
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
