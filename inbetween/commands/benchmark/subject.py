"""What the benchmark times: training steps and inference of a method, one at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import cv2
import lightning as L
import torch
from torch.utils.data import default_collate

from inbetween.data import SyntheticAnimation, WindowSpec
from inbetween.methods import Method, TrainableMethod
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.modules.perceptual import has_vgg
from inbetween.types import WindowBatch


@dataclass(frozen=True)
class Task:
    """A training step, or the inference of one window.

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


class Subject(Protocol):
    """What can be timed."""

    @property
    def phases(self) -> Sequence[Phase]:
        """Parts of its training; none where there is nothing to train."""

    @property
    def left_out(self) -> float:
        """Share of the training that cannot be measured here."""

    def prepared(self, batch: WindowBatch) -> tuple[WindowBatch, float]:
        """A batch with what data workers compute of it for training, and the seconds that takes one."""

    def train(self, batch: WindowBatch, progress: float) -> None:
        """A training step, when so much of the training is done."""

    def interpolate(self, batch: WindowBatch) -> None:
        """All in-betweens of a batch."""


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
        self.phases: tuple[Phase, ...] = ()
        self.left_out = 0.0  # share of the training whose perceptual loss cannot be measured here
        trainable = [parameter for parameter in method.parameters() if parameter.requires_grad]
        if not isinstance(method, TrainableMethod) or not trainable:
            return
        self.phases = (Phase(),)
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
        """All in-betweens, as `predict` makes them."""
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


def windows_for(task: Task) -> WindowBatch:
    """Synthetic animation, with its true flow for training; the same for every method."""
    spec = WindowSpec(between=task.between, size=(task.height, task.width))
    source = SyntheticAnimation(truth=task.kind == "train", length={"train": task.windows})
    dataset = source.dataset("train", spec)
    batch: WindowBatch = default_collate([dataset[0, index] for index in range(task.windows)])
    # As of frames that come back each epoch: a method that caches what it knows of them may do so.
    batch["frame_ids"] = torch.arange(task.windows * (task.between + 2)).view(task.windows, -1)
    return batch
