"""Predicted clips as folders of PNGs."""

from pathlib import Path
from typing import Any

import lightning as L
import torch

from inbetween.callbacks.images import folder_for, write_frames
from inbetween.errors import UserError
from inbetween.types import WindowBatch


class PredictionWriter(L.Callback):
    """Writes what `predict` draws: a folder per window with first, the in-betweens and last, in order.

    `<directory>/<name of the window>/0000.png` is the first keyframe, `0001.png` ... the N drawings, the
    highest number the last keyframe; 8-bit PNGs without padding. With several processes each writes its
    own windows.

    Args:
        directory: Where to write. It must not hold anything yet, unless `overwrite`.
        overwrite: Write into a folder that is not empty, over clips of the same name.
    """

    def __init__(self, directory: Path, overwrite: bool = False) -> None:
        self.directory = directory.expanduser()
        self.overwrite = overwrite

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Look at the folder before any process writes.

        Raises:
            UserError: The folder holds something and `overwrite` is off, or it is a file.
        """
        if stage != "predict":
            return
        if self.directory.exists() and not self.directory.is_dir():
            raise UserError(f"{self.directory} is a file; give a folder to write predictions to.")
        if not self.overwrite and self.directory.is_dir() and any(self.directory.iterdir()):
            raise UserError(
                f"The folder {self.directory} is not empty; give another one or set overwrite to true."
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
            trainer: Unused.
            pl_module: Unused.
            outputs: (B, N, 3, H, W) in [0, 1], from `predict_step`.
            batch: The windows they were drawn for.
            batch_idx: Unused.
            dataloader_idx: Unused.
        """
        for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
            clip = torch.cat([batch["first"][row][None], outputs[row], batch["last"][row][None]])
            picture = clip[..., top : top + height, left : left + width]
            write_frames(folder_for(self.directory, batch["name"][row]), picture)
