"""A signal to all processes of a run leaves its data workers to the main one."""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from inbetween.callbacks import Interruption
from inbetween.data import workers
from inbetween.data.loader import WindowLoader
from inbetween.errors import UserError
from tests.cli.conftest import write_yaml
from tests.faults.conftest import wait_for


class Numbers(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Windows that are numbers; reading number 7 takes for ever."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        time.sleep(60 if key[1] == 7 else 0)
        return torch.tensor(key[1])


@pytest.fixture
def asked() -> Iterator[Interruption]:
    """What hears SIGINT and SIGTERM in this process, as in one that trains."""
    interruption = Interruption()
    before = {
        number: signal.signal(number, interruption._request) for number in (signal.SIGINT, signal.SIGTERM)
    }
    yield interruption
    for number, handler in before.items():
        signal.signal(number, handler)


def loader(*numbers: int) -> WindowLoader:
    batches = [[(0, number)] for number in numbers]
    return WindowLoader(Numbers(), len(batches), lambda: batches, num_workers=1)  # type: ignore[arg-type]


@pytest.mark.slow  # ten seconds of waiting
def test_a_worker_hears_no_signal_and_ends_at_once(
    asked: Interruption, capfd: pytest.CaptureFixture[str]
) -> None:
    before = active_children()
    reader = loader(*range(6))
    batches = iter(reader)
    assert next(batches) == 0  # type: ignore[comparison-overlap]
    (worker,) = set(active_children()) - set(before)
    assert worker.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.pid, number)
    assert [int(batch) for batch in batches] == [1, 2, 3, 4, 5]  # type: ignore[call-overload]
    began = time.monotonic()
    del batches
    reader.close()
    assert time.monotonic() - began < 2
    assert not worker.is_alive()
    assert worker.exitcode == 0
    assert "stopping" not in capfd.readouterr().err


@pytest.mark.slow  # torch waits for five seconds
def test_a_worker_that_hangs_ends_nonetheless(asked: Interruption) -> None:
    reader = loader(0, 7)
    batches = iter(reader)
    next(batches)
    began = time.monotonic()
    del batches
    reader.close()
    assert time.monotonic() - began < 8
    assert not any(worker.is_alive() for worker in reader.workers._workers)


def test_a_signal_while_workers_start_is_heard_by_the_main_process_alone(
    asked: Interruption, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = loader(0, 1)
    fork = os.fork

    def signalled() -> int:
        child = fork()
        signal.raise_signal(signal.SIGTERM)  # in both: here, and in the worker before torch has it
        return child

    monkeypatch.setattr(os, "fork", signalled)
    assert [int(batch) for batch in reader] == [0, 1]  # type: ignore[call-overload]
    reader.close()
    assert asked._requested
    assert capfd.readouterr().err.count("stopping after this step") == 1


def test_windows_knows_fewer_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIGCHLD", "SIGBUS", "SIGKILL", "pthread_sigmask"):
        monkeypatch.delattr(signal, name)
    watch = importlib.reload(workers).WorkerWatch()
    try:
        started = SimpleNamespace(exitcode=1, kill=None)
        children = iter([[], [started]])
        monkeypatch.setattr(workers, "active_children", lambda: next(children))
        assert list(watch.start([1, 2])) == [1, 2]  # type: ignore[arg-type]
        with pytest.raises(UserError, match=r"died \(exit code 1\)"), watch.explained():
            raise RuntimeError("gone")
    finally:
        monkeypatch.undo()
        importlib.reload(workers)


COMMAND = """
import multiprocessing, sys, time
from inbetween.__main__ import main
from inbetween.methods import TemporalEncodingDiffusion as Method
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv.pop(1))
    loss = Method.training_loss
    def slow(self, batch):
        time.sleep(0.3)
        return loss(self, batch)
    Method.training_loss = slow
    sys.exit(main(sys.argv[1:]))
"""


def alive(group: int) -> list[str]:
    """Processes of a group, but for those that are dead and not yet waited for."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, number = entry.joinpath("stat").read_text().rpartition(")")[2].split()[:3]
            if int(number) == group and state != "Z":
                found.append(entry.name)
    return found


@pytest.mark.slow  # a new process imports everything
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's list of processes")
@pytest.mark.parametrize(
    ("method", "number"),
    [
        ("fork", signal.SIGINT),
        ("fork", signal.SIGTERM),
        ("spawn", signal.SIGINT),
        ("fork", signal.SIGKILL),
    ],
)
def test_a_signal_to_all_processes_of_a_run(
    exp1: list[str], folder_data: list[str], tmp_path: Path, method: str, number: signal.Signals
) -> None:
    checkpoints = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"save_last": True, "every_n_train_steps": 1, "save_on_exception": True},
    }
    overlay = {
        "data": {"stride": 1, "between": 1, "batch_size": 4, "num_workers": 2},
        "trainer": {"max_steps": 400, "limit_val_batches": 0, "callbacks": [checkpoints]},
    }
    (tmp_path / "run.py").write_text(COMMAND)
    config = str(write_yaml(tmp_path / "training.yaml", overlay))
    version = ["--trainer.logger.init_args.version", "stopped"]
    said = tmp_path / "said.txt"
    with said.open("w") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                tmp_path / "run.py",
                method,
                "fit",
                *exp1,
                *folder_data,
                "--config",
                config,
                *version,
            ],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    last = Path("logs/exp1/stopped/checkpoints/last.ckpt")
    try:
        wait_for(lambda: last.exists() or process.poll() is not None, 120)
        assert process.poll() is None, said.read_text()
        if number == signal.SIGKILL:
            process.kill()  # which the workers hear nothing of
        else:
            os.killpg(process.pid, number)
        code = process.wait(30)
        text = said.read_text()
        if number != signal.SIGKILL:
            assert code == 130, text
            assert text.count("stopping after this step") == 1
            assert f"inbetween: interrupted: resume with --ckpt_path {last}" in text
            assert "Traceback" not in text
        wait_for(lambda: not alive(process.pid), 15)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
