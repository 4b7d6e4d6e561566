"""The share of training time spent waiting for data."""

import time
from typing import Protocol, runtime_checkable

import lightning as L
from lightning.pytorch.utilities import rank_zero_info

from inbetween.machine import cores

WARN_SHARE = 0.2  # share of the time above which it warns
MIN_STEPS, MIN_SECONDS = 20, 30.0  # below which the share means little


@runtime_checkable
class Waits(Protocol):
    """A loader that measures its waiting time, as the data module's do."""

    waited: float  # seconds spent waiting for it so far
    num_workers: int


class DataWait(L.Callback):
    """Logs the share of training time that was spent waiting for data, as `train/data_wait` in [0, 1].

    Above a fifth it warns once, and names the settings that help. Validation does not count. The command
    line adds this callback by itself.
    """

    def __init__(self) -> None:
        self._start = self._paused = self._waited = 0.0
        self._steps = 0
        self._warned = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._start, self._steps, self._warned = time.perf_counter(), 0, False
        self._waited = _waited(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock."""
        self._paused = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restart the clock."""
        self._start += time.perf_counter() - self._paused

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Log, and warn if the share is large."""
        self._steps += 1
        share, seconds = self._share(trainer)
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # not declared
        if every and trainer.global_step % every == 0:
            pl_module.log("train/data_wait", share, batch_size=1)
        if self._steps >= MIN_STEPS and seconds >= MIN_SECONDS:
            self._warn(trainer, share)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Warn at the end of a short run."""
        if self._steps >= MIN_STEPS:
            self._warn(trainer, self._share(trainer)[0])

    def _share(self, trainer: L.Trainer) -> tuple[float, float]:
        """Share of the seconds so far, and those."""
        seconds = time.perf_counter() - self._start
        return min((_waited(trainer) - self._waited) / max(seconds, 1e-9), 1.0), seconds

    def _warn(self, trainer: L.Trainer, share: float) -> None:
        loader = trainer.train_dataloader
        if share <= WARN_SHARE or self._warned or not isinstance(loader, Waits):
            return
        self._warned = True
        rank_zero_info(
            f"This run waited for data {share:.0%} of its time: raise data.num_workers"
            f" ({loader.num_workers} now; it may use {cores()} cores), or lower data.size."
        )


def _waited(trainer: L.Trainer) -> float:
    loader = trainer.train_dataloader
    return loader.waited if isinstance(loader, Waits) else 0.0
