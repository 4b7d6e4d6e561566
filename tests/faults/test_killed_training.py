"""A run that is killed at any moment goes on, and ends where one does that nobody kills."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.conftest import write_yaml
from tests.faults.conftest import Start, leftovers

pytestmark = pytest.mark.slow  # a process for each kill

KILLS = 20
STEPS = 40


@pytest.fixture
def training(tmp_path: Path, exp1: list[str], folder_data: list[str]) -> list[str]:
    """`fit` of forty steps, saved after each, so that many kills meet a checkpoint half written."""
    checkpoints = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"save_last": True, "every_n_train_steps": 1},
    }
    writer = {"class_path": "inbetween.callbacks.WeightsWriter"}
    overlay: dict[str, Any] = {
        "model": {"init_args": {"optimizer": {"init_args": {"lr": 0.01}}}},
        "data": {"stride": 1, "between": 1, "batch_size": 4, "augment": {"flip": 0.5}},
        "trainer": {"max_steps": STEPS, "limit_val_batches": 0, "callbacks": [checkpoints, writer]},
    }
    return ["fit", *exp1, *folder_data, "--config", str(write_yaml(tmp_path / "training.yaml", overlay))]


def newest(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """The checkpoint of the latest step in a run's folder; all of them can be read."""
    read = {path: torch.load(path, weights_only=True) for path in folder.rglob("*.ckpt")}
    return max(read.items(), key=lambda pair: pair[1]["global_step"], default=(None, {}))


def test_twenty_kills_change_nothing(start: Start, training: list[str]) -> None:
    version = "--trainer.logger.init_args.version"
    assert start(*training, version, "straight").end()[0] == 0
    _, straight = newest(Path("logs/exp1/straight"))
    chance = random.Random(0)
    ended: list[dict[str, Any]] = []
    checkpoint: Path | None = None
    kills = 0
    for number in range(10 * KILLS):
        on = [] if checkpoint is None else ["--ckpt_path", checkpoint]
        run = Path(f"logs/exp1/killed{number}")
        under_way = start(*training, version, run.name, *on)
        killed = kills < KILLS and under_way.kill_after(chance.uniform(0.2, 3.5))
        kills += killed
        if not killed:
            assert under_way.end()[0] == 0
            # what kills left half written beside the checkpoint is gone
            assert checkpoint is None or leftovers(checkpoint.parents[1]) == []
        checkpoint = newest(run)[0] or checkpoint
        saved = torch.load(checkpoint, weights_only=True) if checkpoint else {}
        if not killed or saved.get("global_step") == STEPS:  # or killed after its last step
            ended.append(saved)
            checkpoint = None
        if not killed and kills == KILLS:
            break
    assert kills == KILLS
    for resumed in ended:
        assert resumed["global_step"] == STEPS
        for name, value in straight["state_dict"].items():
            assert torch.equal(resumed["state_dict"][name], value), name


def test_a_kill_while_the_weights_are_written(start: Start, training: list[str], tmp_path: Path) -> None:
    few = ["--trainer.max_steps", "3", "--trainer.logger.init_args.version"]
    assert start(*training, *few, "straight").end()[0] == 0
    kill = {"class_path": "tests.faults.faulty.KillWhileWriting"}
    overlay = write_yaml(tmp_path / "kill.yaml", {"trainer": {"callbacks+": [kill]}})
    assert start(*training, *few, "killed", "--config", overlay).end()[0] == -9
    killed = Path("logs/exp1/killed")
    assert leftovers(killed)
    assert not (killed / "weights.safetensors").exists()
    assert start(*training, *few, "killed").end()[0] == 0
    written = [Path(f"logs/exp1/{version}/weights.safetensors") for version in ("straight", "killed")]
    assert written[0].read_bytes() == written[1].read_bytes()
    assert leftovers(Path("logs")) == []
