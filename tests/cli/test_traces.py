"""What runs leave behind and say: nothing in a dry run, and nothing in the working folder."""

import warnings
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from inbetween.__main__ import main
from inbetween.callbacks import FrameMetrics
from inbetween.cli.messages import quiet
from inbetween.cli.results import results
from tests.cli.conftest import Run

pytestmark = pytest.mark.filterwarnings("ignore:LPIPS needs the weights")


def files(folder: Path = Path()) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command that is to be refused and to write nothing, and gives what it said."""

    def run(*words: str | Path) -> str:
        before = files()
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        assert files() == before
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("inbetween: ")][-1]

    return run


@pytest.mark.parametrize(("command", "batches"), [("fit", "true"), ("fit", "2"), ("predict", "true")])
def test_a_dry_run_writes_nothing(
    run: Run, exp1: list[str], capsys: pytest.CaptureFixture[str], command: str, batches: str
) -> None:
    mine = Path("weights.safetensors")
    mine.write_bytes(b"of another run")
    run(command, *exp1, "--trainer.fast_dev_run", batches)
    assert files() == {str(mine): b"of another run"}
    assert ("a dry run: nothing was written" in capsys.readouterr().out) == (command == "fit")
    mine.unlink()
    assert list(Path().iterdir()) == []


def test_a_fit_without_a_logger_leaves_nothing_and_says_so(run: Run, exp1: list[str], tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="leaves no checkpoint and no weights; --trainer.default_root_dir"):
        run("fit", *exp1, "--trainer.logger", "false")
    assert list(Path().iterdir()) == []

    folder = tmp_path / "mine"
    run("fit", *exp1, "--trainer.logger", "false", "--trainer.default_root_dir", folder)
    assert list(Path().iterdir()) == []
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    assert {"weights.safetensors", "config.yaml", "images/samples/val/4.png"} <= names
    assert "checkpoints/last.ckpt" in names


@pytest.mark.parametrize(
    ("command", "stage"), [("fit", "train"), ("validate", "val"), ("test", "test"), ("predict", "predict")]
)
def test_no_batches_are_refused(refused: Any, exp1: list[str], command: str, stage: str) -> None:
    assert refused(command, *exp1, f"--trainer.limit_{stage}_batches", "0") == (
        f"inbetween: trainer.limit_{stage}_batches is 0: there is nothing to do; give more, or leave it out."
    )


def test_a_finished_run_is_not_gone_on_with(run: Run, refused: Any, exp1: list[str]) -> None:
    run("fit", *exp1, "--trainer.max_steps", "3")
    last = "logs/exp1/version_0/checkpoints/last.ckpt"
    assert refused("fit", *exp1, "--trainer.max_steps", "3", "--ckpt_path", last) == (
        f"inbetween: {last} has been trained up to step 3, and trainer.max_steps is 3: there is nothing left"
        " to do; give a larger trainer.max_steps, or leave ckpt_path out."
    )
    assert "trainer.fast_dev_run ends after 1" in refused(
        "fit", *exp1, "--trainer.fast_dev_run", "true", "--ckpt_path", last
    )
    assert "trainer.max_steps is 0" in refused("fit", *exp1, "--trainer.max_steps", "0")
    said = refused("fit", *exp1, "--data.batch_size", "4", "--ckpt_path", last)
    assert said.startswith("inbetween: The checkpoint was written in an epoch with batch_size 2, now it is 4")

    run("fit", *exp1, "--trainer.max_steps", "4", "--ckpt_path", last)
    saved = torch.load("logs/exp1/version_1/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 4
    # an epoch is four batches: it is done
    limits = {"max_steps": -1, "max_epochs": 1, "check_val_every_n_epoch": 1}
    words = [f"--trainer.{name}={value}" for name, value in limits.items()]
    said = refused("fit", *exp1, *words, "--ckpt_path", "logs/exp1/version_1/checkpoints/last.ckpt")
    assert "has been trained up to epoch 1, and trainer.max_epochs is 1" in said


def test_a_run_whose_time_is_over_is_not_gone_on_with(run: Run, refused: Any, exp1: list[str]) -> None:
    limit = ("--trainer.max_time", "00:00:00:00", "--trainer.limit_val_batches", "0")
    run("fit", *exp1, "--trainer.max_time", "00:00:00:01", "--trainer.max_steps", "2")
    last = "logs/exp1/version_0/checkpoints/last.ckpt"
    said = refused("fit", *exp1, *limit, "--ckpt_path", last)
    assert said.startswith(f"inbetween: {last} has been trained for 0:00:0")
    assert said.endswith(": there is nothing left to do; give a larger one, or leave ckpt_path out.")


def test_a_run_that_fails_before_its_first_step_saves_nothing(
    exp1: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FrameMetrics, *_: Any) -> None:
        raise RuntimeError("no figures")

    monkeypatch.setattr(FrameMetrics, "on_validation_epoch_start", fail)
    with pytest.raises(RuntimeError, match="no figures"):
        main(["fit", *exp1, "--trainer.num_sanity_val_steps", "1"])
    monkeypatch.setattr(FrameMetrics, "on_train_epoch_start", fail)
    with pytest.raises(RuntimeError, match="no figures"):
        main(["fit", *exp1])
    assert list(Path().rglob("*.ckpt")) == []


def test_the_end_names_the_loggers_there_are(
    run: Run, exp1: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run("fit", *exp1, "--trainer.logger", "lightning.pytorch.loggers.CSVLogger")
    said = capsys.readouterr().out
    assert "TensorBoard" not in said
    folder = Path("logs/exp1/version_0")
    assert f"metrics: {folder / 'metrics.csv'}\n" in said
    assert f"images: {folder / 'images'}\n" in said
    assert (folder / "metrics.csv").is_file()
    assert (folder / "images/samples/val/4.png").is_file()


def test_the_checkpoint_that_is_named_is_that_of_any_writer(tmp_path: Path) -> None:
    best, last = ModelCheckpoint(tmp_path, monitor="val/loss"), ModelCheckpoint(tmp_path, save_last=True)
    trainer = L.Trainer(logger=False, callbacks=[best, last], accelerator="cpu")
    assert results(trainer) == ["checkpoint: none written"]
    for writer, kind in ((best, "best"), (last, "last")):
        path = tmp_path / f"{kind}.ckpt"
        path.touch()
        setattr(writer, f"{kind}_model_path", str(path))
        assert results(trainer) == [f"checkpoint: {path}"]


def test_a_warning_is_a_sentence_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # put back afterwards
    with warnings.catch_warnings():
        quiet()
    assert warnings.formatwarning("LPIPS is left out.", UserWarning, "prints.py", 43) == (
        "warning: LPIPS is left out.\n"
    )


def test_the_screen_counts_steps_and_weights(
    run: Run, exp1: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run("fit", *exp1, "--trainer.enable_progress_bar", "true", "--trainer.enable_model_summary", "true")
    captured = capsys.readouterr()
    assert "Training: 100%" in captured.out
    assert "4/4" in captured.out
    assert ", of which " in captured.out
    for odd in ("Epoch", "v_num", "FLOPs", ".py:", "-2"):
        assert odd not in captured.out + captured.err, odd
