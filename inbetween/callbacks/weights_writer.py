"""The weights of a finished run in a small file of their own."""

import json
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save

from inbetween.callbacks.run_folder import run_folder
from inbetween.io.files import partial_of, write_whole


class WeightsWriter(Callback):
    """Writes `weights.safetensors` into the run's folder when `fit` has come to its end.

    It is a checkpoint for inference, or to initialise another training: the model's trained weights (their
    average, where `EMA` keeps one) in half precision, with the method's name and hyperparameters,
    without what an optimiser remembers. `fit` goes on from `last.ckpt`, which is at least six times as
    large. A run that is interrupted or trains nothing writes nothing, nor does one without a folder of its
    own: see `run_folder`.
    """

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write; all processes take part."""
        folder: Path | None = trainer.strategy.broadcast(run_folder(trainer))
        if folder is None or trainer.interrupted or trainer.global_step == 0:
            return
        whole = trainer.strategy.broadcast(partial_of(folder / "weights.ckpt"))
        try:
            trainer.save_checkpoint(whole, weights_only=True)  # gathers what processes share out among them
            if trainer.is_global_zero:
                saved = torch.load(whole, weights_only=True, map_location="cpu")
                weights = {name: value.contiguous() for name, value in saved["state_dict"].items()}
                about = {"method": saved["method"], "hyper_parameters": json.dumps(saved["hyper_parameters"])}
                # safetensors' own save_file leaves files that nobody else may read
                write_whole(folder / "weights.safetensors", save(weights, metadata=about))
        finally:
            if trainer.is_global_zero:
                whole.unlink(missing_ok=True)
