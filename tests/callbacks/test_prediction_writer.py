"""Predicted clips on disk."""

from collections.abc import Callable
from pathlib import Path

import cv2
import lightning as L
import pytest
import torch

from inbetween.callbacks import PredictionWriter
from inbetween.errors import UserError
from inbetween.io.frames import folder_for, write_frames, write_image
from tests.callbacks.toy_model import ToyModel, Windows, loader, predicted


def read(path: Path) -> torch.Tensor:
    """(3, H, W) in [0, 1]."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image.dtype == "uint8"
    return torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).permute(2, 0, 1) / 255


@pytest.mark.parametrize("between", [1, 4])
def test_each_window_is_a_folder_of_exactly_its_frames(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path, between: int
) -> None:
    out = tmp_path / "out"
    make_trainer(PredictionWriter(out)).predict(ToyModel(), loader(3, between))
    for index in range(3):
        window = Windows(3, between)[index]
        folder = out / "animation" / f"scene {index}" / "0001-0005"
        assert sorted(path.name for path in folder.iterdir()) == [f"{k:04d}.png" for k in range(between + 2)]
        expected = [window["first"], *predicted(window["targets"]), window["last"]]
        for k, frame in enumerate(expected):
            written = read(folder / f"{k:04d}.png")
            assert written.shape == (3, 36, 48)  # without padding
            torch.testing.assert_close(written, frame[:, :36], atol=0.5 / 255 + 1e-6, rtol=0)
    assert len(list(out.rglob("*.*"))) == 3 * (between + 2)


def test_a_folder_with_content_is_refused_before_anything_is_drawn(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")

    class Never(ToyModel):
        def predict_step(self, batch: object, batch_idx: int) -> torch.Tensor:
            raise AssertionError("drawn before the folder was looked at")

    with pytest.raises(UserError, match=r"out is not empty; .* overwrite"):
        make_trainer(PredictionWriter(out)).predict(Never(), loader(1))
    assert [path.name for path in out.iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match=r"notes.txt is a file"):
        make_trainer(PredictionWriter(out / "notes.txt", overwrite=True)).predict(Never(), loader(1))


def test_overwriting_leaves_no_frame_of_a_longer_clip(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make_trainer(PredictionWriter(out)).predict(ToyModel(), loader(1, between=4))
    folder = out / "animation" / "scene 0" / "0001-0005"
    (folder / "notes.txt").write_text("mine")
    make_trainer(PredictionWriter(out, overwrite=True)).predict(ToyModel(), loader(1, between=1))
    assert sorted(path.name for path in folder.iterdir()) == ["0000.png", "0001.png", "0002.png", "notes.txt"]


def test_the_writer_stays_out_of_fit(make_trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    make_trainer(PredictionWriter(tmp_path / "full")).validate(ToyModel(), loader(1), verbose=False)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../b",
        "..",
        "",
        "a//b",
        "C:\\x\\..\\y",
        "a\0b",
        ".hidden",
        "x" * 500,
    ],
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = folder_for(tmp_path / "out", name)
    assert folder.resolve().is_relative_to((tmp_path / "out").resolve())
    assert folder != tmp_path / "out"
    write_frames(folder, [torch.zeros(3, 2, 2)])
    assert [path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.png")] == ["out"]


def test_names_keep_their_letters_and_never_share_a_folder(tmp_path: Path) -> None:
    kept = folder_for(tmp_path, "Аниме/シーン 1/0001-0005")
    assert kept == tmp_path / "Аниме" / "シーン 1" / "0001-0005"
    odd = [
        folder_for(tmp_path, name) for name in ("a?", "a*", "a_", "a", "a.", "../a", "..", "", "a/b", "a//b")
    ]
    assert len(set(odd)) == len(odd)


def test_an_image_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "кадр" / "0000.png"
    write_image(path, torch.tensor([0.0, 0.5, 1.2]).view(3, 1, 1).expand(3, 2, 3))
    torch.testing.assert_close(read(path)[:, 0, 0], torch.tensor([0, 128 / 255, 1]))
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_image(path, torch.zeros(3, 2, 3))
    assert path.read_bytes() == before
