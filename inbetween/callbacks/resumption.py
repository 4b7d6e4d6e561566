"""Checkpoints that resume exactly, whenever they are written."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from inbetween.callbacks.run_folder import is_dry


class Resumption(L.Callback):
    """Makes every checkpoint one of the end of an optimiser step, which resumes with the next batch.

    Weights, optimiser and schedule change at optimiser steps alone. Lightning 2.6 counts on, and then saves
    what it has counted:

    - Where gradients are accumulated it counts batches whose gradient no checkpoint holds.
    - Where a run ends in the middle of an epoch (`max_steps`, `max_time`, a callback) it counts the epoch as
      done, and a run that goes on skips the rest of it.

    Hence a checkpoint gets the counts of the last optimiser step. `ModelCheckpoint` with `save_last: true`
    leaves `last.ckpt` of a run's last step even where that is no multiple of `every_n_train_steps`; it
    saves nothing when a run fails before its first step or within one, and nothing in a dry run
    (`fast_dev_run`). The command line adds this callback by itself.
    """

    def __init__(self) -> None:
        self._counts: dict[str, Any] = {}  # of Lightning's loops, at the end of the last optimiser step
        self._step = 0
        self._saved = -1  # step of the last checkpoint that is whole
        self._whole = False  # whether a step has been taken, and none is under way

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Reset; in a dry run, let no checkpoint be written."""
        self._counts, self._saved, self._whole = {}, -1, False
        if is_dry(trainer):
            for writer in _writers(trainer):
                writer.save_last = False  # Lightning 2.6 writes it even so

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """On resume: the last optimiser step is the checkpoint's."""
        if trainer.state.fn == "fit":
            self._counts = checkpoint["loops"]["fit_loop"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count from the step that a checkpoint may have brought."""
        self._step = trainer.global_step

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """From here on the weights may be of two steps."""
        self._whole = False

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Remember the counts, if this batch ended with a step of the optimiser."""
        if trainer.global_step != self._step:
            self._step, self._whole = trainer.global_step, True
            self._counts = trainer.fit_loop.state_dict()

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go back to the counts of the last optimiser step."""
        self._saved = trainer.global_step
        if self._counts:
            checkpoint["loops"]["fit_loop"] = self._counts
            checkpoint["epoch"] = self._counts["epoch_progress"]["current"]["processed"]

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Let nothing be saved that could not be resumed; Lightning calls checkpoint callbacks after this."""
        if not self._whole:
            for writer in _writers(trainer):
                writer.save_on_exception = False

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Bring `last.ckpt` up to the last step, which `every_n_train_steps` may have left out."""
        writers = _writers(trainer)
        # of several, the last checkpoint may be another one's
        if len(writers) == 1 and self._saved == trainer.global_step:
            return
        for writer in writers:
            if writer.save_last is True and writer.last_model_path and self._whole:
                trainer.save_checkpoint(writer.last_model_path, writer.save_weights_only)


def _writers(trainer: L.Trainer) -> list[ModelCheckpoint]:
    return [writer for writer in trainer.checkpoint_callbacks if isinstance(writer, ModelCheckpoint)]
