"""Experiments as the benchmark runs them: a method or the origin's loop, a batch, and one step at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import lightning as L
import torch
from jsonargparse import ArgumentParser
from torch.utils.data import default_collate

from inbetween.commands.baseline import BaselineLoop
from inbetween.commands.methods import build_method, placed
from inbetween.commands.reports import name_for
from inbetween.configs import merged, read_config
from inbetween.data import SyntheticAnimation, WindowDataModule, WindowSpec
from inbetween.errors import UserError
from inbetween.methods import Method, TrainableMethod
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.modules.latent_diffusion import LatentDiffusion
from inbetween.modules.perceptual import has_vgg
from inbetween.paths import find_config
from inbetween.types import WindowBatch


@dataclass(frozen=True)
class Task:
    """One training step, or the drawing of one window.

    Args:
        kind: Which of them.
        height: Pixels.
        width: Pixels.
        between: N, the in-betweens of a window.
        windows: Windows of a batch.
    """

    kind: Literal["train", "interpolate"]
    height: int
    width: int
    between: int
    windows: int = 1


@dataclass(frozen=True)
class Phase:
    """A part of a training in which every step does the same work.

    Args:
        name: In tables; empty where there is one phase alone.
        share: Of the training's steps.
        progress: How much of the training is done in its middle, in [0, 1].
    """

    name: str = ""
    share: float = 1.0
    progress: float = 0.5


class MethodSubject:
    """A method under the precision of a run.

    Args:
        method: The method, on its device.
        fabric: Knows the precision.

    Raises:
        UserError: `fit` could not train the method either.
    """

    def __init__(self, method: Method, fabric: L.Fabric) -> None:
        self.method, self.fabric = method, fabric
        self.optimizer: torch.optim.Optimizer | None = None
        self.phases: tuple[Phase, ...] = (Phase(),)
        self.left_out = 0.0  # share of the training whose perceptual loss cannot be measured here
        trainable = [parameter for parameter in method.parameters() if parameter.requires_grad]
        if not isinstance(method, TrainableMethod) or not trainable:
            return
        self.optimizer = method.optimizer(trainable)
        self.run = TrainerAt(fabric)
        method.trainer = self.run
        if isinstance(method, PerceptualMethod) and method.perceptual_weight and method.perceptual_from < 1:
            begin = method.perceptual_from
            if has_vgg(method.perceptual_network):
                method.prepare_fit()
                before = [Phase("before LPIPS", begin, begin / 2)] if begin > 0 else []
                self.phases = (*before, Phase("with LPIPS", 1 - begin, (1 + begin) / 2))
            else:
                self.phases, self.left_out = (Phase("without LPIPS"),), 1 - begin

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return self.optimizer is not None

    def prepared(self, batch: WindowBatch) -> tuple[WindowBatch, float]:
        """A batch with what data workers compute of it for training, and the seconds that takes one."""
        method, took = cast(TrainableMethod, self.method).train(), float("inf")
        threads = torch.get_num_threads(), cv2.getNumThreads()
        torch.set_num_threads(1)  # a worker has one
        cv2.setNumThreads(1)
        try:
            for _ in range(3):
                begin = time.perf_counter()
                sample = method.sample_of(batch)
                took = min(took, time.perf_counter() - begin)
        finally:
            torch.set_num_threads(threads[0])
            cv2.setNumThreads(threads[1])
        return (batch, 0.0) if sample is None else ({**batch, "sample": sample}, took)

    def train(self, batch: WindowBatch, progress: float) -> None:
        """Loss, gradients and the optimiser's step, as `fit` does them when so much of it is done."""
        self.run.progress = progress
        method = cast(TrainableMethod, self.method).train()
        optimizer = cast(torch.optim.Optimizer, self.optimizer)
        optimizer.zero_grad()
        with self.fabric.autocast():
            loss = method.training_loss(batch)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()

    def interpolate(self, batch: WindowBatch) -> None:
        """All in-betweens, as `predict` draws them."""
        with self.fabric.autocast(), torch.no_grad():
            self.method.eval().interpolate_batch(batch)


class TrainerAt(L.Trainer):
    """What a loss that depends on how far training has come finds: a run that has come as far as is asked.

    Args:
        fabric: Knows the device.
    """

    def __init__(self, fabric: L.Fabric) -> None:
        self.progress = 0.0
        super().__init__(
            accelerator=fabric.device.type,
            devices=1,
            max_epochs=-1,
            max_steps=100_000,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    @property
    def global_step(self) -> int:
        """The step that is `progress` of all."""
        return round(self.progress * self.max_steps)


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

    def method(self, fabric: L.Fabric) -> MethodSubject:
        """The method.

        Raises:
            UserError: It cannot be built.
        """
        fabric.seed_everything(0, verbose=False)
        checkpoint = Path(self.checkpoint) if self.checkpoint else None
        method = build_method(self.keys.get("model"), Path(self.config), checkpoint)
        return MethodSubject(placed(method, fabric.device), fabric)

    @property
    def backbone_keys(self) -> dict[str, Any]:
        """`class_path` and `init_args` of a diffusion method's backbone."""
        keys: dict[str, Any] = self.keys["model"]["init_args"]["backbone"]
        return keys

    def baseline(self, fabric: L.Fabric) -> BaselineLoop:
        """The origin's loop on the same backbone."""
        keys = dict(self.backbone_keys)
        keys["init_args"] = {**keys.get("init_args", {}), "frozen_dtype": "float32"}
        parser = ArgumentParser(exit_on_error=False)
        parser.add_subclass_arguments(LatentDiffusion, "backbone", required=True)
        backbone: LatentDiffusion = parser.instantiate(parser.parse_object({"backbone": keys})).backbone
        return BaselineLoop(backbone.to(fabric.device))


def experiments(
    config: Sequence[str], methods: Sequence[str], backbone: dict[str, Any] | None = None
) -> list[Experiment]:
    """The experiments of a command line, one for each method.

    Args:
        config: YAML files that add up. If they name a method they are an experiment of their own, else
            they are laid over each of `methods`.
        methods: YAML files, each as FILE or FILE=CHECKPOINT.
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
        file, _, weights = entry.partition("=")
        found.append((file, weights or None, merged(read_config(find_config(file)), layers)))
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


def windows_for(task: Task) -> WindowBatch:
    """Synthetic cels, with their truth for training; the same for every method."""
    spec = WindowSpec(between=task.between, size=(task.height, task.width))
    source = SyntheticAnimation(truth=task.kind == "train", length={"train": task.windows})
    dataset = source.dataset("train", spec)
    batch: WindowBatch = default_collate([dataset[0, index] for index in range(task.windows)])
    # As of frames that come back each epoch: a method that caches what it knows of them may do so.
    batch["frame_ids"] = torch.arange(task.windows * (task.between + 2)).view(task.windows, -1)
    return batch
