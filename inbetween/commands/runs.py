"""What a run is refused for before it writes anything, and what it says at its end."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_warn

from inbetween.callbacks import is_dry, run_folder
from inbetween.data import WindowDataModule
from inbetween.errors import UserError


def check_work(trainer: Trainer, stage: Literal["train", "val", "test", "predict"]) -> None:
    """See that a stage has batches.

    Raises:
        UserError: None are left to it.
    """
    key = f"limit_{stage}_batches"
    if getattr(trainer, key) == 0:
        raise UserError(f"trainer.{key} is 0: there is nothing to do; give more, or leave it out.")


def check_steps(trainer: Trainer, checkpoint: str | None, counts: dict[str, Any]) -> None:
    """See that `fit` has steps to take.

    Args:
        trainer: Of the run.
        checkpoint: That it goes on from; None begins anew.
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
    """See that `fit` has time left, where it has a limit (`max_time`).

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
    """See that a run goes on with the batches that its checkpoint was written among.

    Args:
        trainer: Of the run.
        data: Set up for `fit`.
        counts: See `check_steps`.

    Raises:
        UserError: They are others.
    """
    epoch = counts["epoch_progress"]["current"]
    if trainer.max_steps < 0 and epoch["ready"] == epoch["processed"]:
        return  # of an epoch's end: the next one may be of other batches
    for saved in counts["state_dict"].get("combined_loader", []):
        data.check_batches(saved)


def spare_working_folder(trainer: Trainer, callbacks: list[Callback]) -> None:
    """Take away what would write into the working folder, where a run has no folder of its own, and say so.

    Args:
        trainer: Of the run.
        callbacks: Its own list.
    """
    if trainer.loggers or run_folder(trainer) or "://" in str(trainer.default_root_dir):
        return
    for callback in [*callbacks]:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            callbacks.remove(callback)
    rank_zero_warn(
        "This run has no folder, since it has no logger: it leaves no checkpoint and no weights;"
        " --trainer.default_root_dir FOLDER gives it one."
    )


def last_checkpoint(trainer: Trainer) -> str:
    """The newest checkpoint that a run goes on from, else its best, else nothing; of any of its writers.

    One whose writing failed is none.
    """
    writers = [writer for writer in trainer.checkpoint_callbacks if isinstance(writer, ModelCheckpoint)]
    paths = [writer.last_model_path for writer in writers] + [writer.best_model_path for writer in writers]
    written = (path for path in paths if path and ("://" in path or Path(path).is_file()))
    return next(written, "")


def results(trainer: Trainer) -> list[str]:
    """Lines that say where the results of a `fit` are; only the main process knows it."""
    if is_dry(trainer):
        return ["a dry run: nothing was written"]
    lines = [f"checkpoint: {last_checkpoint(trainer) or 'none written'}"]
    folder = run_folder(trainer)
    for what, name in {"weights to draw with": "weights.safetensors", "pictures": "images"}.items():
        if folder and (folder / name).exists():
            lines.append(f"{what}: {folder / name}")
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            lines.append(f"TensorBoard: tensorboard --logdir {logger.log_dir}")
        elif isinstance(logger, CSVLogger):
            lines.append(f"metrics: {Path(logger.log_dir, 'metrics.csv')}")
        else:
            lines.append(f"{type(logger).__name__}: {logger.name}, {logger.version}")
    return lines
