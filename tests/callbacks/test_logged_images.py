"""Pictures reach every logger that takes some, and the run's folder."""

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CometLogger, CSVLogger, Logger, MLFlowLogger, TensorBoardLogger
from PIL import Image

from inbetween.callbacks import log_image, run_folder
from inbetween.cli.results import spare_working_folder
from tests.callbacks.test_sample_grid import pictures

IMAGE = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0))
PIXELS = (IMAGE * 255).round().byte()


class Shows(Logger):
    """Takes pictures as Lightning's WandbLogger does."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.shown = folder, []

    @property
    def save_dir(self) -> str:
        return str(self.folder)

    @property
    def name(self) -> str:
        return "project"

    @property
    def version(self) -> str:
        return "k3"

    def log_metrics(self, *_: Any, **__: Any) -> None: ...

    def log_hyperparams(self, *_: Any, **__: Any) -> None: ...

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        self.shown.append((key, [np.asarray(image) for image in images], step))


def stand_in(kind: type[Logger]) -> Any:
    """A logger of a service, with a client that remembers the calls."""
    calls: list[tuple[Any, ...]] = []

    class Recorded(kind):  # type: ignore[misc, valid-type]
        experiment = SimpleNamespace(log_image=lambda *args, **options: calls.append((args, options)))
        name, version, save_dir, run_id = "project", "k3", None, "r7"

        def __init__(self) -> None:
            self.calls = calls

    return Recorded()


def test_every_kind_of_logger_gets_the_picture(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    board, other = TensorBoardLogger(tmp_path / "board"), Shows(tmp_path)
    comet, mlflow = stand_in(CometLogger), stand_in(MLFlowLogger)
    trainer = make_trainer(logger=[board, other, comet, mlflow, CSVLogger(tmp_path / "csv")])
    log_image(trainer, "samples/val", IMAGE)
    board.finalize("success")  # writes what waits

    [(step, shown)] = pictures(Path(board.log_dir), "samples/val")
    assert step == 0
    assert (shown.int() - PIXELS.int()).abs().max() <= 1
    [(key, [array], step)] = other.shown
    assert (key, step) == ("samples/val", 0)
    assert np.array_equal(array, PIXELS.permute(1, 2, 0))
    [((picture,), options)] = comet.calls
    assert options == {"name": "samples/val", "step": 0}
    assert picture.size == (6, 4)
    [((run, picture), options)] = mlflow.calls
    assert (run, options) == ("r7", {"key": "samples/val", "step": 0})
    written = np.asarray(Image.open(Path(board.log_dir, "images/samples/val/0.png")))
    assert np.array_equal(written, PIXELS.permute(1, 2, 0))


def test_a_run_has_the_folder_of_its_checkpoints(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_folder(make_trainer(logger=CSVLogger("logs", "a"))) == Path("logs/a/version_0")
    # Lightning's `log_dir` is the folder of all runs here
    assert run_folder(make_trainer(logger=Shows(tmp_path))) == tmp_path / "project" / "k3"
    assert run_folder(make_trainer(logger=stand_in(CometLogger))) == tmp_path / "project" / "k3"
    assert run_folder(make_trainer(logger=False, default_root_dir="mine")) == Path("mine")


@pytest.mark.parametrize("options", [{"logger": False}, {"fast_dev_run": True}])
def test_runs_without_a_folder_leave_no_picture(
    make_trainer: Callable[..., L.Trainer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, bool],
) -> None:
    monkeypatch.chdir(tmp_path)
    trainer = make_trainer(**options)
    assert run_folder(trainer) is None
    log_image(trainer, "samples/val", IMAGE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("of_the_logger", [False, True])
def test_an_address_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_the_logger: bool
) -> None:
    """It would become a folder `s3:` where the run was started."""
    monkeypatch.chdir(tmp_path)
    address = f"s3://bucket/runs{of_the_logger}"

    class There(Shows):
        save_dir = address  # type: ignore[assignment]

    trainer = L.Trainer(logger=There(tmp_path) if of_the_logger else False, accelerator="cpu")
    monkeypatch.setattr(L.Trainer, "default_root_dir", address)
    writers: list[L.Callback] = [ModelCheckpoint()]
    with pytest.warns(UserWarning, match=f"{address}.* is no folder of this machine"):
        assert run_folder(trainer) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        log_image(trainer, "samples/val", IMAGE)
        spare_working_folder(trainer, writers)
    assert len(writers) == 1
    assert list(tmp_path.iterdir()) == []
