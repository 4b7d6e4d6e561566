"""Validation before the first step."""

from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from inbetween.callbacks import FirstValidation, FrameMetrics, SampleGrid
from inbetween.callbacks.sample_grid import window_grid
from inbetween.functional.grid import stacked
from inbetween.types import StepOutput, WindowBatch
from tests.callbacks.test_sample_grid import pictures
from tests.callbacks.toy_model import ToyModel, Windows, loader

pytestmark = pytest.mark.usefixtures("no_alexnet")


class Learner(ToyModel):
    """Draws what is darker than the targets, by less with every step."""

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> StepOutput:
        frames = self.drawn(batch["targets"], self.global_step)
        loss = (frames - batch["targets"]).abs().mean()
        self.log("val/loss", loss, batch_size=len(frames))
        return {"loss": loss, "frames": frames}

    @staticmethod
    def drawn(targets: Tensor, step: int) -> Tensor:
        return (targets - 0.2 / (1 + step)).clamp(0, 1)


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder)).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def fit(make_trainer: Callable[..., L.Trainer], checks: int) -> None:
    callbacks = FrameMetrics(), SampleGrid(windows=[1]), FirstValidation()
    trainer = make_trainer(*callbacks, max_epochs=1, limit_train_batches=1, num_sanity_val_steps=checks)
    trainer.fit(Learner(), loader(2), loader(4))


def test_its_metrics_are_logged_at_step_0(make_trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    fit(make_trainer, -1)
    for tag, better in (("val/loss", -1), ("val/psnr", 1)):
        (start, before), (_, after) = scalars(tmp_path, tag)
        assert start == 0
        assert better * (after - before) > 0


def test_every_later_sheet_shows_what_was_drawn_before(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    fit(make_trainer, -1)
    window = Windows(2)[1]
    targets = window["targets"][..., :36, :]
    true = torch.cat([window["first"][None, :, :36], targets, window["last"][None, :, :36]])
    rounded = [(Learner.drawn(targets, step) * 255).round() / 255 for step in (0, 1)]
    title, t = f"1: {window['name']}", window["t"].tolist()
    for (_, found), frames, before in zip(
        pictures(tmp_path, "samples/val"), rounded, (None, rounded[0]), strict=True
    ):
        expected = (stacked([window_grid(title, t, true, frames, before)]) * 255).int()
        assert (found.int() - expected).abs().max() <= 2


def test_a_mere_check_is_not_shown(make_trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    fit(make_trainer, 1)
    assert len(scalars(tmp_path, "val/loss")) == len(pictures(tmp_path, "samples/val")) == 1
