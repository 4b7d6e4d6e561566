"""Reads checkpoints and weight files that training wrote, checks them, and loads them into a method."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from inbetween.errors import UserError
from inbetween.paths import find_checkpoint


def read_weights(path: Path) -> dict[str, Any]:
    """What `WeightsWriter` wrote: `state_dict` in float32, `method`, `hyper_parameters`."""
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no dict
    return {
        "state_dict": weights,
        "method": about["method"],
        "hyper_parameters": json.loads(about["hyper_parameters"]),
    }


def read_checkpoint(path: Path, class_path: str) -> dict[str, Any]:
    """A checkpoint's content, checked to be of the method `class_path`.

    Args:
        path: A `.ckpt` that `fit` wrote, or a `.safetensors` of weights alone that
            `TrainableMethod.save_pretrained` wrote; one that ships is found by its name.
        class_path: Of the method to load it into.

    Returns:
        `state_dict`, `hyper_parameters`, `method` and, of a `.ckpt`, what Lightning adds.

    Raises:
        UserError: It is missing, unreadable, or of another method.
    """
    path = find_checkpoint(path)
    saved = _saved(path)
    found, wanted = str(saved["method"]).rpartition(".")[2], class_path.rpartition(".")[2]
    if found != wanted:
        raise UserError(
            f"{path} is a checkpoint of {found}, and the config names {wanted}; give the config it was"
            " trained with."
        )
    for part in ("hyper_parameters", "state_dict"):
        if not isinstance(saved.get(part), dict):
            raise UserError(f"{path} is not a checkpoint that `fit` wrote (no {part}); give one that is.")
    return dict(saved)


def class_of(path: Path) -> str:
    """The name of a checkpoint's method; see `read_checkpoint`.

    Raises:
        UserError: It is unreadable.
    """
    return str(_saved(path)["method"]).rpartition(".")[2]


def _saved(path: Path) -> dict[str, Any]:
    """A checkpoint's content, with its `method`."""
    try:
        saved: dict[str, Any] = (
            read_weights(path)
            if path.suffix == ".safetensors"
            else torch.load(path, "cpu", weights_only=True)
        )
        saved["method"]
    except Exception as error:
        if path.name == "pytorch_lora_weights.safetensors":
            raise UserError(
                f"{path} holds adapters for diffusers: give weights.safetensors of the same run, or this file"
                " as model.init_args.lora."
            ) from error
        raise UserError(
            f"{path} is not a checkpoint that `fit` wrote ({type(error).__name__}); give one that is."
        ) from error
    return saved


def load_weights(method: nn.Module, weights: dict[str, Any], names: str) -> None:
    """Load a checkpoint's weights into a method.

    Raises:
        UserError: They are of another architecture; `names` names both in the message.
    """
    try:
        method.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"The weights of {names} do not fit together: {first_line(error)}; give the config they were"
            " trained with."
        ) from error


def first_line(error: Exception) -> str:
    """The first line with content after the title line of torch's message, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)].rstrip(".")
