"""The training: its YAML, the speed of its steps, and the run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from inbetween.callbacks import (
    EMA,
    Interruption,
    Resumption,
    StepProgressBar,
    WeightsWriter,
    WholeCheckpoints,
)
from inbetween.commands.reports import write_text
from inbetween.configs import read_config
from inbetween.data import WindowDataModule
from inbetween.methods.base import TrainableMethod
from inbetween.methods.loading import build_method
from inbetween.weights.precision import Precision

EXPERIMENT = "training.yaml"
RUN = "training"  # the folder of the run, in the output
WEIGHTS = "weights.safetensors"
DECAY = 0.99  # of the moving average: about the last hundred steps
SAVED_EVERY = 50  # steps between checkpoints
_WARM, _TIMED = 3, 9  # steps before and while the speed is measured


def experiment(
    base: str,
    model: dict[str, Any],
    data: dict[str, Any],
    steps: int,
    seed: int,
) -> dict[str, Any]:
    """The keys of a YAML file that `fit` takes.

    Args:
        base: The config of the method.
        model: Arguments of the method that differ from it.
        data: All keys of the data module.
        steps: Length of the training.
        seed: Of everything.
    """
    callbacks = [
        {"class_path": "inbetween.callbacks.EMA", "init_args": {"decay": DECAY}},
        {"class_path": "inbetween.callbacks.WeightsWriter"},
        {
            "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
            "init_args": {"save_last": True, "every_n_train_steps": SAVED_EVERY, "save_on_exception": True},
        },
    ]
    return {
        "base": base,
        "seed_everything": seed,
        "model": {"init_args": model},
        "data": data,
        "trainer": {
            "max_steps": steps,
            "limit_val_batches": 0,
            "val_check_interval": None,
            "callbacks": callbacks,
        },
    }


def write_experiment(path: Path, keys: dict[str, Any], weights: Path) -> None:
    """Write the YAML, with how to use it above it."""
    head = (
        "# A training on your own drawings, as `adapt` ran it. To repeat it, or for a longer one:\n"
        f"#   python -m inbetween fit --config {path} --ckpt_path {weights} \\\n"
        "#     --trainer.max_steps 5000\n"
    )
    write_text(path, head + yaml.safe_dump(keys, sort_keys=False))


def data_of(keys: dict[str, Any]) -> WindowDataModule:
    """The data module of a `data` section."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(WindowDataModule, "data")
    # jsonargparse parses nested arguments in place
    made: WindowDataModule = parser.instantiate(parser.parse_object({"data": deepcopy(keys)})).data
    return made


class Run:
    """One training.

    Args:
        keys: As `read_config` gives them.
        config: Where they are from, for messages.
        weights: That it starts from.
        precision: Of the trainer.
        accelerator: Of the trainer.
    """

    def __init__(
        self, keys: dict[str, Any], config: Path, weights: Path, precision: Precision, accelerator: str
    ) -> None:
        self.keys, self.config, self.weights = keys, config, weights
        self.precision, self.accelerator = precision, accelerator

    @classmethod
    def of(cls, path: Path, weights: Path, precision: Precision, accelerator: str) -> Run:
        """The run of a YAML file."""
        return cls(read_config(path), path, weights, precision, accelerator)

    def seconds_per_step(self) -> float:
        """Seconds that a step takes, data included, from a few that are thrown away."""
        clock = _Clock()
        self._fit([clock], _WARM + _TIMED, None, None)
        return (clock.times[-1] - clock.times[_WARM - 1]) / _TIMED

    def train(self, folder: Path) -> Path:
        """Train, or go on where an earlier run stopped; returns the file of weights in `folder`.

        Raises:
            KeyboardInterrupt: After the checkpoint was written that the same call goes on from.
        """
        written = folder / WEIGHTS
        if written.is_file():
            return written
        checkpoint = ModelCheckpoint(
            folder / "checkpoints", save_last=True, every_n_train_steps=SAVED_EVERY, save_on_exception=True
        )
        callbacks = [EMA(DECAY), WeightsWriter(), checkpoint, StepProgressBar()]
        last = folder / "checkpoints" / "last.ckpt"
        steps = self.keys["trainer"]["max_steps"]
        self._fit(callbacks, steps, folder, last if last.is_file() else None)
        return written

    def _fit(
        self, callbacks: Sequence[Callback], steps: int, folder: Path | None, checkpoint: Path | None
    ) -> None:
        trainer_keys = self.keys["trainer"]
        L.seed_everything(self.keys["seed_everything"], verbose=False)
        method = build_method(self.keys["model"], self.config, self.weights)
        assert isinstance(method, TrainableMethod)  # checked by the command
        trainer = L.Trainer(
            accelerator=self.accelerator,
            devices=1,
            precision=self.precision,
            max_steps=steps,
            max_epochs=-1,
            limit_val_batches=0,
            gradient_clip_val=trainer_keys["gradient_clip_val"],
            log_every_n_steps=10,
            logger=CSVLogger(folder.parent, "", folder.name) if folder else False,
            enable_checkpointing=folder is not None,
            enable_progress_bar=folder is not None,
            enable_model_summary=False,
            use_distributed_sampler=False,
            callbacks=[Interruption(), Resumption(), *callbacks],
        )
        trainer.strategy.checkpoint_io = WholeCheckpoints()
        try:
            trainer.fit(method.train(), data_of(self.keys["data"]), ckpt_path=checkpoint, weights_only=True)
        except SystemExit as ended:  # how Lightning exits after a KeyboardInterrupt
            if not isinstance(ended.__context__, KeyboardInterrupt):
                raise
            raise KeyboardInterrupt from None


class _Clock(Callback):
    """When each step ended, in seconds."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, *_: object) -> None:
        self.times.append(time.perf_counter())
