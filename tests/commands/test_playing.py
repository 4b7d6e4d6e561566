"""`interpolate` leaves files that play beside the frames, and a sheet."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from inbetween.__main__ import main
from inbetween.io.sequences import find_images


def keyframes(folder: Path, mode: str = "RGB") -> list[str]:
    paths = []
    for number, grey in enumerate((10, 130, 250)):
        paths.append(str(folder / f"{number}.png"))
        Image.new("L", (20, 12), grey).convert(mode).save(paths[-1])
        if mode == "RGBA":
            image = Image.open(paths[-1])
            image.putalpha(Image.fromarray(np.repeat(np.uint8([[0, 255]]), [10, 10], 1).repeat(12, 0)))
            image.save(paths[-1])
    return paths


def run(*args: object) -> int:
    given = [
        "interpolate",
        "--accelerator",
        "cpu",
        "--method",
        "cross_fade",
        "--cuts",
        "interpolate",
        *map(str, args),
    ]
    return main([*given, *map(str, args)])


def shown(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """The pictures of an animation (H, W, 4), and for how many milliseconds each is shown."""
    with Image.open(path) as image:
        pictures, durations = [], []
        for frame in ImageSequence.Iterator(image):
            pictures.append(np.asarray(frame.convert("RGBA")).astype(int))
            durations.append(frame.info["duration"])
        assert image.info["loop"] == 0
        return pictures, durations


@pytest.mark.parametrize(
    ("animation", "mode"), [("webp", "RGB"), ("webp", "RGBA"), ("gif", "RGB"), ("gif", "L")]
)
def test_the_sequence_plays(tmp_path: Path, animation: str, mode: str) -> None:
    out = tmp_path / "out"
    args = ["--keyframes", *keyframes(tmp_path, mode), "--between", 1, "--output", out, "--hold", 2]
    assert run(*args, "--write", animation, "--fps", 20) == 0
    pictures, durations = shown(out / f"animation.{animation}")
    assert durations == [100] * 5  # on twos
    for picture, level in zip(pictures, (10, 70, 130, 190, 250), strict=True):
        visible = picture[:, 12:]  # of those with transparency the left half is not
        assert np.abs(visible[..., :3] - level).max() <= 3
        assert visible[..., 3].min() == 255
        assert picture[:, :8, 3].max() == (0 if mode == "RGBA" else 255)


def test_every_candidate_plays_and_another_job_replaces_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ["--keyframes", *keyframes(tmp_path), "--output", out]
    assert run(*args, "--method", "spacing_flow", "--candidates", 2) == 0
    assert sorted(path.parent.name for path in out.rglob("animation.webp")) == ["candidate_1", "candidate_2"]
    # a candidate goes on as keyframes: its frames, not what plays them
    assert [image.path.suffix for image in find_images([str(out / "candidate_1")])] == [".png"] * 5
    assert run(*args, "--write", "none", "--overwrite", "true") == 0
    assert not list(out.rglob("animation.*"))


def test_an_animation_left_alone_is_no_other_job(tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ["--keyframes", *keyframes(tmp_path), "--output", out]
    assert run(*args) == 0
    for path in out.glob("*.png"):
        path.unlink()
    assert run(*args, "--between", 2) == 0
    assert len(shown(out / "animation.webp")[0]) == 7


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["--fps", 0], "fps is 0: give 0.1 to 240 frames a second."),
        (["--write", "mov"], "write is mov, expected one of webp, gif, apng, mp4, sheet, none"),
        (["--write", "none", "gif"], "write is none gif: give none alone, or leave it out."),
        (
            ["--method", "nowhere"],
            "There is no method nowhere: give a YAML file, a file of weights, or one that ",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: list[object], says: str
) -> None:
    assert run("--keyframes", *keyframes(tmp_path), "--output", tmp_path / "out", *keys) == 2
    assert capsys.readouterr().err.startswith(f"inbetween: {says}")
    assert not (tmp_path / "out").exists()


def test_images_too_large_for_the_format_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        Image.new("L", (16384, 2), number).save(tmp_path / f"{number}.png")
    out = tmp_path / "out"
    assert run("--keyframes", tmp_path / "0.png", tmp_path / "1.png", "--output", out) == 2
    assert (
        "Images of 16384x2 are too large for webp: give smaller ones, or another f" in capsys.readouterr().err
    )
    assert not out.exists()


def test_what_is_asked_for_is_written_from_the_frames_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    args = ["--keyframes", *keyframes(tmp_path), "--output", out, "--hold", 2]
    assert run(*args, "--write", "gif", "sheet") == 0
    assert {path.name for path in out.iterdir() if not path.stem.isdigit()} == {
        "animation.gif",
        "sheet.png",
        "interpolate.json",
    }
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("[0-9]*.png")}
    monkeypatch.setattr("inbetween.commands.interpolate.write_pair", None)
    assert run(*args, "--write", "apng", "webp", "webp", "--fps", 24, "--plays", 2) == 0
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("[0-9]*.png")} == before
    with Image.open(out / "animation.webp") as image:
        assert image.info["loop"] == 2
    assert (out / "animation.gif").exists()
    assert run(*args, "--write", "sheet") == 0
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.mode == "RGB"


def test_an_empty_list_and_yaml_say_the_same(tmp_path: Path) -> None:
    keys = keyframes(tmp_path)
    for name, given in {"empty": ["--write"], "none": ["--write", "none"]}.items():
        assert run("--keyframes", *keys, "--output", tmp_path / name, *given) == 0
        assert not list((tmp_path / name).glob("animation.*"))
    (tmp_path / "a.yaml").write_text("write: [gif, sheet]")
    assert run("--keyframes", *keys, "--output", tmp_path / "a", "--config", tmp_path / "a.yaml") == 0
    assert {path.name for path in (tmp_path / "a").glob("[as]*")} == {"animation.gif", "sheet.png"}


def test_another_job_takes_what_played_away_but_nothing_of_the_users(tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    args = ["--keyframes", *keyframes(tmp_path)]
    assert run(*args, "--output", out, "--write", "gif", "sheet") == 0
    for path in out.glob("[0-9]*.png"):
        path.unlink()
    assert run(*args, "--output", out, "--between", 2, "--write", "none") == 0
    assert not list(out.glob("[as]*"))
    mine.mkdir()
    (mine / "animation.mp4").write_bytes(b"mine")
    assert run(*args, "--output", mine, "--write", "none") == 0
    assert (mine / "animation.mp4").read_bytes() == b"mine"


def test_mp4_without_pyav_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    out = tmp_path / "out"
    assert run("--keyframes", *keyframes(tmp_path), "--output", out, "--write", "mp4") == 2
    assert capsys.readouterr().err == (
        "inbetween: Videos need PyAV, which is not installed: pip install av.\n"
    )
    assert not out.exists()


def test_mp4_has_every_frame_of_a_drawing_on_twos(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    out = tmp_path / "out"
    args = ["--keyframes", *keyframes(tmp_path), "--output", out, "--hold", 2, "--fps", 24]
    assert run(*args, "--write", "mp4") == 0
    with av.open(str(out / "animation.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.frames, stream.average_rate, stream.pix_fmt) == (10, 24, "yuv420p")
        levels = [frame.to_ndarray(format="rgb24")[6, 10, 0] for frame in file.decode(stream)]
    assert np.abs(np.array(levels).astype(int) - np.repeat([10, 70, 130, 190, 250], 2)).max() <= 3
