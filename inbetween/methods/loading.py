"""Methods from YAML files, with or without a checkpoint."""

from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentParser

from inbetween.errors import UserError, user_error_behind
from inbetween.methods import Method
from inbetween.methods.diffusion import DiffusionMethod
from inbetween.mistakes import REFUSALS, not_made, shortage
from inbetween.modules.loading import read_weights
from inbetween.modules.precision import frozen_dtype_on
from inbetween.paths import find_checkpoint


def load_method(config: Path, checkpoint: Path | None = None) -> Method:
    """Build the method of a YAML file's `model` section, in evaluation mode.

    Args:
        config: A YAML file such as `fit` takes; only `model` is read.
        checkpoint: See `read_checkpoint`. It brings weights and architecture; the YAML keeps the say on
            sampling.

    Raises:
        UserError: The file has no usable model, or the checkpoint is of another one.
    """
    return build_method(read_yaml(config).get("model"), config, checkpoint)


def build_method(model: Any, config: Path, checkpoint: Path | None = None) -> Method:  # noqa: ANN401 - YAML
    """Build a method from the content of a `model` section, in evaluation mode.

    Args:
        model: `class_path` and `init_args`.
        config: Where that comes from, for what is said of mistakes.
        checkpoint: See `load_method`.

    Raises:
        UserError: It is no usable model, or the checkpoint is of another one.
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
        mistake = not_made(error, f"The method of {config}")
        if user_error_behind(error) or shortage(error) or mistake is None:
            raise
        raise mistake from error
    if checkpoint is not None:
        load_weights(method, saved["state_dict"], f"{checkpoint} and {config}")
    return method.eval()


def placed(method: Method, device: torch.device) -> Method:
    """A method on `device`, its frozen weights kept as that computes fast."""
    if isinstance(method, DiffusionMethod):
        method.backbone.store_frozen(frozen_dtype_on(device, method.backbone.frozen_dtype))
    return method.to(device)


def load_weights(method: Method, weights: dict[str, Any], names: str) -> None:
    """Load a checkpoint's weights into a method.

    Raises:
        UserError: They are of another architecture; `names` says of what.
    """
    try:
        method.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"The weights of {names} do not fit together: {first_line(error)}; give the config they were"
            " trained with."
        ) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's keys.

    Raises:
        UserError: It cannot be read, or is no YAML with keys.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text: give a YAML file.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", error)).split())
        raise UserError(f"{path} is no valid YAML{place}: {reason}.") from error
    if contains_itself(content):
        raise UserError(f"{path} has a key that contains itself: write out what the alias stands for.")
    if not isinstance(content, dict):
        raise UserError(f"{path} has no keys: give a YAML file such as the shipped exp1.yaml.")
    return content


def contains_itself(content: Any, above: tuple[int, ...] = ()) -> bool:  # noqa: ANN401 - YAML
    """Whether a YAML alias stands for something around it."""
    if not isinstance(content, dict | list):
        return False
    inside = content.values() if isinstance(content, dict) else content
    here = (*above, id(content))
    return id(content) in above or any(contains_itself(value, here) for value in inside)


def read_checkpoint(path: Path, class_path: str) -> dict[str, Any]:
    """A checkpoint's content, once it is sure that it is one of the method `class_path`.

    Args:
        path: A `.ckpt` that `fit` wrote, or a `.safetensors` of weights alone that
            `TrainableMethod.save_pretrained` wrote; one that ships is found by its name.
        class_path: Of the method it is wanted for.

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
    """The name of the class that a checkpoint is of; see `read_checkpoint`.

    Raises:
        UserError: It is unreadable.
    """
    return str(_saved(path)["method"]).rpartition(".")[2]


def _saved(path: Path) -> dict[str, Any]:
    """A checkpoint's content, `method` being in it."""
    try:
        saved: dict[str, Any] = (
            read_weights(path)
            if path.suffix == ".safetensors"
            else torch.load(path, "cpu", weights_only=True)
        )
        saved["method"]
    except Exception as error:
        raise UserError(
            f"{path} is not a checkpoint that `fit` wrote ({type(error).__name__}); give one that is."
        ) from error
    return saved


def first_line(error: Exception) -> str:
    """The first line with content after the headline of torch's message, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)].rstrip(".")
