"""A run that was stopped, in whatever way, goes on to the weights of one that was not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from inbetween.__main__ import main
from inbetween.callbacks import Interruption
from tests.cli.conftest import Run, write_yaml

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:LPIPS needs the weights")]
STEPS = 8


@pytest.fixture
def training(tmp_path: Path, exp1: list[str], folder_data: list[str]) -> list[str]:
    """`fit` of eight steps, five an epoch, with validation, saved after each second step."""
    overlay = {
        "model": {"init_args": {"optimizer": {"init_args": {"lr": 0.01}}, "warmup_steps": 2}},
        "data": {"stride": 1, "between": 1, "batch_size": 4, "augment": {"flip": 0.5}},
        "trainer": {
            "max_steps": STEPS,
            "val_check_interval": 3,
            "callbacks": [
                {
                    "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "init_args": {"save_last": True, "every_n_train_steps": 2, "save_on_exception": True},
                }
            ],
        },
    }
    return ["fit", *exp1, *folder_data, "--config", str(write_yaml(tmp_path / "training.yaml", overlay))]


def named(version: str) -> list[str]:
    """Options that write a run to `logs/exp1/<version>`."""
    return ["--trainer.logger.init_args.version", version]


def weights(version: str) -> dict[str, Any]:
    """The last checkpoint of a run."""
    saved: dict[str, Any] = torch.load(last(version), weights_only=True)
    return saved


def last(version: str) -> Path:
    return Path(f"logs/exp1/{version}/checkpoints/last.ckpt")


STRAIGHT: dict[str, Any] = {}


@pytest.fixture
def straight(run: Run, training: list[str]) -> dict[str, Any]:
    """The last checkpoint of the run that nobody stops; made once."""
    if not STRAIGHT:
        run(*training, *named("straight"))
        STRAIGHT.update(weights("straight"))
    return STRAIGHT


def assert_same_run(resumed: dict[str, Any], straight: dict[str, Any]) -> None:
    assert resumed["global_step"] == straight["global_step"] == STEPS
    torch.testing.assert_close(resumed["state_dict"], straight["state_dict"], rtol=1e-6, atol=1e-7)
    for state in ("optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(resumed[state], straight[state], rtol=1e-5, atol=1e-7)


class StopAt(L.Callback):
    """Sends this process SIGINT in the middle of a step or of a validation."""

    def __init__(self, step: int, place: str) -> None:
        self.step, self.place = step, place

    def on_before_optimizer_step(self, trainer: L.Trainer, *_: object) -> None:
        if self.place == "step" and trainer.global_step == self.step:
            signal.raise_signal(signal.SIGINT)

    def on_validation_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        if self.place == "validation" and trainer.global_step == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("step", "place"), [(6, "step"), (3, "validation")])
def test_sigint_ends_between_steps_and_the_run_goes_on(
    run: Run,
    training: list[str],
    straight: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    place: str,
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        stop = StopAt(step, place)
        patched.setattr(
            Interruption, "on_before_optimizer_step", lambda _, *args: stop.on_before_optimizer_step(*args)
        )
        patched.setattr(
            Interruption, "on_validation_batch_end", lambda _, *args: stop.on_validation_batch_end(*args)
        )
        capfd.readouterr()
        assert main([*training, *named("stopped")]) == 130
    signal.signal(signal.SIGINT, handler)  # Lightning ignores it from then on
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("inbetween: ")]
    assert said == [
        "inbetween: stopping after this step; once more stops at once",
        f"inbetween: interrupted: resume with --ckpt_path {last('stopped')}",
    ]
    assert weights("stopped")["global_step"] == (step + 1 if place == "step" else step)

    run(*training, *named("resumed"), "--ckpt_path", last("stopped"))
    assert_same_run(weights("resumed"), straight)


def test_a_run_stopped_before_its_first_step_goes_on_from_where_it_came(
    run: Run, training: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*training, *named("first"), "--trainer.max_steps", "1")
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "on_train_start", lambda *_: signal.raise_signal(signal.SIGINT))
        assert main([*training, *named("stopped"), "--ckpt_path", str(last("first"))]) == 130
    signal.signal(signal.SIGINT, handler)
    assert f"inbetween: interrupted: resume with --ckpt_path {last('first')}" in capfd.readouterr().err
    assert not list(last("stopped").parent.glob("*.ckpt"))


@pytest.mark.parametrize("step", [4, 5])  # in an epoch, and at its end
def test_a_checkpoint_of_a_whole_run_goes_on_to_the_same_weights(
    run: Run, training: list[str], straight: dict[str, Any], step: int
) -> None:
    every = ["--trainer.callbacks.init_args.every_n_train_steps", str(step)]
    run(*training, *every, "--trainer.callbacks.init_args.save_top_k", "-1", *named("whole"))
    (checkpoint,) = last("whole").parent.glob(f"*step={step}.ckpt")
    run(*training, *named("resumed"), "--ckpt_path", checkpoint)
    assert_same_run(weights("resumed"), straight)


COMMAND = """
import sys, time
from inbetween.__main__ import main
from inbetween.methods import TemporalEncodingDiffusion as Method
loss = Method.training_loss
def slow(self, batch):
    time.sleep(0.3)
    return loss(self, batch)
Method.training_loss = slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def start(training: list[str]) -> Callable[[], subprocess.Popen[str]]:
    """Starts the training as a slow process of its own, and waits for its second checkpoint."""

    def begin() -> subprocess.Popen[str]:
        root = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *training, *named("stopped")],
            # as many threads as this process has: sums of another order are other sums
            env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if list(last("stopped").parent.glob("*step=4.ckpt")):
                return process
            time.sleep(0.02)
        process.kill()
        pytest.fail(f"no second checkpoint: {process.communicate()}")

    return begin


@pytest.mark.slow  # a new process imports everything
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_process_that_was_stopped_goes_on(
    run: Run,
    training: list[str],
    straight: dict[str, Any],
    start: Callable[[], subprocess.Popen[str]],
    number: signal.Signals,
) -> None:
    process = start()
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=60)
    if number is not signal.SIGKILL:
        assert time.monotonic() - began < 10
        assert process.returncode == 130
        assert "Traceback" not in out + err
        assert f"inbetween: interrupted: resume with --ckpt_path {last('stopped')}" in err
    else:
        assert process.returncode == -signal.SIGKILL
    assert 2 <= weights("stopped")["global_step"] < STEPS  # the second checkpoint, or the one before

    run(*training, *named("resumed"), "--ckpt_path", last("stopped"))
    # a kill may have come while a file was written
    assert list(last("stopped").parent.glob("*.partial")) == []
    assert_same_run(weights("resumed"), straight)


def test_the_saved_config_repeats_the_run(run: Run, training: list[str], straight: dict[str, Any]) -> None:
    run(*training, *named("first"), "--trainer.max_steps", "1")
    run("fit", "--config", "logs/exp1/first/config.yaml", *named("second"), "--trainer.max_steps", str(STEPS))
    assert_same_run(weights("second"), straight)
