"""The weights of a finished run in a small file of their own."""

from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback


class WeightsWriter(Callback):
    """Writes `weights.ckpt` into the run's folder when `fit` has come to its end.

    It is a checkpoint to draw with: the model's trained weights (their average, where `WeightAverage` keeps
    one) in half precision, without what an optimiser remembers. `fit` goes on from `last.ckpt`, which is at
    least six times as large. A run that is interrupted writes nothing.
    """

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write; all processes take part."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        if not trainer.interrupted:
            trainer.save_checkpoint(folder / "weights.ckpt", weights_only=True)
