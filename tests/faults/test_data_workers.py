"""A data worker that dies ends a run in one sentence, between two steps, and the run goes on."""

import re
import signal
from pathlib import Path

import pytest
import torch

from inbetween.data import FolderScenes, WindowDataModule
from inbetween.errors import UserError
from tests.cli.conftest import write_yaml
from tests.faults.conftest import Start
from tests.faults.test_full_disk import one_sentence


@pytest.fixture
def training(tmp_path: Path, exp1: list[str], folder_data: list[str]) -> list[str]:
    """`fit` of eight steps with a data worker; saved at the end, or when something fails."""
    checkpoints = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"save_last": True, "every_n_train_steps": 100, "save_on_exception": True},
    }
    overlay = {
        "model": {"init_args": {"optimizer": {"init_args": {"lr": 0.01}}}},
        "data": {"stride": 1, "between": 1, "batch_size": 4, "num_workers": 1},
        "trainer": {"max_steps": 8, "limit_val_batches": 0, "callbacks": [checkpoints]},
    }
    return ["fit", *exp1, *folder_data, "--config", str(write_yaml(tmp_path / "training.yaml", overlay))]


SAID = {
    signal.SIGKILL: "A data worker was killed, as systems do when memory runs out: give fewer data.num",
    signal.SIGSEGV: r"A data worker died \(exit code -11\): give data.num_workers 0 to see why.",
    signal.SIGBUS: "The data workers have too little shared memory",
}


@pytest.mark.slow  # processes
@pytest.mark.parametrize("number", SAID)
def test_a_worker_is_killed(
    start: Start, training: list[str], tmp_path: Path, number: signal.Signals
) -> None:
    version = "--trainer.logger.init_args.version"
    kill = {"class_path": "tests.faults.faulty.KillWorker", "init_args": {"step": 3, "number": int(number)}}
    overlay = write_yaml(tmp_path / "kill.yaml", {"trainer": {"callbacks+": [kill]}})
    code, said = start(*training, version, "killed", "--config", overlay).end(timeout=60)
    assert code == 2, said
    sentence = one_sentence(said)
    assert re.search(SAID[number], sentence)
    checkpoint = Path("logs/exp1/killed/checkpoints/last.ckpt")
    assert sentence.endswith(f" Add --ckpt_path {checkpoint} to resume.")
    # the step that was under way is done in full
    assert torch.load(checkpoint, weights_only=True)["global_step"] >= 4

    if number == signal.SIGKILL:
        assert start(*training, version, "straight").end()[0] == 0
        assert start(*training, version, "resumed", "--ckpt_path", checkpoint).end()[0] == 0
        resumed, straight = (
            torch.load(f"logs/exp1/{name}/checkpoints/last.ckpt", weights_only=True)
            for name in ("resumed", "straight")
        )
        assert resumed["global_step"] == straight["global_step"] == 8
        for name, value in straight["state_dict"].items():
            assert torch.equal(resumed["state_dict"][name], value), name


def loaded(root: Path, cache: Path) -> WindowDataModule:
    data = WindowDataModule(
        FolderScenes(root), size=32, between=1, batch_size=1, num_workers=1, cache_dir=cache
    )
    data.setup("validate")
    return data


@pytest.mark.slow  # torch waits five seconds
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_what_a_worker_finds_wrong_is_one_sentence(scenes_root: Path, tmp_path: Path, damage: object) -> None:
    """The store is deleted or damaged while a run reads it."""
    data = loaded(scenes_root, tmp_path / "frames")
    (file,) = (tmp_path / "frames").rglob("*.npy")
    damage(file)  # type: ignore[operator]
    try:
        with pytest.raises(UserError) as caught:
            list(data.val_dataloader())
    finally:
        data.teardown("validate")
    assert str(caught.value).startswith(f"The frame store's {file} has been deleted or damaged meanwhile")
    assert "\n" not in str(caught.value)


def test_an_error_of_a_workers_own_stays_what_it_is(
    scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = loaded(scenes_root, tmp_path / "frames")

    def fail(*_: object) -> None:
        raise RuntimeError("a programming mistake")

    monkeypatch.setattr(type(data.datasets["val"]), "__getitem__", fail)
    try:
        with pytest.raises(RuntimeError, match="a programming mistake"):
            list(data.val_dataloader())
    finally:
        data.teardown("validate")
