"""Training that makes a backbone leaves it in diffusers' folder format."""

import shutil
import tempfile
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback


class PretrainedWriter(Callback):
    """Writes what was trained with the method's `save_pretrained` when `fit` has come to its end.

    A run that is interrupted writes nothing; its checkpoint lets it go on.

    Args:
        folder: Each part becomes a subfolder, replacing an earlier one whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write, from one process, and only after the last step."""
        if trainer.interrupted or not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".writing-") as temporary:
            pl_module.save_pretrained(Path(temporary))  # type: ignore[operator]
            for part in sorted(Path(temporary).iterdir()):
                target = self.folder / part.name
                if target.exists():
                    shutil.rmtree(target)
                part.replace(target)
