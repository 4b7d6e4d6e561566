"""What is looked at before a run begins: keys of the trainer that Lightning takes and stumbles over later."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from inbetween.errors import UserError
from inbetween.files import check_folder
from inbetween.methods import TrainableMethod
from inbetween.mistakes import REFUSALS, reason, refused_by_library

# The least of numbers that Lightning does not look at; None is any above 0.
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
    """Look at numbers that no library does.

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
    """Find the keys that a trainer cannot be made of, by leaving out one after the other.

    Args:
        build: Makes a trainer of what is given, but for the keyword arguments.
        given: Keys of the trainer.
        error: What is raised when nothing is left out.
    """
    defaults = {name: value.default for name, value in inspect.signature(Trainer).parameters.items()}
    blamed = []
    logging.disable(logging.CRITICAL)  # of trainers that nobody asked for
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
    """See whether loggers and checkpoints can be written.

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
    """Make the optimiser once: libraries look at its numbers no sooner.

    Raises:
        UserError: It cannot be made.
    """
    try:
        method.optimizer([weight for weight in method.parameters() if weight.requires_grad])
    except REFUSALS as error:
        if not refused_by_library(error):
            raise
        raise UserError(f"model.optimizer cannot be made: {reason(error)}; change its keys.") from error
