"""Validation before the first training step."""

import math

import lightning as L


def is_check_alone(trainer: L.Trainer) -> bool:
    """Whether validation is a mere check that a run will not fail later: nothing of it is shown.

    It is not with `num_sanity_val_steps: -1`, where Lightning's check before the first step covers all of
    validation: see `FirstValidation`.
    """
    return trainer.sanity_checking and not _whole(trainer)


class FirstValidation(L.Callback):
    """Logs the metrics of the validation before the first step, at step 0.

    With `trainer.num_sanity_val_steps: -1` Lightning validates on everything before it trains, as a check,
    and drops the result. It is where a run starts from, so it is logged, and shown by `SampleGrid`. A run
    that is resumed has no such validation.
    """

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log to every logger."""
        if not _whole(trainer):
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=0)
            logger.save()


def _whole(trainer: L.Trainer) -> bool:
    return math.isinf(trainer.num_sanity_val_steps)
