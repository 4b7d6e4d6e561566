"""Low-rank adapters in the files that diffusers pipelines load."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import lightning as L
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save
from torch import Tensor

from inbetween.callbacks.run_folder import run_folder
from inbetween.callbacks.weights_writer import gathered_weights
from inbetween.errors import UserError
from inbetween.io.files import write_whole


@runtime_checkable
class TrainsLora(Protocol):
    """A method that trains low-rank adapters of a diffusers pipeline."""

    def lora_files(self, weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """A state dict's adapters by file, relative to a folder, with diffusers' names."""


class LoraWriter(Callback):
    """Writes the trained adapters to `lora/` in the run's folder when `fit` has finished.

    Any diffusers pipeline of the model loads them with `load_lora_weights(folder)`, and so do other programs
    that read diffusers' LoRA files. They are the average where `EMA` keeps one. A run that is interrupted or
    trains nothing writes nothing, nor does one without a folder of its own: see `run_folder`.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Check before training that there is something to write.

        Raises:
            UserError: The method trains no adapters.
        """
        if not isinstance(pl_module, TrainsLora):
            raise UserError(
                f"{type(pl_module).__name__} trains no adapters of a video model: leave out the callback"
                " LoraWriter."
            )

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write; all processes take part."""
        folder: Path | None = trainer.strategy.broadcast(run_folder(trainer))
        if folder is None or trainer.interrupted or trainer.global_step == 0:
            return
        assert isinstance(pl_module, TrainsLora)
        if saved := gathered_weights(trainer, folder):
            for name, weights in pl_module.lora_files(saved["state_dict"]).items():
                write_whole(folder / "lora" / name, save(weights, metadata={"format": "pt"}))
