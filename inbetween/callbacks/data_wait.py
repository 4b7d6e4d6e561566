"""The share of training time spent waiting for data."""

import time
from typing import Protocol, runtime_checkable

import lightning as L
from lightning.pytorch.utilities import rank_zero_info

from inbetween.machine import cores

MUCH = 0.2  # share of the time from which it warns
STEPS, SECONDS = 20, 30.0  # after which the share is meaningful


@runtime_checkable
class Waits(Protocol):
    """A loader that measures how long it was waited for, as the data module's do."""

    waited: float  # seconds so far
    num_workers: int


class DataWait(L.Callback):
    """Logs the share of training time that was spent waiting for data, as `train/data_wait` in [0, 1].

    Above a fifth it warns once and says what helps. Validation does not count. The command
    line adds this callback by itself.
    """

    def __init__(self) -> None:
        self._begin = self._paused = self._waited = 0.0
        self._steps = 0
        self._said = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin to measure."""
        self._begin, self._steps, self._said = time.perf_counter(), 0, False
        self._waited = _waited(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock."""
        self._paused = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restart the clock."""
        self._begin += time.perf_counter() - self._paused

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Log, and warn if the share is large."""
        self._steps += 1
        share, seconds = self._share(trainer)
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set where mypy does not look
        if every and trainer.global_step % every == 0:
            pl_module.log("train/data_wait", share, batch_size=1)
        if self._steps >= STEPS and seconds >= SECONDS:
            self._speak(trainer, share)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Warn at the end of a short run."""
        if self._steps >= STEPS:
            self._speak(trainer, self._share(trainer)[0])

    def _share(self, trainer: L.Trainer) -> tuple[float, float]:
        """Share of the seconds so far, and those."""
        seconds = time.perf_counter() - self._begin
        return min((_waited(trainer) - self._waited) / max(seconds, 1e-9), 1.0), seconds

    def _speak(self, trainer: L.Trainer, share: float) -> None:
        loader = trainer.train_dataloader
        if share <= MUCH or self._said or not isinstance(loader, Waits):
            return
        self._said = True
        rank_zero_info(
            f"This run waited for data {share:.0%} of its time: raise data.num_workers"
            f" ({loader.num_workers} now; it may use {cores()} cores), or lower data.size."
        )


def _waited(trainer: L.Trainer) -> float:
    loader = trainer.train_dataloader
    return loader.waited if isinstance(loader, Waits) else 0.0
