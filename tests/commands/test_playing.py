"""`interpolate` leaves a file that plays beside the frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from inbetween.__main__ import main


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
