"""Two processes log, show and write what one does."""

from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest

from inbetween.callbacks import FrameMetrics, PredictionWriter, SampleGrid
from tests.callbacks.test_sample_grid import pictures
from tests.callbacks.toy_model import ToyModel, loader


@pytest.mark.slow  # two new processes import torch
@pytest.mark.usefixtures("no_alexnet")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_two_processes_do_what_one_does(make_trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    found = {}
    for devices, strategy in ((1, "auto"), (2, "ddp_spawn")):
        folder = tmp_path / str(devices)
        logger = L.pytorch.loggers.TensorBoardLogger(folder, name="", version="")
        options = {"devices": devices, "strategy": strategy, "logger": logger}
        trainer = make_trainer(FrameMetrics(), SampleGrid(windows=3), **options)
        # five windows for two processes: the sampler repeats one
        [metrics] = trainer.validate(ToyModel(), loader(5), verbose=False)
        [(_, picture)] = pictures(folder, "samples/val")
        make_trainer(PredictionWriter(folder / "out"), **options).predict(
            ToyModel(), loader(5), return_predictions=False
        )
        files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("out/**/*.*")}
        found[devices] = metrics, picture.tolist(), files
    assert found[1][0]["val/windows"] == 5
    assert len(found[1][2]) == 5 * 5
    assert found[2] == found[1]
