"""Trained backbones, written in diffusers' folder format."""

import shutil
from pathlib import Path
from typing import Protocol, runtime_checkable

import lightning as L
from lightning.pytorch.callbacks import Callback

from inbetween.callbacks.run_folder import is_dry
from inbetween.callbacks.whole_weights import need_whole_weights
from inbetween.errors import UserError
from inbetween.io.files import move_folder, partial_of


@runtime_checkable
class SavesPretrained(Protocol):
    """A method that trains parts of a backbone."""

    def save_pretrained(self, folder: Path) -> None:
        """Write each part into a subfolder, as diffusers' and transformers' classes do."""


class PretrainedWriter(Callback):
    """Writes what was trained with the method's `save_pretrained` when `fit` has come to its end.

    A run that is interrupted writes nothing; its checkpoint resumes it. Nor does one that trains nothing,
    or a dry run (`fast_dev_run`).

    Args:
        folder: Each part becomes a subfolder, replacing an earlier one whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Check that there is something to write, before training and not after it.

        Raises:
            UserError: The method makes no part of a backbone, or its weights are sharded.
        """
        if not isinstance(pl_module, SavesPretrained):
            raise UserError(
                f"{type(pl_module).__name__} makes no part of a backbone: leave out the callback"
                " PretrainedWriter."
            )
        need_whole_weights(trainer, self)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write, from one process, and only after the last step."""
        if trainer.interrupted or is_dry(trainer) or trainer.global_step == 0:
            return
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SavesPretrained)
        # all parts are written before the first takes its place
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = partial_of(self.folder / "parts")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            made_as_usual = Path(temporary, ".mode")
            made_as_usual.touch()
            mode = made_as_usual.stat().st_mode
            made_as_usual.unlink()
            pl_module.save_pretrained(temporary)
            for path in temporary.rglob("*"):
                if path.is_file():
                    path.chmod(mode)  # safetensors lets nobody else read what it writes
            for part in sorted(temporary.iterdir()):
                move_folder(part, self.folder / part.name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
