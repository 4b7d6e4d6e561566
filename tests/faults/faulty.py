"""Callbacks that let things go wrong in a run."""

import os
import signal
import subprocess
from multiprocessing import active_children
from pathlib import Path
from shutil import disk_usage

import lightning as L

from inbetween.callbacks import weights_writer


class FullAfter(L.Callback):
    """Fills a disk before a step's end.

    Args:
        step: The step.
        disk: Where it is mounted.
        size: What the disk shrinks to; empty fills what there is.
    """

    def __init__(self, step: int, disk: Path, size: str) -> None:
        self.step, self.disk, self.size = step, disk, size

    def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step != self.step - 1:
            return
        if self.size:
            subprocess.run(["mount", "-o", f"remount,size={self.size}", str(self.disk)], check=True)
        else:
            self._fill()

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == trainer.max_steps and not self.size:
            self._fill()

    def _fill(self) -> None:
        with (self.disk / "filler").open("ab") as file:
            file.write(bytes(disk_usage(self.disk).free))


class Talkative(L.Callback):
    """Logs much at each step."""

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        for logger in trainer.loggers:
            logger.experiment.add_text("much", 10_000 * "x", trainer.global_step)  # type: ignore[attr-defined]


class KillWhileWriting(L.Callback):
    """Kills the process when half of the work on `weights.safetensors` is done."""

    def on_train_end(self, *_: object) -> None:
        weights_writer.torch.load = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]


class KillWorker(L.Callback):
    """Kills a data worker in the middle of an optimiser step.

    Args:
        step: The step.
        number: The signal.
    """

    def __init__(self, step: int, number: int = signal.SIGKILL) -> None:
        self.step, self.number = step, number

    def on_before_optimizer_step(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            pid = active_children()[0].pid
            assert pid is not None
            os.kill(pid, self.number)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
