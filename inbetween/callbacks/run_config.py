"""The config of a run, beside its results."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from inbetween.callbacks.run_folder import run_folder
from inbetween.io.files import write_whole


class RunConfig(SaveConfigCallback):
    """Keeps the whole config in the run's folder; a run that has none leaves nothing."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file, from the main process; called before each stage."""
        folder = run_folder(trainer)
        if folder:
            write_whole(
                folder / self.config_filename, self.parser.dump(self.config, skip_unset=False).encode()
            )
