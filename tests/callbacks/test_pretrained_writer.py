"""The parts of a backbone that a run leaves behind."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.strategies import FSDPStrategy

from inbetween.callbacks import PretrainedWriter
from inbetween.errors import UserError
from inbetween.io.files import partial_of

DONE = SimpleNamespace(interrupted=False, is_global_zero=True, fast_dev_run=False, global_step=1)


class Maker(L.LightningModule):
    """Writes one part."""

    def save_pretrained(self, folder: Path) -> None:
        (folder / "vae" / "v1.0").mkdir(parents=True)
        weights = folder / "vae" / "weights.safetensors"
        weights.write_text("new")
        weights.chmod(0o600)


def test_a_part_takes_the_place_of_an_earlier_one_and_others_stay(tmp_path: Path) -> None:
    for part in ("vae", "unet"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "old").touch()
    PretrainedWriter(tmp_path).on_fit_end(DONE, Maker())
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert found == {"unet", "unet/old", "vae", "vae/v1.0", "vae/weights.safetensors"}


def test_parts_half_written_before_are_no_obstacle(tmp_path: Path) -> None:
    (partial_of(tmp_path / "parts") / "text_encoder").mkdir(parents=True)
    PretrainedWriter(tmp_path).on_fit_end(DONE, Maker())
    assert [path.name for path in tmp_path.iterdir()] == ["vae"]


def test_what_is_written_may_be_read_as_any_other_file(tmp_path: Path) -> None:
    PretrainedWriter(tmp_path).on_fit_end(DONE, Maker())
    (tmp_path / "other").touch()
    written = tmp_path / "vae" / "weights.safetensors"
    assert written.stat().st_mode == (tmp_path / "other").stat().st_mode
    assert (tmp_path / "vae" / "v1.0").stat().st_mode & 0o100


@pytest.mark.parametrize(
    "changed", [{"interrupted": True}, {"is_global_zero": False}, {"fast_dev_run": True}, {"global_step": 0}]
)
def test_nothing_is_written_before_the_end_or_by_other_processes(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    PretrainedWriter(tmp_path / "folder").on_fit_end(SimpleNamespace(**{**vars(DONE), **changed}), Maker())
    assert not (tmp_path / "folder").exists()


def test_a_method_that_makes_no_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="LightningModule makes no part of a backbone"):
        PretrainedWriter(tmp_path).setup(DONE, L.LightningModule(), "fit")


def test_weights_that_are_split_over_processes_are_refused(tmp_path: Path) -> None:
    sharded: Any = SimpleNamespace(strategy=FSDPStrategy())  # Lightning's needs a GPU to be in a trainer
    with pytest.raises(UserError, match="PretrainedWriter needs whole weights in every process"):
        PretrainedWriter(tmp_path).setup(sharded, Maker(), "fit")
