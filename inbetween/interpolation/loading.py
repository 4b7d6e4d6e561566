"""Methods by name, found in the folders of configs and checkpoints; there is no other registry."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple, get_args

import torch

from inbetween.configs import read_config
from inbetween.errors import UserError
from inbetween.interpolation.model import Interpolator
from inbetween.methods.loading import load_method
from inbetween.methods.rife.weights import has_fetched_rife
from inbetween.paths import find_checkpoint, find_config, shipped
from inbetween.weights.checkpoints import class_of
from inbetween.weights.precision import Precision

WEIGHTS = "weights.safetensors"
SUFFIXES = (".safetensors", ".ckpt")  # of weights


class ModelFiles(NamedTuple):
    """The files of a method."""

    config: Path
    weights: Path | None  # None: it has none, or is untrained


class DefaultMethod(NamedTuple):
    """The method that interpolates where the user names none."""

    name: str
    advice: str  # how to get a better one; empty if this is the best


def default_method() -> DefaultMethod:
    """Choose the method for a user who names none: the best that can be used here without a download.

    That is `spacing_rife`, where RIFE's weights have been fetched (`fetch-weights rife`) and the part trained
    here ships; else `spacing_flow`, which needs nothing else.
    """
    if not shipped("checkpoints", "spacing_rife", WEIGHTS).is_file():
        return DefaultMethod("spacing_flow", "")
    if has_fetched_rife():
        return DefaultMethod("spacing_rife", "")
    return DefaultMethod("spacing_flow", "`python -m inbetween fetch-weights rife` gives better frames")


def load(
    name: str | Path, *, device: torch.device | str | None = None, precision: Precision = "bf16-mixed"
) -> Interpolator:
    """Load a method with its weights, ready to interpolate.

    Nothing global changes: no seeds, no random state, no settings of torch or of Python's warnings and logs.

    Args:
        name: A method that ships, such as `spacing_flow`, `dis` or `exp1`; weights that `fit` wrote
            (`weights.safetensors` or a `.ckpt`), which take the config of their run or, without one, the
            shipped one of their method; a YAML file of a method such as `fit` takes; or both, as
            `my_method.yaml=weights.safetensors`.
        device: Where to compute, such as `cpu` or `cuda:1`; None takes a GPU where there is one.
        precision: `bf16-mixed` runs networks in bfloat16 where the device has fast instructions for it, else
            in float32, as `32-true` always does.

    Raises:
        UserError: There is no such method, file, device or precision, or files do not fit together.
    """
    if not isinstance(name, str | Path):
        raise UserError(f"The method is a {type(name).__name__}: give its name, such as 'spacing_flow'.")
    if precision not in get_args(Precision):
        raise UserError(f"precision is {precision}: give one of {', '.join(get_args(Precision))}.")
    place, files = chosen_device(device), find_model(name)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # networks handed over stay out of checkpoints: see `Method.on_save_checkpoint`
        warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module` and is already saved")
        # weights that come from no file are initialised alike in every process
        torch.default_generator.manual_seed(0)
        method = load_method(*files)
    return Interpolator(method, place, precision)


def find_model(name: str | Path) -> ModelFiles:
    """The files of a method by its name; see `load`.

    Raises:
        UserError: There are none.
    """
    config, weights = str(name), ""
    if not Path(name).expanduser().is_file():  # whose own name may have the sign
        config, _, weights = config.partition("=")
    if weights:
        return ModelFiles(find_config(config), find_checkpoint(weights))
    path = Path(config)
    if path.suffix in SUFFIXES:
        return _of_weights(find_checkpoint(path))
    if path.suffix:
        return ModelFiles(find_config(path), None)
    known = shipped_names()
    if config not in known:
        raise UserError(
            f"There is no method {config}: give a YAML file, a file of weights, or one that ships:"
            f" {', '.join(known)}."
        )
    path = find_config(f"{config}.yaml")
    return ModelFiles(path, _shipped_weights(path))


def as_written(entry: str) -> tuple[str, str | None]:
    """Config and checkpoint of a command's `NAME`, `CONFIG` or `CONFIG=CHECKPOINT`, as a user writes them."""
    if entry not in shipped_names():
        config, _, checkpoint = entry.partition("=")
        return config, checkpoint or None
    weights = find_model(entry).weights
    name = weights.relative_to(shipped("checkpoints")).as_posix() if weights else None
    return f"{entry}.yaml", name


def shipped_names() -> list[str]:
    """Names of the methods that ship: the YAML files in `configs` that have one."""
    return sorted(path.stem for path in shipped("configs").glob("*.yaml") if _class_in(path))


def chosen_device(device: torch.device | str | None) -> torch.device:
    """The device of that name, or the default one.

    Raises:
        UserError: There is no such device here.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if device is None:
        return found or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError):  # torch without the device's own part asserts
        can = f"cpu or {found.type}" if found else "cpu"
        raise UserError(f"There is no device {device} here: give {can}.") from None
    return chosen


def _shipped_weights(config: Path) -> Path | None:
    """The shipped weights of a shipped config: of its own name, or else those of its class."""
    own = shipped("checkpoints", config.stem, WEIGHTS)
    if own.is_file():
        return own
    every = sorted(shipped("checkpoints").glob(f"*/{WEIGHTS}"))
    return next((path for path in every if class_of(path) == _class_in(config)), None)


def _of_weights(weights: Path) -> ModelFiles:
    """Weights with the config of the run they are of, or with the shipped one of their class."""
    for folder in weights.resolve().parents[:2]:  # a run's folder, and its folder of checkpoints
        if (folder / "config.yaml").is_file():
            return ModelFiles(folder / "config.yaml", weights)
    name = class_of(weights)
    for config in sorted(shipped("configs").glob("*.yaml")):
        if _class_in(config) == name:
            return ModelFiles(config, weights)
    raise UserError(f"{weights} is of {name}, which does not ship: give its config, as in my.yaml={weights}.")


def _class_in(config: Path) -> str:
    """The name of the class that a YAML file's model is of; empty where it has none."""
    model = read_config(config).get("model")
    return str(model.get("class_path", "")).rpartition(".")[2] if isinstance(model, dict) else ""
