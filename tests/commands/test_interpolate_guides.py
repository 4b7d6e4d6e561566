"""`interpolate --guides`: guides reach the frames, the job's record and the terminal."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inbetween.__main__ import main
from tests.interpolation.guides.scenes import SPRITES, centre, lasso, paper, placed, points, straight

WAY = points(straight)


@pytest.fixture
def keyframes(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{number}.png" for number in (0, 1)]
    for path, place in zip(paths, WAY[[0, -1]], strict=True):
        Image.fromarray(placed(paper(0), SPRITES["ball"], place)).save(path)
    return [str(path) for path in paths]


def guides_file(folder: Path, **region: object) -> Path:
    path = folder / "guides.json"
    given = {"mask": lasso(WAY[0]), "path": WAY[[0, -1]].tolist(), **region}
    path.write_text(json.dumps({"pairs": [{"pair": 0, "regions": [given]}]}))
    return path


def run(keyframes: list[str], output: Path, *more: str | Path) -> int:
    args = [
        "--keyframes",
        *keyframes,
        "--output",
        str(output),
        "--method",
        "cross_fade",
        "--accelerator",
        "cpu",
    ]
    return main(["interpolate", *args, *map(str, more)])


def test_frames_follow_a_file_of_guides(
    keyframes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, guides = tmp_path / "out", guides_file(tmp_path)
    assert run(keyframes, output, "--guides", guides) == 0
    frame = np.asarray(Image.open(output / "0001.png"))
    assert np.hypot(*(centre(frame, paper(0))[0] - WAY[32])) < 1
    # the same guides continue the job, others are another job
    assert run(keyframes, output, "--guides", guides) == 0
    assert "1 of 1 pairs of keyframes are done already" in capsys.readouterr().out
    assert run(keyframes, output, "--guides", guides_file(tmp_path, rotation=90)) == 2
    assert run(keyframes, output) == 2


def test_guides_say_that_there_is_no_cut(
    keyframes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = np.full((96, 128, 3), (20, 60, 120), np.uint8)
    Image.fromarray(placed(other, SPRITES["ball"], WAY[-1])).save(keyframes[1])
    guides = guides_file(tmp_path)
    for name, more in (("cut", ()), ("guided", ("--guides", guides))):
        assert run(keyframes, tmp_path / name, *more) == 0
    assert capsys.readouterr().out.count("seems to begin another shot") == 1
    frames = [np.asarray(Image.open(tmp_path / name / "0001.png")) for name in ("cut", "guided")]
    assert (frames[0] == np.asarray(Image.open(keyframes[0]))).all()
    assert not (frames[1] == frames[0]).all()


@pytest.mark.parametrize(
    ("region", "more", "says"),
    [
        ({"path": [[8, 8]]}, (), "guides.json: pairs[0].regions[0].path has 1 point: give 2 to 1000."),
        (
            {"path": [[24, 30], [900, 30]]},
            (),
            "regions[0].path leaves the picture of 128x96 pixels at 900, 30: ",
        ),
        ({}, ("--spacing_map", "map.png", "--method", "spacing_flow"), "leave out --spacing_map, or give "),
    ],
)
def test_a_mistake_is_said_before_anything_is_written(
    keyframes: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    region: dict[str, object],
    more: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((96, 128), 128, np.uint8)).save("map.png")
    assert run(keyframes, tmp_path / "out", "--guides", guides_file(tmp_path, **region), *more) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
