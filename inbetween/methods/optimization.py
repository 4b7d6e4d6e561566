"""The default optimiser, and what a run that cannot optimise is told."""

from collections.abc import Iterable
from typing import Any

import lightning as L
import torch

from inbetween.errors import UserError


def nothing_to_train(method: L.LightningModule) -> UserError:
    """The error for training a method without weights."""
    return UserError(
        f"{type(method).__name__} has nothing to train: run `validate`, `test`, `predict` or `compare`."
    )


def no_end() -> UserError:
    """The error for a cosine schedule in a run of unknown length."""
    return UserError(
        "The cosine schedule needs an end, and this run has none: set trainer.max_steps or"
        " trainer.max_epochs, or schedule to constant."
    )


def adamw(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """AdamW with the learning rate 1e-4."""
    return torch.optim.AdamW(parameters, lr=1e-4)
