"""Methods from YAML files, with or without a checkpoint."""

from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser

from inbetween.configs import read_config
from inbetween.errors import UserError, user_error_behind
from inbetween.methods import Method
from inbetween.methods.diffusion import DiffusionMethod, FirstLastVideo
from inbetween.mistakes import REFUSALS, not_made, shortage
from inbetween.weights.checkpoints import load_weights, read_checkpoint
from inbetween.weights.precision import frozen_dtype_on


def load_method(config: Path, checkpoint: Path | None = None) -> Method:
    """Build the method of a YAML file's `model` section, in evaluation mode.

    Args:
        config: A YAML file such as `fit` takes; only `model` is read.
        checkpoint: See `read_checkpoint`. Weights and architecture are the checkpoint's; inference
            options are the YAML's.

    Raises:
        UserError: The file has no valid model, or the checkpoint is of another one.
    """
    return build_method(read_config(config).get("model"), config, checkpoint)


def build_method(model: Any, config: Path, checkpoint: Path | None = None) -> Method:  # noqa: ANN401 - YAML
    """Build a method from the content of a `model` section, in evaluation mode.

    Args:
        model: `class_path` and `init_args`.
        config: Its YAML file, for error messages.
        checkpoint: See `load_method`.

    Raises:
        UserError: It is no valid model, or the checkpoint is of another one.
    """
    if not isinstance(model, dict) or "class_path" not in model:
        raise UserError(f"{config} has no `model` with a `class_path`; add one, as in the shipped exp1.yaml.")
    saved: dict[str, Any] = {}
    if checkpoint is not None:
        saved = read_checkpoint(checkpoint, model["class_path"])
        architecture = {
            key: value for key, value in saved["hyper_parameters"].items() if not key.startswith("_")
        }
        model = {**model, "init_args": {**model.get("init_args", {}), **architecture}}
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Method, "model", required=True)
    try:
        method: Method = parser.instantiate(parser.parse_object({"model": model})).model
    except REFUSALS as error:
        if found := user_error_behind(error):
            raise UserError(str(found)) from error
        mistake = not_made(error, f"The method of {config}")
        if shortage(error) or mistake is None:
            raise
        raise mistake from error
    if checkpoint is not None:
        load_weights(method, saved["state_dict"], f"{checkpoint} and {config}")
    return method.eval()


def placed(method: Method, device: torch.device) -> Method:
    """A method on `device`, its frozen weights in a dtype that is fast there."""
    if isinstance(method, DiffusionMethod):
        method.backbone.store_frozen(frozen_dtype_on(device, method.backbone.frozen_dtype))
    if isinstance(method, FirstLastVideo):
        method.check_memory(device)
    return method.to(device)
