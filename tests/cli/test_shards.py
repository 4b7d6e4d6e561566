"""`fit` on shards: killed and resumed, and on two processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from inbetween.__main__ import main
from tests.cli.conftest import Run, write_yaml
from tests.cli.test_interruption import last, named, weights
from tests.cli.test_processes import COMMAND
from tests.cli.test_runs import events

STEPS = 8


@pytest.fixture
def training(
    tmp_path: Path, exp1: list[str], scenes_root: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """`fit` of eight steps, five an epoch, on shards of one clip each, saved after each second step."""
    monkeypatch.setattr("inbetween.commands.shard.MEGABYTE", 5000)
    run("shard", "--root", scenes_root, "--output", tmp_path / "shards", "--shard_mb", "1")
    source = {
        "class_path": "inbetween.data.ShardedScenes",
        "init_args": {"root": str(tmp_path / "shards"), "shuffle_shards": 1},
    }
    sgd = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5}}
    keep = {"save_last": True, "every_n_train_steps": 2}
    overlay = {
        "model": {"init_args": {"optimizer": sgd}},
        "data": {"source": source, "stride": 1, "between": 1, "batch_size": 4, "augment": {"flip": 0.5}},
        "trainer": {
            "max_steps": STEPS,
            "limit_val_batches": 0,
            "val_check_interval": STEPS,
            "callbacks": [
                {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": keep},
            ],
        },
    }
    return ["fit", *exp1, "--config", str(write_yaml(tmp_path / "training.yaml", overlay))]


def started(tmp_path: Path, words: list[str]) -> "subprocess.Popen[str]":
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    return subprocess.Popen(
        [sys.executable, str(script), *words],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow  # new processes import everything
def test_a_killed_run_goes_on_with_the_same_batches(run: Run, tmp_path: Path, training: list[str]) -> None:
    run(*training, *named("straight"))
    process = started(tmp_path, [*training, *named("killed")])
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if last("killed").exists():
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    done = weights("killed")["global_step"]
    assert 2 <= done < STEPS
    run(*training, *named("resumed"), "--ckpt_path", last("killed"))
    torch.testing.assert_close(
        weights("resumed")["state_dict"], weights("straight")["state_dict"], rtol=1e-6, atol=1e-7
    )


@pytest.mark.slow  # two new processes import everything
def test_two_processes_train_on_the_batches_of_one(run: Run, tmp_path: Path, training: list[str]) -> None:
    run(*training, *named("one"))
    two = [*training, *named("two"), "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    process = started(tmp_path, two)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    losses = [
        [event.value for event in events(Path(f"logs/exp1/{name}")).Scalars("train/loss")]
        for name in ("one", "two")
    ]
    assert len(losses[0]) == STEPS
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    torch.testing.assert_close(
        weights("two")["state_dict"], weights("one")["state_dict"], rtol=1e-3, atol=1e-5
    )


def test_a_damaged_shard_ends_the_data_workers_and_is_named(
    run: Run, tmp_path: Path, scenes_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("shard", "--root", scenes_root, "--output", tmp_path / "shards")
    damaged = tmp_path / "shards" / "val-000000.tar"
    content = bytearray(damaged.read_bytes())
    content[600] ^= 255  # in the first image
    damaged.write_bytes(content)
    options = ["--data.num_workers", "2", "--data.size", "32", "--data.batch_size", "1"]
    source = ["--config", "data/shards.yaml", "--data.source.root", str(tmp_path / "shards")]
    assert main(["validate", "--config", "cross_fade.yaml", *source, *options]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "val-000000.tar is damaged (clip fox/walk): copy it again" in said
    # a worker that is left would keep this process from ending
    assert multiprocessing.active_children() == []
