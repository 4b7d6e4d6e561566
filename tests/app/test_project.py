"""Keyframes, timing and what the user has chosen, before anything is drawn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inbetween.app import project as project_module
from inbetween.app.project import Project
from inbetween.app.segments import segments_of
from inbetween.app.sequence import sequence_of
from inbetween.app.timing import changed, chart_timing, fitted, own_timing
from inbetween.data.transitions import Transitions
from inbetween.errors import UserError

Paint = Callable[..., Path]


def names(project: Project) -> list[str]:
    return [keyframe.name for keyframe in project.keyframes]


def test_keyframes_are_added_moved_and_removed(project: Project, paint: Paint) -> None:
    for number in range(3):
        project.add(paint(number))
    project.add(paint(9, "first.png"), at=0)
    assert names(project) == ["first.png", "0.png", "1.png", "2.png"]
    project.move(project.keyframes[0].number, 2)
    assert names(project) == ["0.png", "1.png", "first.png", "2.png"]
    project.remove(project.keyframes[2].number)
    assert names(project) == ["0.png", "1.png", "2.png"]
    assert [frame.place for frame in sequence_of(project)] == [None, 0, 1, 2, None, 0, 1, 2, None]


def test_an_animation_is_a_sequence(project: Project, paint: Paint, tmp_path: Path) -> None:
    images = [Image.open(paint(number)) for number in range(4)]
    images[0].save(tmp_path / "clip.gif", save_all=True, append_images=images[1:])
    assert project.add(tmp_path / "clip.gif") == 4
    assert names(project) == [f"clip.gif ({number})" for number in (1, 2, 3, 4)]


def test_keyframes_keep_their_pixels(project: Project, paint: Paint) -> None:
    path = paint(3)
    project.add(path)
    assert np.array_equal(
        np.asarray(Image.open(project.keyframes[0].picture.path)), np.asarray(Image.open(path))
    )


def write_pdf(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\n" + bytes(100))


def cut_short(path: Path) -> None:
    Image.effect_noise((64, 48), 50).save(path)
    path.write_bytes(path.read_bytes()[:400])


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "pdf": ("a.pdf", write_pdf, "a.pdf is of a kind that is not read"),
    "pdf named png": ("a.png", write_pdf, "a.png is not an image"),
    "text": ("a.png", lambda path: path.write_text("hello"), "a.png is not an image"),
    "empty": ("a.png", lambda path: path.write_bytes(b""), "a.png is not an image"),
    "cut short": ("a.png", cut_short, "a.png is damaged or cut short"),
    "video": ("a.mp4", lambda path: path.write_bytes(bytes(100)), "a.mp4"),
    "another size": (
        "a.png",
        lambda path: Image.new("L", (64, 49)).save(path),
        "64x49 pixels and the keyframes",
    ),
    "too large": ("a.png", lambda path: Image.new("1", (4001, 3000)).save(path), "4001x3000 pixels, and 9"),
    "no name": (".png", lambda path: Image.new("L", (64, 48)).save(path, "PNG"), ".png is of a kind"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_cannot_be_a_keyframe_gets_a_sentence(
    project: Project, paint: Paint, tmp_path: Path, bad: str
) -> None:
    name, write, sentence = BAD[bad]
    project.add(paint(0))
    write(tmp_path / name)
    with pytest.raises(UserError, match=sentence) as refused:
        project.add(tmp_path / name)
    assert str(tmp_path) not in str(refused.value)
    assert names(project) == ["0.png"]


def test_numbers_are_limited(project: Project, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_module, "MAX_KEYFRAMES", 3)
    monkeypatch.setattr(project_module, "MAX_DRAWINGS", 12)
    for number in range(3):
        project.add(paint(number))
    with pytest.raises(UserError, match="3 keyframes, the most"):
        project.add(paint(3))
    project.set_timing(chart_timing(4, "even"))
    with pytest.raises(UserError, match="13 drawings, and 12 are the most"):
        project.set_timing(chart_timing(5, "even"))
    assert len(project.timing.t) == 4
    with pytest.raises(UserError, match="14 drawings"):
        project.set_timing(chart_timing(7, "even"), project.pairs_in_order()[0])
    assert len(sequence_of(project)) == 11
    for between in (0, -1, 61, 10**9):
        with pytest.raises(UserError, match="cannot be made here"):
            chart_timing(between, "even")


@pytest.mark.parametrize("t", [(0.5, 0.5), (0.5, 0.2), (0.0, 0.5), (0.5, 1.0), (0.2, float("nan"))])
def test_a_chart_rises(t: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="rise from 0 to 100"):
        own_timing(t)


def test_a_changed_timing_keeps_the_rest() -> None:
    assert changed(chart_timing(3, "ease_in"), between=1) == chart_timing(1, "ease_in")
    assert changed(chart_timing(3, "ease_in"), spacing="halves") == chart_timing(3, "halves")
    assert changed(own_timing([0.1, 0.2, 0.9]), spacing="even") == chart_timing(3, "even")
    assert changed(own_timing([0.1, 0.2, 0.9]), between=7).t == pytest.approx(
        (0.05, 0.1, 0.15, 0.2, 0.55, 0.9, 0.95)
    )
    assert changed(own_timing([0.1, 0.2, 0.9]), between=1).t == pytest.approx((0.2,))
    with pytest.raises(UserError, match="cannot be made here"):
        changed(own_timing([0.5]), between=10**9)


def test_a_pair_has_a_timing_of_its_own(project: Project, paint: Paint) -> None:
    for number in range(3):
        project.add(paint(number))
    first, second = project.pairs_in_order()
    project.set_timing(own_timing([0.1, 0.9]), second)
    project.set_timing(chart_timing(1, "even"))
    assert project.timing_of(first).t == (0.5,)
    assert project.timing_of(second).t == (0.1, 0.9)
    # it is kept while another keyframe lies between
    moved = project.keyframes[0].number
    project.move(moved, 1)
    assert second not in project.pairs_in_order()
    project.move(moved, 0)
    assert project.timing_of(second).t == (0.1, 0.9)
    project.set_timing(None, second)
    assert project.timing_of(second).t == (0.5,)
    with pytest.raises(UserError, match="not neighbours"):
        project.set_timing(own_timing([0.5]), (first[0], second[1]))


def test_own_drawings_split_an_interval(project: Project, paint: Paint) -> None:
    for number in (0, 8):
        project.add(paint(number))
    a, b = (keyframe.picture for keyframe in project.keyframes)
    pair = project.pairs_in_order()[0]
    project.set_timing(own_timing([0.1, 0.2, 0.5, 0.6, 0.9]))
    project.replace(pair, 2, paint(3))
    mine = project.pairs[pair].own[2]
    assert [(places, segment.first, segment.last, segment.t) for _, places, segment in project.plan()] == [
        ([0, 1], a, mine, (0.2, 0.4)),
        ([3, 4], mine, b, (0.2, 0.8)),
    ]
    project.replace(pair, 1, paint(4))
    assert [places for _, places, _ in project.plan()] == [[0], [3, 4]]
    project.restore(pair, 2)
    assert [places for _, places, _ in project.plan()] == [[0], [2, 3, 4]]
    with pytest.raises(UserError, match="not there any more"):
        project.replace(pair, 5, paint(3))


def test_own_drawings_stay_in_time(project: Project, paint: Paint) -> None:
    for number in (0, 8):
        project.add(paint(number))
    pair = project.pairs_in_order()[0]
    project.replace(pair, 1, paint(3))  # at 1/2
    project.replace(pair, 2, paint(5))  # at 3/4
    project.set_timing(chart_timing(7, "even"))
    assert sorted(project.pairs[pair].own) == [3, 5]
    with pytest.raises(UserError, match="2 drawings between two keyframes are your own"):
        project.set_timing(chart_timing(1, "even"))
    assert sorted(project.pairs[pair].own) == [3, 5]
    assert len(project.timing.t) == 7


def test_own_drawings_that_want_one_place_keep_their_order() -> None:
    t = [0.4, 0.5, 0.6]
    assert fitted({0: "a", 1: "b", 2: "c"}, t, [0.25, 0.5, 0.75, 0.9]) == {0: "a", 1: "b", 2: "c"}
    assert fitted({0: "a", 2: "c"}, t, [0.1, 0.9]) == {0: "a", 1: "c"}


def test_transitions_lie_between_what_is_given(project: Project, paint: Paint) -> None:
    for number in (0, 8, 4):
        project.add(paint(number))
    a, b, mine = (keyframe.picture for keyframe in project.keyframes)
    kinds = ["repeat_first", "fade", "repeat_last"]
    found = list(segments_of(a, b, (0.25, 0.5, 0.75), {1: mine}, lambda number: kinds[number]))
    assert [(places, segment.transition, segment.held) for places, segment in found] == [
        ([0], "repeat_first", a),
        ([2], "fade", None),
    ]
    # nothing lies before a drawing of one's own in the first place
    ((places, segment),) = segments_of(a, b, (0.25, 0.5, 0.75), {0: mine}, lambda number: kinds[number + 1])
    assert (places, segment.held) == ([1, 2], b)


def test_transitions_are_numbered_across_pairs(
    project: Project, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0, 4, 8):
        project.add(paint(number))
    first, second = project.pairs_in_order()
    project.replace(first, 1, paint(3))
    found = Transitions(cuts=frozenset({2}), fades=frozenset({3}))
    monkeypatch.setattr("inbetween.app.shots.find_transitions", lambda glances: found)
    project.move(project.keyframes[0].number, 0)
    kinds = [(pair, places, segment.transition) for pair, places, segment in project.plan()]
    assert kinds == [(first, [0], "motion"), (first, [2], "repeat_first"), (second, [0, 1, 2], "fade")]
