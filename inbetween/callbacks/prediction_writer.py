"""Predicted clips as folders of PNGs."""

from pathlib import Path
from typing import Any

import lightning as L
import torch

from inbetween.callbacks.run_folder import is_dry, run_folder
from inbetween.errors import UserError
from inbetween.io.files import check_folder
from inbetween.io.frames import folder_for, write_frames
from inbetween.types import WindowBatch


class PredictionWriter(L.Callback):
    """Writes the frames of `predict`: a folder per window with first, the in-betweens and last, in order.

    `<directory>/<name of the window>/0000.png` is the first keyframe, `0001.png` ... the N in-betweens, the
    highest number the last keyframe; 8-bit PNGs without padding. With several processes each writes its
    own windows. A dry run (`fast_dev_run`) writes nothing.

    Args:
        directory: Where to write; None takes `predictions` in the run's own folder. It must not hold anything
            yet, unless `overwrite`.
        overwrite: Write into a folder that is not empty, over clips of the same name.
    """

    def __init__(self, directory: Path | None = None, overwrite: bool = False) -> None:
        self.directory = directory
        self.overwrite = overwrite

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Check the folder before any process writes.

        Raises:
            UserError: The folder holds something and `overwrite` is off, or it is a file.
        """
        if stage != "predict":
            return
        run = trainer.strategy.broadcast(run_folder(trainer)) or Path()
        self.folder = self.directory.expanduser() if self.directory else run / "predictions"
        if is_dry(trainer):
            return
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file; give a folder to write predictions to.")
        if trainer.is_global_zero:
            check_folder(self.folder, "PredictionWriter's directory")
        if not self.overwrite and self.folder.is_dir() and any(self.folder.iterdir()):
            raise UserError(
                f"The folder {self.folder} is not empty; give another one or set overwrite to true."
            )
        trainer.strategy.barrier("predictions")

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: WindowBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the windows of a batch.

        Args:
            trainer: Says whether this is a dry run.
            pl_module: Unused.
            outputs: (B, N, 3, H, W) in [0, 1], from `predict_step`.
            batch: Their windows.
            batch_idx: Unused.
            dataloader_idx: Unused.
        """
        if is_dry(trainer):
            return
        for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
            clip = torch.cat([batch["first"][row][None], outputs[row], batch["last"][row][None]])
            frame = clip[..., top : top + height, left : left + width]
            write_frames(folder_for(self.folder, batch["name"][row]), frame)
