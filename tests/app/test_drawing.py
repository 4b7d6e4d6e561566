"""What is drawn, what is drawn again, and what comes out."""

import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inbetween.__main__ import main
from inbetween.app.drawing import draw, missing
from inbetween.app.export import export
from inbetween.app.models import Models
from inbetween.app.project import Project
from inbetween.app.sequence import sequence_of
from inbetween.app.timing import chart_timing, own_timing
from inbetween.data.transitions import Transitions
from inbetween.errors import UserError
from inbetween.io.animation import LONGEST_SIDE
from tests.app.marker import Marker
from tests.conftest import drawing

Paint = Callable[..., Path]


@pytest.fixture
def walk(project: Project, paint: Paint) -> Project:
    """Three keyframes."""
    for number in (0, 4, 8):
        project.add(paint(number))
    return project


def finish(project: Project, models: Models) -> list[tuple[int, int]]:
    return list(draw(project, models))


def reds(project: Project) -> list[float | None]:
    """How far the drawings between keyframes have gone, by what has been painted."""
    frames = [frame for frame in sequence_of(project) if frame.place is not None and not frame.own]
    return [
        round(np.asarray(Image.open(frame.picture.path))[0, 0, 0] / 255, 2) if frame.picture else None
        for frame in frames
    ]


def test_drawings_lie_where_the_chart_says(walk: Project, models: Models) -> None:
    walk.set_timing(own_timing([0.2, 0.7]))
    assert reds(walk) == [None] * 4
    assert finish(walk, models) == [(0, 4), (2, 4), (4, 4)]
    assert reds(walk) == [0.2, 0.7, 0.2, 0.7]
    labels = [frame.candidates[0].review for frame in sequence_of(walk) if frame.candidates]
    assert labels == ["easy", "redraw"] * 2


def test_only_what_has_changed_is_drawn_again(walk: Project, models: Models, paint: Paint) -> None:
    finish(walk, models)
    calls = Marker.calls
    assert calls == 2
    finish(walk, models)
    assert Marker.calls == calls
    walk.set_timing(own_timing([0.5]), walk.pairs_in_order()[1])
    finish(walk, models)
    assert Marker.calls == calls + 1
    walk.add(paint(10))
    finish(walk, models)
    assert Marker.calls == calls + 2
    walk.hold, walk.fps = 2, 24
    assert missing(walk, models) == []


def test_a_drawing_of_ones_own_gives_new_neighbours(walk: Project, models: Models, paint: Paint) -> None:
    finish(walk, models)
    first = walk.pairs_in_order()[0]
    walk.replace(first, 1, paint(7))
    assert reds(walk) == [None, None, 0.25, 0.5, 0.75]
    finish(walk, models)
    assert Marker.calls == 2 + 2
    assert reds(walk) == [0.5, 0.5, 0.25, 0.5, 0.75]
    walk.restore(first, 1)
    finish(walk, models)
    assert reds(walk) == [0.25, 0.5, 0.75] * 2


def test_candidates_are_chosen_drawing_by_drawing(walk: Project, models: Models) -> None:
    walk.style = replace(walk.style, candidates=3)
    finish(walk, models)
    pair = walk.pairs_in_order()[0]
    walk.choose(pair, 1, 2)
    shown = [
        np.asarray(Image.open(frame.picture.path))[0, 0, 1] for frame in sequence_of(walk) if frame.candidates
    ]
    assert shown == [0, round(255 * 2 / 5), 0, 0, 0, 0]
    walk.style = replace(walk.style, candidates=1)
    assert missing(walk, models) == []
    assert all(len(frame.candidates) <= 1 for frame in sequence_of(walk))


def test_a_method_makes_as_many_candidates_as_it_has(walk: Project, models: Models) -> None:
    walk.style = replace(walk.style, method="cross_fade", candidates=3)
    finish(walk, models)
    assert missing(walk, models) == []
    assert [len(frame.candidates) for frame in sequence_of(walk)][1] == 1


def test_drawing_stops_and_goes_on(walk: Project, models: Models) -> None:
    steps = draw(walk, models)
    next(steps)
    next(steps)
    walk.stopped = True
    assert list(steps) == []
    assert walk.drawing is None
    assert reds(walk)[3:] == [None] * 3
    finish(walk, models)
    assert None not in reds(walk)


def test_drawing_twice_at_once_is_refused(walk: Project, models: Models) -> None:
    steps = draw(walk, models)
    next(steps)
    with pytest.raises(UserError, match="being made already"):
        next(draw(walk, models))
    assert list(steps)[-1] == (6, 6)
    assert walk.drawing is None


def test_a_change_while_drawing_is_harmless(walk: Project, models: Models) -> None:
    steps = draw(walk, models)
    next(steps)
    walk.remove(walk.keyframes[2].number)
    walk.set_timing(chart_timing(1, "even"))
    list(steps)
    assert reds(walk) == [None]
    finish(walk, models)
    assert reds(walk) == [0.5]


def test_one_keyframe_is_not_enough(project: Project, models: Models, paint: Paint) -> None:
    project.add(paint(0))
    with pytest.raises(UserError, match="Two keyframes are needed"):
        next(draw(project, models))


def test_a_palette_that_cannot_be_kept_is_told(project: Project, models: Models, tmp_path: Path) -> None:
    for number in range(2):
        gradient = np.add.outer(np.arange(96), np.arange(number, 96 + number)).astype(np.uint8)
        Image.fromarray(gradient).save(tmp_path / f"{number}.png")
        project.add(tmp_path / f"{number}.png")
    project.style = replace(project.style, palette="keep")
    with pytest.raises(UserError, match=r"62 flat colours are in 0\.png.*: do not keep to flat colours"):
        finish(project, models)
    assert project.drawing is None


def test_a_cut_is_held_unless_the_user_wants_otherwise(
    project: Project, models: Models, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbetween.app.shots.find_transitions", lambda glances: Transitions(frozenset({1})))
    for number in (0, 8):
        project.add(paint(number))
    assert [frame.held for frame in sequence_of(project)] == [False, True, True, True, False]
    assert missing(project, models) == []
    project.style = replace(project.style, cuts="interpolate")
    finish(project, models)
    assert reds(project) == [0.25, 0.5, 0.75]


def test_two_users_draw_at_the_same_time(desks, models: Models, paint: Paint) -> None:
    projects = [desks.get(desks.open()) for _ in range(2)]
    for number, project in enumerate(projects):
        project.add(paint(0))
        project.add(paint(4 + number))
        project.set_timing(own_timing([0.2 + 0.6 * number]))
    threads = [threading.Thread(target=finish, args=(project, models)) for project in projects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reds(project) for project in projects] == [[0.2], [0.8]]
    kept = {frame.picture.path.parent for project in projects for frame in sequence_of(project)}
    assert kept == {project.folder for project in projects}


def test_files_do_not_pile_up(walk: Project, models: Models) -> None:
    for between in (3, 4, 5, 6):
        walk.set_timing(chart_timing(between, "even"))
        finish(walk, models)
    walk.set_timing(chart_timing(1, "even"))
    finish(walk, models)
    # keyframes are 3, and both pairs' drawings in the middle look alike; a picture is two files
    assert len(list(walk.folder.iterdir())) == 2 * (3 + 1)


def write_8_bits(folder: Path) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.fromarray(drawing(4 * number)).save(path, dpi=(300, 300))
    return paths


def write_mixed(folder: Path) -> list[Path]:
    """Grey of 16 bits, then RGB with transparency."""
    paths = write_8_bits(folder)
    Image.fromarray(drawing(0)[..., 0].astype(np.uint16) * 257).save(paths[0])
    image = Image.fromarray(drawing(8)).convert("RGBA")
    image.putalpha(128)
    image.save(paths[2])
    return paths


def write_fade(folder: Path) -> list[Path]:
    paths = write_8_bits(folder)
    Image.fromarray((255 - (255 - drawing(4).astype(float)) * 0.3).astype(np.uint8)).save(paths[2])
    return paths


@pytest.mark.parametrize("write", [write_8_bits, write_mixed, write_fade])
def test_a_zip_holds_what_interpolate_writes(
    project: Project, models: Models, tmp_path: Path, write: Callable[[Path], list[Path]]
) -> None:
    (tmp_path / "given").mkdir()
    paths = write(tmp_path / "given")
    for path in paths:
        project.add(path)
    project.style = replace(project.style, method="cross_fade")
    project.hold = 2
    with pytest.raises(UserError, match="6 drawings are not made yet"):
        export(project, "zip")
    finish(project, models)
    with zipfile.ZipFile(project.folder / export(project, "zip")) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    given = [
        "--between",
        "3",
        "--hold",
        "2",
        "--method",
        "cross_fade",
        "--accelerator",
        "cpu",
        "--write",
        "none",
    ]
    output = ["--output", str(tmp_path / "out")]
    assert main(["interpolate", "--keyframes", *map(str, paths), *given, *output]) == 0
    assert found == {path.name: path.read_bytes() for path in sorted((tmp_path / "out").glob("*.png"))}


def test_a_video_plays(walk: Project, models: Models) -> None:
    av = pytest.importorskip("av", reason="PyAV, the extra `video`, is not installed.")
    walk.fps, walk.hold = 24, 2
    finish(walk, models)
    with av.open(str(walk.folder / export(walk, "mp4"))) as video:
        assert len(list(video.decode(video=0))) == 18
        assert video.streams.video[0].average_rate == 24


def test_what_a_format_cannot_hold_is_told(
    walk: Project, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(walk, models)
    monkeypatch.setitem(LONGEST_SIDE, "gif", 60)
    with pytest.raises(
        UserError, match=r"64x48 are too large for gif: give smaller ones, or another format\.$"
    ):
        export(walk, "gif")


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_file_plays(walk: Project, models: Models, suffix: str) -> None:
    walk.fps, walk.hold = 10, 2
    finish(walk, models)
    with Image.open(walk.folder / export(walk, suffix)) as clip:
        assert clip.n_frames == 9
        clip.seek(1)
        clip.load()
        assert clip.info["duration"] == 200


def test_transparent_keyframes_give_transparent_drawings(
    project: Project, models: Models, tmp_path: Path
) -> None:
    for number in range(2):
        image = np.zeros((32, 32, 4), np.uint8)
        image[8:20, 4 + 6 * number : 16 + 6 * number] = (200, 40, 40, 255)
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        project.add(tmp_path / f"{number}.png")
    project.style = replace(project.style, method="cross_fade")
    finish(project, models)
    assert {Image.open(frame.picture.path).mode for frame in sequence_of(project)} == {"RGBA"}


def test_missing_memory_is_told(walk: Project, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Marker, "interpolate_spaced", fail)
    with pytest.raises(UserError, match="memory of cpu is too small"):
        finish(walk, models)
    assert walk.drawing is None


def test_what_is_cleared_while_it_is_drawn_is_gone(walk: Project, models: Models) -> None:
    drawing = draw(walk, models)
    next(drawing)
    next(drawing)
    walk.clear()
    assert list(drawing) == []
    assert walk.results == {}


def test_a_removed_keyframe_takes_its_drawings_along(walk: Project, models: Models, paint: Paint) -> None:
    first, *_ = walk.pairs_in_order()
    for place in range(len(walk.timing.t)):
        walk.replace(first, place, paint(7))
    walk.remove(first[1])
    walk.set_timing(own_timing([0.5]))
    assert first not in walk.pairs
