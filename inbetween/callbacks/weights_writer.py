"""The weights of a finished run in a small file."""

import json
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save

from inbetween.callbacks.run_folder import run_folder
from inbetween.io.files import partial_of, write_whole


class WeightsWriter(Callback):
    """Writes `weights.safetensors` into the run's folder when `fit` has finished.

    It is a checkpoint for inference, or to initialise another training: the model's trained weights (their
    average, where `EMA` keeps one) in half precision, with the method's name and hyperparameters,
    without optimiser states. `fit` resumes from `last.ckpt`, which is at least six times as
    large. A run that is interrupted or trains nothing writes nothing, nor does one without a folder of its
    own: see `run_folder`.
    """

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write; all processes take part."""
        folder: Path | None = trainer.strategy.broadcast(run_folder(trainer))
        if folder is None or trainer.interrupted or trainer.global_step == 0:
            return
        if saved := gathered_weights(trainer, folder):
            weights = {name: value.contiguous() for name, value in saved["state_dict"].items()}
            about = {"method": saved["method"], "hyper_parameters": json.dumps(saved["hyper_parameters"])}
            # safetensors' own save_file writes files that only their owner can read
            write_whole(folder / "weights.safetensors", save(weights, metadata=about))


def gathered_weights(trainer: L.Trainer, folder: Path) -> dict[str, Any] | None:
    """What a checkpoint of the weights alone holds, gathered where they are sharded; all processes take part.

    Args:
        trainer: Of the run.
        folder: The run's own; a file is there for a moment.

    Returns:
        The checkpoint in the main process, None in others.
    """
    whole = trainer.strategy.broadcast(partial_of(folder / "weights.ckpt"))
    try:
        trainer.save_checkpoint(whole, weights_only=True)
        if not trainer.is_global_zero:
            return None
        saved: dict[str, Any] = torch.load(whole, weights_only=True, map_location="cpu")
        return saved
    finally:
        if trainer.is_global_zero:
            whole.unlink(missing_ok=True)
