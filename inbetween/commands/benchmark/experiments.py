"""Experiments as the benchmark takes them: YAML files that add up, each with a method to build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import lightning as L

from inbetween.commands.benchmark.subject import MethodSubject, Task
from inbetween.commands.reports import name_for
from inbetween.configs import merged, read_config
from inbetween.data import WindowDataModule
from inbetween.errors import UserError
from inbetween.interpolation.loading import as_written
from inbetween.methods.loading import build_method, placed
from inbetween.paths import find_config


@dataclass(frozen=True)
class Experiment:
    """A YAML file, with overlays, that names a method.

    Args:
        name: In tables.
        config: Where it comes from.
        keys: Its content.
        checkpoint: Weights, if any.
    """

    name: str
    config: str
    keys: dict[str, Any]
    checkpoint: str | None = None

    def training_task(self, batch_size: int | None) -> Task:
        """A step at the size and on as many windows as the YAML's `data` says, or `batch_size` of them."""
        data = self.keys.get("data", {})
        size = data.get("size", 256)
        height, width = (size, size) if isinstance(size, int) else size
        return Task(
            "train", height, width, data.get("between", 3), batch_size or int(data.get("batch_size", 16))
        )

    def with_cache(self, folder: Path) -> Experiment:
        """The same, with `folder` in the place of the folder that the YAML names as latent cache, if any."""
        if not self.keys.get("model", {}).get("init_args", {}).get("latent_cache"):
            return self
        return replace(self, keys=merged(self.keys, {"model": {"init_args": {"latent_cache": str(folder)}}}))

    def subject(self, fabric: L.Fabric) -> MethodSubject:
        """The method, built.

        Raises:
            UserError: It cannot be built.
        """
        fabric.seed_everything(0, verbose=False)
        checkpoint = Path(self.checkpoint) if self.checkpoint else None
        method = build_method(self.keys.get("model"), Path(self.config), checkpoint)
        return MethodSubject(placed(method, fabric.device), fabric)


def experiments(
    config: Sequence[str], methods: Sequence[str], backbone: dict[str, Any] | None = None
) -> list[Experiment]:
    """The experiments of a command line, one for each method.

    Args:
        config: YAML files that add up. If they name a method they are an experiment of their own, else
            they are laid over each of `methods`.
        methods: Methods that ship by their names, or YAML files, each as FILE or FILE=CHECKPOINT.
        backbone: Keys of `model.init_args.backbone.init_args`, where such a backbone is `pretrained`.

    Raises:
        UserError: A file cannot be read, or nothing names a method.
    """
    layers: dict[str, Any] = {}
    for path in config:
        layers = merged(layers, read_config(find_config(path)))
    found: list[tuple[str, str | None, dict[str, Any]]] = []
    if "class_path" in layers.get("model", {}):
        found.append((config[0], None, layers))
        layers = {}
    for entry in methods:
        file, weights = as_written(entry)
        found.append((file, weights, merged(read_config(find_config(file)), layers)))
    if not found:
        raise UserError(
            "Nothing says what to measure: give an experiment such as --config exp1.yaml, or several with"
            " --methods dis.yaml exp1.yaml."
        )
    rows: list[Experiment] = []
    for file, checkpoint, keys in found:
        check_keys(file, keys)
        arguments: dict[str, Any] = keys.get("model", {}).get("init_args", {})
        if backbone and "pretrained" in arguments.get("backbone", {}).get("init_args", {}):
            keys = merged(keys, {"model": {"init_args": {"backbone": {"init_args": backbone}}}})
        rows.append(Experiment(name_for(file, [row.name for row in rows]), file, keys, checkpoint))
    return rows


def check_keys(file: str, keys: dict[str, Any]) -> None:
    """Refuse what `fit` would refuse, too.

    Raises:
        UserError: An unknown key, or a section that is none.
    """
    known: dict[str, set[str]] = {"": {"seed_everything", "ckpt_path", "trainer", "data", "model"}}
    known["data"] = set(signature(WindowDataModule).parameters)
    known["model"] = {"class_path", "init_args", "dict_kwargs"}
    for section, names in known.items():
        found = keys.get(section, {}) if section else keys
        if not isinstance(found, dict):
            raise UserError(f"{section} of {file} is {found}: give its keys.")
        for name in found:
            if name not in names:
                raise UserError(f"There is no key {section}{'.' * bool(section)}{name}, which {file} has.")
