"""What a run says when its data are what it waits for."""

import logging
import time

import lightning as L
import pytest
import torch

from inbetween.callbacks import DataWait
from inbetween.data.loader import WindowLoader, default_workers
from tests.tiny import random_batch


class Slow(torch.utils.data.Dataset):
    """Windows that take their time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.batch = seconds, random_batch(2)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, key):
        time.sleep(self.seconds)
        return {name: value[key[1]] for name, value in self.batch.items()}


class Sleeper(L.LightningModule):
    """A training step that takes its time, too."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.weight = seconds, torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        time.sleep(self.seconds)
        return self.weight * 1

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def trained(data: float, step: float, steps: int = 22, epochs: int = 1, every: int = 2) -> L.Trainer:
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        log_every_n_steps=every,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[DataWait()],
    )
    loader = WindowLoader(Slow(data), steps, lambda: [[(0, 0), (0, 1)]] * steps)
    trainer.fit(Sleeper(step), loader)
    return trainer


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("data", "step", "waits"), [(0.02, 0.005, True), (0.0, 0.08, False)])
def test_a_run_that_waits_for_its_data_says_so_once(data, step, waits, caplog):
    with caplog.at_level(logging.INFO, "lightning.pytorch.utilities.rank_zero"):
        trainer = trained(data, step)
    share = float(trainer.callback_metrics["train/data_wait"])
    assert 0.5 < share < 1 if waits else 0 <= share < 0.2
    said = [record.getMessage() for record in caplog.records if "waited for data" in record.getMessage()]
    assert len(said) == waits
    assert all("raise data.num_workers (0 now; it may use" in text for text in said)


@pytest.mark.filterwarnings("ignore")
def test_a_few_steps_are_no_ground_for_advice(caplog):
    with caplog.at_level(logging.INFO, "lightning.pytorch.utilities.rank_zero"):
        trained(0.01, 0.001, steps=5)
    assert "waited for data" not in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_epochs_of_one_batch_wait_too(caplog, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    with caplog.at_level(logging.INFO, "lightning.pytorch.utilities.rank_zero"):
        trained(0.02, 0.005, steps=1, epochs=22)
    assert "(0 now; it may use 3 cores)" in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_the_share_is_logged_when_lightning_logs(monkeypatch):
    logged = []
    log = Sleeper.log
    monkeypatch.setattr(
        Sleeper, "log", lambda self, *args, **kw: (logged.append(self.global_step), log(self, *args, **kw))
    )
    trained(0, 0, steps=7, every=3)
    assert logged == [3, 6]


def test_the_first_batch_of_the_first_pass_is_no_wait():
    loader = WindowLoader(Slow(0.05), 1, lambda: [[(0, 0)]])
    assert len(list(loader)) == 1
    assert loader.waited < 0.05
    assert len(list(loader)) == 1
    assert loader.waited >= 0.05


@pytest.mark.parametrize(
    ("cores", "processes", "on_processor", "workers"),
    [
        (1, 1, True, 0),
        (2, 1, True, 1),
        (8, 2, True, 2),
        (16, 1, False, 15),
        (16, 8, False, 1),
        (64, 1, False, 16),
    ],
)
def test_workers_are_as_many_as_the_machine_bears(cores, processes, on_processor, workers, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert default_workers(processes, on_processor) == workers
