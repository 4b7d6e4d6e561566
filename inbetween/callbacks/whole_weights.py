"""Whether every process holds all weights."""

import lightning as L
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, SingleDeviceStrategy

from inbetween.errors import UserError


def has_whole_weights(trainer: L.Trainer) -> bool:
    """Whether every process holds all weights, which are not sharded as with FSDP."""
    whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)
    return whole and not isinstance(trainer.strategy, DeepSpeedStrategy)  # which is a DDPStrategy


def need_whole_weights(trainer: L.Trainer, callback: L.Callback) -> None:
    """Raise for a run with sharded weights, for a callback that needs all of them.

    Raises:
        UserError: The weights are sharded.
    """
    if not has_whole_weights(trainer):
        raise UserError(
            f"{type(callback).__name__} needs whole weights in every process: use the strategy ddp, or leave"
            " it out."
        )
