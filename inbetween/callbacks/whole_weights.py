"""Whether every process holds all weights."""

import lightning as L
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, SingleDeviceStrategy

from inbetween.errors import UserError
from inbetween.modules.fsdp import FSDP2Strategy


def has_whole_weights(trainer: L.Trainer) -> bool:
    """Whether every process holds all weights, unlike with FSDP, which shards them."""
    whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)
    return whole and not isinstance(trainer.strategy, DeepSpeedStrategy)  # which is a DDPStrategy


def need_whole_weights(trainer: L.Trainer, callback: L.Callback, or_fsdp2: bool = False) -> None:
    """Raise for a run with sharded weights, for a callback that needs all of them.

    Args:
        trainer: Of the run.
        callback: Named in the message.
        or_fsdp2: Whether the callback works with `FSDP2Strategy`, too.

    Raises:
        UserError: The weights are sharded.
    """
    if has_whole_weights(trainer) or (or_fsdp2 and isinstance(trainer.strategy, FSDP2Strategy)):
        return
    others = "ddp or inbetween.modules.fsdp.FSDP2Strategy" if or_fsdp2 else "ddp"
    raise UserError(
        f"{type(callback).__name__} needs whole weights in every process: use the strategy {others}, or leave"
        " it out."
    )
