"""An exponential moving average of the weights."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from inbetween.callbacks.whole_weights import need_whole_weights
from inbetween.errors import UserError
from inbetween.modules.fsdp import load_whole, sharded_like, whole


class EMA(L.Callback):
    """Exponential moving average of the trainable weights, used for everything but training.

    After the n-th optimiser step (n = 0, 1, ...) each trainable parameter's average becomes d average + (1 -
    d) weight with d = min(decay, (1 + n) / (10 + n)), so that the random initialisation is soon forgotten.
    Validation uses the average, and so do the model after `fit` and what is written then. A checkpoint's
    `state_dict` is the average, which is all that `test`, `predict` and `compare` need; the training weights
    are stored beside it, so that `fit` resumes as if it had never stopped.

    Frozen weights are neither copied nor averaged, buffers stay as training left them. A checkpoint that
    was made without this callback starts the average at its weights; one that was made with it resumes
    without it from the average. Replicas (DDP) hold equal averages, since their weights are equal; with
    `FSDP2Strategy` averages are sharded as the weights are. Other strategies that shard them are refused.

    Args:
        decay: Share in [0, 1) of the old average in the new one; 0.999 averages about the last 1000 steps.

    Raises:
        UserError: `decay` is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"EMA's decay is {decay}: give a number from 0 to below 1.")
        self.decay = decay
        self._average: dict[str, Tensor] = {}
        self._training_weights: dict[str, Tensor] = {}  # training weights, while the average is in the model
        self._updates = 0
        self._step = 0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Reset, and check that the trainer supports this.

        Raises:
            UserError: Weights are sharded, or checkpoints leave out callback states.
        """
        if stage != "fit":
            return
        need_whole_weights(trainer, self, or_fsdp2=True)
        writers = [writer for writer in trainer.checkpoint_callbacks if isinstance(writer, ModelCheckpoint)]
        if any(writer.save_weights_only for writer in writers):
            raise UserError(
                "ModelCheckpoint with save_weights_only saves the training weights and not their average:"
                " switch it off, or leave EMA out."
            )
        self._average, self._training_weights, self._updates = {}, {}, 0

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """On resume: load the average, and put the training weights into the model."""
        saved = checkpoint["callbacks"].get(self.state_key)
        if saved is not None and trainer.state.fn == "fit":
            own = _trainable(pl_module)
            self._average = {
                name: sharded_like(checkpoint["state_dict"][name], own[name]) for name in saved["training"]
            }
            self._updates = saved["updates"]
            load_whole(pl_module, saved["training"], strict=False)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the average at the weights, unless a checkpoint had one."""
        self._average = {
            # in float32 at least: bf16 would lose an average's small updates
            name: self._average.get(name, weight.detach()).to(
                weight.device, torch.promote_types(weight.dtype, torch.float32), copy=True
            )
            for name, weight in _trainable(pl_module).items()
        }

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count from the checkpoint's step, if the run resumes."""
        self._step = trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Update the average, if this batch ended with a step of the optimiser."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        decay = min(self.decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        for name, weight in _trainable(pl_module).items():
            average = self._average[name]
            average.lerp_(weight.detach().to(average.dtype), 1 - decay)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Swap the average in for validation."""
        if trainer.state.fn == "fit":
            self._use_average(pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Swap the training weights back in."""
        if trainer.state.fn == "fit":
            _put(pl_module, self._training_weights)
            self._training_weights = {}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the average in the model; the training weights are kept for a checkpoint saved later."""
        self._use_average(pl_module)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the average in the place of the training weights, and those beside it."""
        weights = checkpoint["state_dict"]
        # sharded ones are gathered by all processes, and written by the first, which alone has weights here
        average = {name: whole(value) for name, value in self._average.items()}
        training = {name: whole(value) for name, value in self._training_weights.items()}
        if not trainer.is_global_zero:
            return
        checkpoint["callbacks"][self.state_key] = {
            "training": {name: training.get(name, weights[name]) for name in average},
            "updates": self._updates,
        }
        weights.update(average)

    def _use_average(self, pl_module: L.LightningModule) -> None:
        self._training_weights = {
            name: weight.detach().clone() for name, weight in _trainable(pl_module).items()
        }
        _put(pl_module, self._average)


def _trainable(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Parameters that training changes, under every name that `module.state_dict()` has for them."""
    named = module.named_parameters(remove_duplicate=False)
    return {name: weight for name, weight in named if weight.requires_grad}


@torch.no_grad()
def _put(module: torch.nn.Module, values: dict[str, Tensor]) -> None:
    """Copy values into the parameters of these names, in place: optimisers and DDP refer to them."""
    parameters = dict(module.named_parameters(remove_duplicate=False))
    for name, value in values.items():
        parameters[name].copy_(value)
