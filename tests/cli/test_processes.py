"""Two processes give what one gives."""

import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cli.conftest import Run, write_yaml
from tests.cli.test_runs import events, last_metrics

# `python -m inbetween`: Lightning starts the second process from this file.
COMMAND = """
import sys
from inbetween.__main__ import main
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def options(tmp_path: Path, exp1: list[str], folder_data: list[str]) -> list[str]:
    """exp1 for three steps, on train and val of 21 and 7 windows, with predictions written."""
    overlay: dict[str, Any] = {
        # Adam's first steps are as long for a gradient that is all but nothing: rounding would decide
        "model": {
            "init_args": {
                "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5}},
                "sampled_batches": 9,
            }
        },
        "data": {"stride": 1, "between": 1, "batch_size": 4, "val_batch_size": 2, "test_split": "val"},
        "trainer": {
            "max_steps": 3,
            "val_check_interval": 3,
            "callbacks+": [
                {
                    "class_path": "inbetween.callbacks.PredictionWriter",
                    "init_args": {"directory": "logs/unused"},
                }
            ],
        },
    }
    return [*exp1, *folder_data, "--config", str(write_yaml(tmp_path / "processes.yaml", overlay))]


@pytest.mark.slow  # four new processes import everything
@pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
def test_two_processes_give_what_one_gives(run: Run, tmp_path: Path, options: list[str]) -> None:
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    name = "--trainer.logger.init_args.version"
    directory = "--trainer.callbacks.init_args.directory"
    checkpoint = "logs/exp1/one/checkpoints/last.ckpt"
    calls = {
        "fit": ["fit", *options, name, "{}"],
        "predict": ["predict", *options, name, "{}_drawn", directory, "logs/{}", "--ckpt_path", checkpoint],
    }
    for call in calls.values():
        run(*(word.format("one") for word in call))
    for command, call in calls.items():
        words = [word.format("two") for word in call]
        ended = subprocess.run(
            [sys.executable, str(script), *words, "--trainer.devices", "2", "--trainer.strategy", "ddp"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr, command

    one, two = (events(Path(f"logs/exp1/{version}")) for version in ("one", "two"))
    assert two.Scalars("val/windows")[-1].value == 7
    assert last_metrics(two, "val") == pytest.approx(last_metrics(one, "val"), rel=1e-3)
    losses = [[event.value for event in board.Scalars("train/loss")] for board in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    saved = [torch.load(f"logs/exp1/{version}/checkpoints/last.ckpt") for version in ("one", "two")]
    torch.testing.assert_close(saved[1]["state_dict"], saved[0]["state_dict"], rtol=1e-3, atol=1e-5)

    drawn = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}
        for folder in (Path("logs/one"), Path("logs/two"))
    ]
    assert len(drawn[0]) == 7 * 3
    assert drawn[0].keys() == drawn[1].keys()
    for path, content in drawn[0].items():
        pair = [np.asarray(Image.open(BytesIO(data))).astype(int) for data in (content, drawn[1][path])]
        assert abs(pair[0] - pair[1]).max() <= 1, path


# The machine of the second process differs from that of the first, which has bfloat16 or lacks it.
DISAGREEING = """
import os
import torch
from inbetween.methods import TemporalEncodingDiffusion
from inbetween.weights import precision
rank = int(os.environ.get("LOCAL_RANK", 0))
precision.bfloat16_pays = lambda: (rank == 0) is {first}
def note(self):
    kept = self.backbone.frozen_dtype
    torch.save((self.trainer.precision, kept, self.state_dict()), "{folder}/rank" + str(rank))
TemporalEncodingDiffusion.on_train_end = note
"""


@pytest.mark.slow  # two new processes import everything
@pytest.mark.parametrize(("first", "used"), [(True, "bf16-mixed"), (False, "32-true")])
def test_processes_that_disagree_compute_in_what_the_first_one_does(
    tmp_path: Path, options: list[str], first: bool, used: str
) -> None:
    script = tmp_path / "command.py"
    script.write_text(DISAGREEING.format(first=first, folder=tmp_path) + COMMAND)
    ended = subprocess.run(
        [
            *(sys.executable, str(script), "fit", *options, "--trainer.precision", "bf16-mixed"),
            *("--model.init_args.backbone.init_args.frozen_dtype", "bfloat16"),
            *("--trainer.devices", "2", "--trainer.strategy", "ddp"),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    found = [torch.load(tmp_path / f"rank{rank}") for rank in range(2)]
    dtype = torch.bfloat16 if first else torch.float32
    assert [one[:2] for one in found] == [(used, dtype)] * 2
    torch.testing.assert_close(found[1][2], found[0][2], rtol=0, atol=0)
    config = Path("logs/exp1/version_0/config.yaml").read_text()
    assert f"precision: {used}" in config


@pytest.mark.slow  # two new processes import everything
def test_sigterm_to_the_first_of_two_processes_ends_both(tmp_path: Path, options: list[str]) -> None:
    """Clusters end a job so; each process waits for the other in every step, and must not do so for ever."""
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    checkpointing = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"save_last": True, "every_n_train_steps": 1, "save_on_exception": True},
    }
    endless = {"trainer": {"max_steps": 100_000, "val_check_interval": 5, "callbacks+": [checkpointing]}}
    config = str(write_yaml(tmp_path / "endless.yaml", endless))
    process = subprocess.Popen(
        [
            *(sys.executable, str(script), "fit", *options, "--config", config),
            *("--trainer.devices", "2", "--trainer.strategy", "ddp"),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 180
    while not list(Path("logs").rglob("last*.ckpt")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.terminate()
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in out + err
    assert "inbetween: interrupted: resume with --ckpt_path " in err
