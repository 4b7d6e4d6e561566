"""Where a run keeps its files, and images for its loggers and that folder."""

import os
from functools import cache
from pathlib import Path

import lightning as L
from lightning.pytorch.loggers import CometLogger, CSVLogger, MLFlowLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_warn
from PIL import Image
from torch import Tensor

from inbetween.io.frames import to_bytes, write_image


def is_dry(trainer: L.Trainer) -> bool:
    """Whether this is a dry run (`fast_dev_run`), which leaves nothing behind."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]  # set where mypy does not look


def run_folder(trainer: L.Trainer) -> Path | None:
    """The folder of a run's own, which nothing else writes to; only the main process knows it for sure.

    It is that of the first logger, below which `ModelCheckpoint` writes as well; without a logger
    `default_root_dir`, if that was given. None for a run without either, and for a dry run
    (`fast_dev_run`): they leave nothing. None also for an address of remote storage, such as `s3://...`,
    of which the user is warned once: loggers and `ModelCheckpoint` alone can write there.
    """
    if is_dry(trainer):
        return None
    place = _place(trainer)
    if "://" in place:
        _warn_of_remote(place)
        return None
    return None if not trainer.loggers and Path(place) == Path.cwd() else Path(place)


def _place(trainer: L.Trainer) -> str:
    """The folder or address of a run's own."""
    if not trainer.loggers:
        return str(trainer.default_root_dir)
    logger = trainer.loggers[0]
    if isinstance(logger, TensorBoardLogger | CSVLogger):
        return str(logger.log_dir)
    version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
    # no Path, which would make one slash of two
    return os.path.join(logger.save_dir or trainer.default_root_dir, str(logger.name), version)  # noqa: PTH118


@cache
def _warn_of_remote(place: str) -> None:
    rank_zero_warn(f"{place} is no folder of this machine: images, config.yaml and weights are left out.")


def log_image(trainer: L.Trainer, tag: str, image: Tensor) -> None:
    """Show an image in every logger that takes some, and write it to `images/<tag>/<step>.png` of the run.

    TensorBoard, Weights & Biases, Comet and MLflow take images, and so does a logger of your own with the
    `log_image(key, images, step)` of Lightning's WandbLogger. Call it in the main process alone.

    Args:
        trainer: Of the run.
        tag: The image's name, such as `samples/val`.
        image: (3, H, W) in [0, 1].
    """
    if is_dry(trainer):
        return
    step = trainer.global_step
    pil_image = Image.fromarray(to_bytes(image))
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(tag, image, global_step=step)
        elif isinstance(logger, CometLogger):
            logger.experiment.log_image(pil_image, name=tag, step=step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_image(logger.run_id, pil_image, key=tag, step=step)
        elif hasattr(logger, "log_image"):
            logger.log_image(key=tag, images=[pil_image], step=step)
    folder = run_folder(trainer)
    if folder:
        write_image(folder / "images" / tag / f"{step}.png", image)
