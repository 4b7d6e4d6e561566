"""`interpolate --report true` writes a page with the frames that it wrote, and their marks."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from inbetween.__main__ import main
from inbetween.commands import sequence_page
from tests.commands.known_methods import Judge
from tests.commands.test_report_page import data_of, image_of
from tests.conftest import DrawScene


@pytest.fixture
def judge(tmp_path: Path) -> str:
    path = tmp_path / "judge.yaml"
    path.write_text(yaml.safe_dump({"model": {"class_path": f"{Judge.__module__}.{Judge.__name__}"}}))
    return str(path)


def interpolated(tmp_path: Path, *args: str) -> Path:
    given = ["interpolate", "--keyframes", str(tmp_path / "keys"), "--output", str(tmp_path / "out"), *args]
    assert main([*given, "--accelerator", "cpu", "--precision", "32-true", "--write", "none"]) == 0
    return tmp_path / "out"


def shown_frames(found: Any) -> np.ndarray:
    """The first candidate's frames, below each other."""
    return np.concatenate([image_of(source) for source in found["strips"][0]])


def test_frames_keyframes_and_marks(tmp_path: Path, draw_scene: DrawScene, judge: str) -> None:
    draw_scene(tmp_path / "keys", numbers=[0, 2, 4, 6])
    out = interpolated(tmp_path, "--between", "3", "--hold", "2", "--method", judge, "--report", "true")
    found = data_of((out / "report.html").read_text())
    names = [f"{2 * number:04d}.png" for number in range(13)]
    assert [frame["name"] for frame in found["frames"]] == names
    assert [frame["name"] for frame in found["frames"] if frame["key"]] == names[::4]
    with (out / "review.csv").open() as file:
        review = {row["frame"]: row for row in csv.DictReader(file)}
    assert review
    for frame in found["frames"]:
        (mark,) = frame["review"]
        assert (mark is None) == frame["key"]
        if mark is not None:
            row = review[frame["name"]]
            assert (f"{mark['error']:.5f}", mark["label"]) == (row["expected_error"], row["review"])
    assert found["counts"] == [8, 5]
    expected = np.concatenate([np.asarray(Image.open(out / name)) for name in names])
    np.testing.assert_array_equal(shown_frames(found), expected)
    assert found["fps"] == 6  # 12, on twos
    assert found["lead"] == "4 keyframes, 13 drawings"


def test_transparency_and_large_frames(tmp_path: Path, judge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence_page, "SIDE", 24)
    (tmp_path / "keys").mkdir()
    for number in range(2):
        pixels = np.zeros((48, 32, 4), np.uint8)
        pixels[8:24, 4 + number : 20] = (200, 30, 60, 255)
        Image.fromarray(pixels).save(tmp_path / f"keys/{number}.png")
    found = data_of(
        (interpolated(tmp_path, "--method", judge, "--report", "true") / "report.html").read_text()
    )
    assert (found["height"], found["width"]) == (24, 16)
    frames = shown_frames(found)
    assert frames.shape == (3 * 24, 16, 4)
    assert set(frames[:24, :, 3].ravel().tolist()) >= {0, 255}


def test_sixteen_bits_and_cycles(tmp_path: Path, judge: str) -> None:
    (tmp_path / "keys").mkdir()
    for number in range(2):
        deep = np.full((24, 32), 65535 - 10_000 * number, np.uint16)
        Image.fromarray(deep).save(tmp_path / f"keys/{number}.png")
    out = interpolated(tmp_path, "--method", judge, "--loop", "true", "--report", "true")
    found = data_of((out / "report.html").read_text())
    assert [frame["key"] for frame in found["frames"]] == [True, False, True, False]
    frames = shown_frames(found).reshape(4, 24, 32, 3)
    assert abs(frames[[0, 2], 0, 0, 0].astype(int) - [255, round(55_535 / 257)]).max() <= 1


def test_a_report_is_written_when_asked_for_and_goes_with_its_frames(
    tmp_path: Path, draw_scene: DrawScene, judge: str
) -> None:
    draw_scene(tmp_path / "keys", numbers=[0, 2])
    out = interpolated(tmp_path, "--method", judge)
    assert not (out / "report.html").exists()
    interpolated(tmp_path, "--method", judge, "--report", "true")  # resumes: all frames are there
    assert (out / "report.html").exists()
    interpolated(tmp_path, "--method", judge, "--between", "2", "--overwrite", "true")
    assert not (out / "report.html").exists()  # it showed other frames
    two = ("--method", "spacing_flow", "--candidates", "2", "--overwrite", "true")
    interpolated(tmp_path, *two, "--report", "true")
    assert (out / "report.html").exists()  # beside the candidates' folders
    interpolated(tmp_path, *two, "--between", "2")
    assert not (out / "report.html").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"frame;expected_error;review\n0001.png;0.1;easy\n",
        b'frame,expected_error,review\n0001.png,"0,1",easy\n',
        b"frame,expected_error,review\n0001.png,0.1,fine\n",
        b"frame,expected_error,review\n0001.png,0.1\n",
        "frame,expected_error,review\n".encode("utf-16"),
        b"",
    ],
)
def test_a_review_file_that_another_program_has_saved_is_named(
    tmp_path: Path, draw_scene: DrawScene, judge: str, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    draw_scene(tmp_path / "keys", numbers=[0, 2])
    out = interpolated(tmp_path, "--method", judge)
    good = (out / "review.csv").read_bytes()
    (out / "review.csv").write_bytes(content)
    args = ["--keyframes", str(tmp_path / "keys"), "--output", str(out), "--method", judge, "--write", "none"]
    given = ["interpolate", *args, "--accelerator", "cpu", "--precision", "32-true", "--report", "true"]
    assert main(given) == 2
    assert f"{out / 'review.csv'} has been changed by another program: give " in capsys.readouterr().err
    assert not (out / "report.html").exists()
    # what is said helps, and only the form matters
    interpolated(tmp_path, "--method", judge, "--overwrite", "true")
    assert (out / "review.csv").read_bytes() == good
    (out / "review.csv").write_bytes(b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n"))
    assert main(given) == 0
