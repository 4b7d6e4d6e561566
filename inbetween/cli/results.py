"""Paths of a run's results, as printed at its end."""

from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_warn

from inbetween.callbacks import is_dry, run_folder


def spare_working_folder(trainer: Trainer, callbacks: list[Callback]) -> None:
    """Remove callbacks that would write into the working folder, if a run has no folder, and warn.

    Args:
        trainer: Of the run.
        callbacks: The trainer's own list.
    """
    if trainer.loggers or run_folder(trainer) or "://" in str(trainer.default_root_dir):
        return
    for callback in [*callbacks]:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            callbacks.remove(callback)
    rank_zero_warn(
        "This run has no logger and so no folder: it saves no checkpoint and no weights;"
        " --trainer.default_root_dir FOLDER gives it one."
    )


def last_checkpoint(trainer: Trainer) -> str:
    """The newest checkpoint to resume from, else the best, else an empty string; of any `ModelCheckpoint`.

    Checkpoints whose writing failed do not count.
    """
    writers = [writer for writer in trainer.checkpoint_callbacks if isinstance(writer, ModelCheckpoint)]
    paths = [writer.last_model_path for writer in writers] + [writer.best_model_path for writer in writers]
    written = (path for path in paths if path and ("://" in path or Path(path).is_file()))
    return next(written, "")


def results(trainer: Trainer) -> list[str]:
    """Lines with the paths of a `fit`'s results; for the main process."""
    if is_dry(trainer):
        return ["a dry run: nothing was written"]
    lines = [f"checkpoint: {last_checkpoint(trainer) or 'none written'}"]
    folder = run_folder(trainer)
    files = {"weights for inference": "weights.safetensors", "LoRA for diffusers": "lora", "images": "images"}
    for what, name in files.items():
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
