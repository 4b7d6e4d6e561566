"""Checks of a run before it writes anything."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer

from inbetween.callbacks import is_dry
from inbetween.data import WindowDataModule
from inbetween.errors import UserError
from inbetween.io.files import check_folder
from inbetween.methods import TrainableMethod
from inbetween.mistakes import REFUSALS, reason, refused_by_library

# Minimum of numbers that Lightning does not check; None is any above 0.
LEAST: dict[str, float | None] = {
    "val_check_interval": None,
    "check_val_every_n_epoch": 1,
    "accumulate_grad_batches": 1,
    "gradient_clip_val": 0,
    "num_sanity_val_steps": -1,
    "log_every_n_steps": 0,
}
LARGEST_SEED = 2**32 - 1


def check_numbers(trainer: Mapping[str, Any], seed: bool | int | None) -> None:
    """Check numbers that no library checks.

    Args:
        trainer: Keys of the trainer.
        seed: `seed_everything`.

    Raises:
        UserError: One is out of range.
    """
    for key, least in LEAST.items():
        value = trainer.get(key)
        if isinstance(value, int | float) and not (value > 0 if least is None else value >= least):
            range_ = "a number above 0" if least is None else f"{least} or more"
            raise UserError(f"trainer.{key} is {value}: give {range_}.")
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"seed_everything is {seed}: give a whole number from 0 to {LARGEST_SEED}.")


def refused_keys(build: Callable[..., Trainer], given: Mapping[str, Any], error: Exception) -> UserError:
    """Find the keys that a trainer cannot be built from, by leaving out one after the other.

    Args:
        build: Builds a trainer from the config; keyword arguments replace keys.
        given: Keys of the trainer.
        error: What is raised when nothing is left out.
    """
    defaults = {name: value.default for name, value in inspect.signature(Trainer).parameters.items()}
    blamed = []
    logging.disable(logging.CRITICAL)  # of trainers that are built for this alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key in [key for key, value in given.items() if key in defaults and value != defaults[key]]:
            try:
                build(**{key: defaults[key]})
            except Exception:
                continue
            blamed.append(key)
    logging.disable(logging.NOTSET)
    shown = [f"trainer.{key} {text_of(given[key])}".rstrip() for key in blamed]
    if len(shown) > 1:
        return UserError(f"{' and '.join(shown)} do not go together: {reason(error)}.")
    return UserError(f"{(shown or ['This trainer'])[0]} cannot be used here: {reason(error)}.")


def text_of(value: object) -> str:
    """A plain value, as in YAML; nothing of objects."""
    plain = isinstance(value, bool | int | float | str | list) and "object at" not in str(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}" * plain


def check_folders(trainer: Trainer) -> None:
    """Check that loggers and checkpoints can be written.

    Raises:
        UserError: One cannot.
    """
    places: dict[str | Path | None, str] = {
        logger.save_dir: "the logger's save_dir" for logger in trainer.loggers
    }
    if not trainer.loggers:
        places[trainer.default_root_dir] = "trainer.default_root_dir"
    writers = [writer for writer in trainer.checkpoint_callbacks if isinstance(writer, ModelCheckpoint)]
    places |= {writer.dirpath: "ModelCheckpoint's dirpath" for writer in writers}
    for place, key in places.items():
        if place is not None and "://" not in str(place):
            check_folder(Path(place), key)


def check_optimizer(method: TrainableMethod) -> None:
    """Build the optimiser once: libraries check its numbers only then.

    Raises:
        UserError: It cannot be built.
    """
    try:
        method.optimizer([weight for weight in method.parameters() if weight.requires_grad])
    except REFUSALS as error:
        if not refused_by_library(error):
            raise
        raise UserError(f"model.optimizer cannot be made: {reason(error)}; change its keys.") from error


def check_work(trainer: Trainer, stage: Literal["train", "val", "test", "predict"]) -> None:
    """Check that a stage has batches.

    Raises:
        UserError: There are none.
    """
    key = f"limit_{stage}_batches"
    if getattr(trainer, key) == 0:
        raise UserError(f"trainer.{key} is 0: there is nothing to do; give more, or leave it out.")


def check_steps(trainer: Trainer, checkpoint: str | None, counts: dict[str, Any]) -> None:
    """Check that `fit` has steps left.

    Args:
        trainer: Of the run.
        checkpoint: That it resumes from; None starts from scratch.
        counts: Of Lightning's fit loop, from that checkpoint; may be empty.

    Raises:
        UserError: The checkpoint has been trained as long as the run is to be.
    """
    steps, epochs = 0, 0
    if counts:
        steps = counts["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]["total"][
            "completed"
        ]
        epoch, batch = counts["epoch_progress"]["current"], counts["epoch_loop.batch_progress"]
        # a checkpoint of an epoch's last step is written before the epoch counts as done
        epochs = epoch["processed"] + (batch["is_last_batch"] and epoch["processed"] < epoch["ready"])
    dry = f" (trainer.fast_dev_run ends after {trainer.max_steps})" if is_dry(trainer) else ""
    limits = {"steps": (steps, trainer.max_steps), "epochs": (epochs, trainer.max_epochs)}
    for unit, (done, limit) in limits.items():
        if limit is not None and 0 <= limit <= done:
            trained = f"{checkpoint} has been trained up to {unit[:-1]} {done}, and " if checkpoint else ""
            raise UserError(
                f"{trained}trainer.max_{unit} is {limit}{dry}: there is nothing left to do; give a larger"
                f" trainer.max_{unit}{', or leave ckpt_path out' if checkpoint else ''}."
            )


def check_time(callbacks: list[Callback], checkpoint: str | None, trained: float) -> None:
    """Check that `fit` has time left, where it has a limit (`max_time`).

    Args:
        callbacks: Of the run's trainer.
        checkpoint: See `check_steps`.
        trained: Seconds that the checkpoint was trained for, which count.

    Raises:
        UserError: None is left.
    """
    for timer in callbacks:
        left = timer.time_remaining() if isinstance(timer, Timer) else None
        if checkpoint and left is not None and left <= trained:
            raise UserError(
                f"{checkpoint} has been trained for {timedelta(seconds=int(trained))}, which trainer.max_time"
                " counts: there is nothing left to do; give a larger one, or leave ckpt_path out."
            )


def check_batches(trainer: Trainer, data: WindowDataModule, counts: dict[str, Any]) -> None:
    """Check that a run resumes with the batches of its checkpoint.

    Args:
        trainer: Of the run.
        data: Set up for `fit`.
        counts: See `check_steps`.

    Raises:
        UserError: They differ.
    """
    epoch = counts["epoch_progress"]["current"]
    if trainer.max_steps < 0 and epoch["ready"] == epoch["processed"]:
        return  # of an epoch's end: the next one may be of other batches
    for saved in counts["state_dict"].get("combined_loader", []):
        data.check_batches(saved)
