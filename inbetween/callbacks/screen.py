"""Progress bar and model summary."""

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelSummary, TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

SELDOM = 30.0  # seconds between two lines of the bar in a file


class StepProgressBar(TQDMProgressBar):
    """A progress bar of all optimiser steps for runs with `max_steps`; else one per epoch.

    Lightning's own counts a step-bound run's epochs, of whatever length, and does not show how much is left.
    In a file it is written every half a minute.
    """

    def init_train_tqdm(self) -> Tqdm:
        """Lightning's bar, updated rarely where the output is a file."""
        bar = super().init_train_tqdm()
        bar.miniters, bar.dynamic_miniters = 1, False  # time alone says when it is due
        if not sys.stdout.isatty():
            bar.mininterval = SELDOM
        return bar

    def on_train_start(self, trainer: L.Trainer, *_: object) -> None:
        """Show where the run begins, which a checkpoint may have brought."""
        super().on_train_start(trainer)
        bar = self.train_progress_bar
        if trainer.max_steps > 0 and not bar.disable:
            bar.set_description("Training", refresh=False)
            bar.unit = "step"
            bar.initial = trainer.global_step
            bar.reset(trainer.estimated_stepping_batches)
            bar.n = bar.last_print_n = trainer.global_step

    def on_train_epoch_start(self, trainer: L.Trainer, *_: object) -> None:
        """Begin another bar, unless there is one for all steps."""
        if trainer.max_steps < 0:
            super().on_train_epoch_start(trainer)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: object,
        batch_idx: int,
    ) -> None:
        """Show the step that has been taken, when the bar is due: metrics wait for the device."""
        bar = self.train_progress_bar
        done = trainer.global_step if trainer.max_steps > 0 else batch_idx + 1
        if bar.disable or done <= bar.n:
            return
        due = done % self.refresh_rate == 0 and time.time() - bar.last_print_t >= bar.mininterval
        if due or done == bar.total:
            bar.set_postfix(self.get_metrics(trainer, pl_module), refresh=False)
            bar.update(done - bar.n)
        else:
            bar.n = done  # shown next time, or when the run ends

    def get_metrics(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What is logged for the bar, without the number of the run's folder."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class ParameterSummary(ModelSummary):
    """One line: how many weights there are, and how many of them are trained."""

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]],
        total_parameters: int,
        trainable_parameters: int,
        *_: object,
        **__: object,
    ) -> None:
        """Print it."""
        print(f"weights: {total_parameters:,}, of which {trainable_parameters:,} are trained")
