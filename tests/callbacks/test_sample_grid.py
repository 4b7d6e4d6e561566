"""Pictures in TensorBoard."""

from collections.abc import Callable
from pathlib import Path

import cv2
import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from inbetween.callbacks import SampleGrid
from inbetween.callbacks.sample_grid import window_grid
from inbetween.functional.grid import stacked
from tests.callbacks.toy_model import ToyModel, Windows, loader, predicted


def pictures(folder: Path, tag: str) -> list[tuple[int, Tensor]]:
    """Steps and pictures (3, H, W) uint8 under a tag."""
    events = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    decoded = []
    for event in events.Images(tag):
        image = cv2.imdecode(np.frombuffer(event.encoded_image_string, np.uint8), cv2.IMREAD_COLOR_RGB)
        decoded.append((event.step, torch.from_numpy(image).permute(2, 0, 1)))
    return decoded


def expected_sheet(*indices: int) -> Tensor:
    """What `SampleGrid` shows of windows drawn by `ToyModel`, uint8."""
    sheets = []
    for index in indices:
        window = Windows(10)[index]
        true = torch.cat([window["first"][None], window["targets"], window["last"][None]])[..., :36, :]
        true, frames = (
            (images * 255).round() / 255 for images in (true, predicted(window["targets"])[..., :36, :])
        )
        sheets.append(window_grid(f"{index}: {window['name']}", window["t"].tolist(), true, frames))
    return (stacked(sheets) * 255).byte()


def test_chosen_windows_are_shown_without_padding(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    trainer = make_trainer(SampleGrid(windows=[3, 0, 9]))
    trainer.validate(ToyModel(), loader(5), verbose=False)  # 9 is not there
    trainer.test(ToyModel(), loader(5), verbose=False)
    for tag in ("samples/val", "samples/test"):
        [(_, picture)] = pictures(tmp_path, tag)
        difference = (picture.int() - expected_sheet(0, 3).int()).abs()
        assert difference.max() <= 1


def test_the_same_windows_every_epoch_and_only_on_chosen_epochs(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    trainer = make_trainer(
        SampleGrid(windows=2, every_n_epochs=2), max_epochs=3, limit_train_batches=1, num_sanity_val_steps=1
    )
    trainer.fit(ToyModel(), loader(2), loader(6))
    shown = pictures(tmp_path, "samples/val")
    assert [step for step, _ in shown] == [1, 3]
    assert torch.equal(shown[0][1], shown[1][1])


@pytest.mark.parametrize("batches", [[[0, 1], [2, 3], [4, 5]], [[5, 0], [3], [4, 2, 1]]])
def test_a_number_of_windows_is_the_same_choice_in_any_order(batches: list[list[int]]) -> None:
    grid = SampleGrid(windows=3)
    for indices in batches:
        batch = torch.utils.data.default_collate([Windows(6)[index] for index in indices])
        grid._keep({"frames": batch["targets"]}, batch)
    kept = set(grid._samples)
    reference = SampleGrid(windows=3)
    whole = torch.utils.data.default_collate([Windows(6)[index] for index in range(6)])
    reference._keep({"frames": whole["targets"]}, whole)
    assert kept == set(reference._samples)
    assert len(kept) == 3


def test_a_logger_without_pictures_has_them_as_files(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    logger = CSVLogger(tmp_path)
    make_trainer(SampleGrid(), logger=logger).validate(ToyModel(), loader(2), verbose=False)
    [path] = tmp_path.rglob("*.png")
    assert path == Path(logger.log_dir, "images/samples/val/0.png")
    with Image.open(path) as shown:
        assert (shown.height, shown.width) == expected_sheet(0, 1).shape[1:]


def test_a_method_without_frames_shows_nothing(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    make_trainer(SampleGrid()).validate(ToyModel(sampled=0), loader(2), verbose=False)
    assert EventAccumulator(str(tmp_path)).Reload().Tags()["images"] == []
