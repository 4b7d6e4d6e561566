"""Guides and arcs of the page: what `interpolate` does with them, pair by pair."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inbetween.__main__ import main
from inbetween.app.actions import perform
from inbetween.app.desks import Desks
from inbetween.app.drawing import draw, missing
from inbetween.app.export import export
from inbetween.app.limits import MAX_GUIDES, MAX_GUIDES_TEXT
from inbetween.app.models import Models
from inbetween.app.project import Project
from inbetween.app.steering import set_guides, values_of
from inbetween.app.timing import own_timing
from inbetween.app.view import view_of
from inbetween.data.transitions import Transitions
from inbetween.errors import UserError
from tests.app.marker import Marker

Paint = Callable[..., Path]
Steer = Callable[..., None]
REGION = {"mask": [[2, 2], [30, 2], [30, 40], [2, 40]], "path": [[16, 20], [40, 10], [44, 24]]}
BONE = {"first": [[10, 10], [20, 20]], "last": [[10, 10], [10, 24]]}


@pytest.fixture
def walk(project: Project, paint: Paint) -> Project:
    """Four keyframes."""
    for number in (0, 3, 6, 9):
        project.add(paint(number))
    return project


@pytest.fixture
def steer(walk: Project, models: Models) -> Steer:
    """Sets guides of a pair, or those of all."""

    def given(values: Any, pair: int | None = 0) -> None:
        where = None if pair is None else walk.pairs_in_order()[pair]
        text = values if isinstance(values, str) else json.dumps(values)
        set_guides(walk, models.get(walk.style.method).method, text, where)

    return given


def all_guides(project: Project) -> list[dict[str, Any]]:
    return [values_of(project.set_for(pair).guides) for pair in project.pairs_in_order()]


def test_guides_are_of_one_pair(walk: Project, models: Models, steer: Steer) -> None:
    list(draw(walk, models))
    steer({"regions": [REGION]}, 1)
    assert all_guides(walk) == [{}, {"regions": [REGION]}, {}]
    changed = {key.segment.first for key in missing(walk, models)}
    assert changed == {walk.keyframes[1].picture}
    before = {key: found for key, found in walk.results.items() if key.segment.first not in changed}
    list(draw(walk, models))
    assert all(walk.results[key] is found for key, found in before.items())
    assert len(walk.results) == len(before) + 1 == 3
    steer("", 1)
    assert all_guides(walk) == [{}, {}, {}]


def test_a_file_replaces_all_guides(walk: Project, steer: Steer) -> None:
    steer({"bones": [BONE]}, 0)
    pairs = [{"pair": 2, "regions": [REGION]}, {"pair": 2, "regions": [REGION], "bones": [BONE]}, {"pair": 1}]
    steer({"pairs": pairs}, None)
    assert all_guides(walk) == [{}, {}, {"regions": [REGION, REGION], "bones": [BONE]}]


def test_the_view_tells_of_guides(walk: Project, models: Models, steer: Steer, paint: Paint) -> None:
    steer({"bones": [BONE], "pair": 7}, 1)  # its number is the pair's own
    walk.replace(walk.pairs_in_order()[1], 0, paint(4))
    pairs = view_of(walk, models, "")["pairs"]
    assert [(pair["guides"], pair["split"]) for pair in pairs] == [
        ({}, False),
        ({"bones": [BONE]}, True),
        ({}, False),
    ]


@pytest.mark.parametrize("method", ["cross_fade", "spacing_flow"])
@pytest.mark.parametrize("arcs", [False, True])
def test_it_is_what_interpolate_writes(
    walk: Project, models: Models, steer: Steer, tmp_path: Path, method: str, arcs: bool
) -> None:
    if arcs and method == "cross_fade":
        pytest.skip("Its paths do not bend.")
    guides = {"pairs": [{"pair": 1, "regions": [{**REGION, "rotation": 20, "spacing": "ease_in"}]}]}
    walk.style = replace(walk.style, method=method, arcs=arcs)
    steer(guides, None)
    list(draw(walk, models))
    mine = tmp_path / "guides.json"
    mine.write_text(json.dumps(guides))
    keyframes = [str(tmp_path / "mine" / f"{number}.png") for number in (0, 3, 6, 9)]
    command = ["interpolate", "--keyframes", *keyframes, "--between", "3", "--guides", str(mine)]
    more = ["--method", method, "--output", str(tmp_path / "out"), "--accelerator", "cpu"]
    assert main([*command, *more, "--arcs", str(arcs).lower()]) == 0
    with zipfile.ZipFile(walk.folder / export(walk, "zip")) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")}
    assert len(found) == 13


def test_guides_are_not_used_beside_a_drawing_of_ones_own(
    walk: Project, models: Models, steer: Steer, paint: Paint
) -> None:
    pair = walk.pairs_in_order()[0]
    walk.replace(pair, 1, paint(2))
    list(draw(walk, models))
    steer({"regions": [REGION]}, 0)
    assert missing(walk, models) == []
    walk.restore(pair, 1)
    assert [bool(key.segment.guides) for key in missing(walk, models)] == [True]


def test_a_pair_with_guides_is_no_cut(
    walk: Project, steer: Steer, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "inbetween.app.shots.find_transitions", lambda glances: Transitions(frozenset({1, 3}))
    )
    kinds = lambda: [segment.transition for _, _, segment in walk.plan()]  # noqa: E731
    assert kinds() == ["repeat_first", "motion", "repeat_first"]
    steer({"regions": [REGION]}, 2)
    assert kinds() == ["repeat_first", "motion", "motion"]


def test_arcs_look_at_the_neighbours(
    walk: Project, paint: Paint, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c, d = (keyframe.picture for keyframe in walk.keyframes)
    near = lambda: [segment.near for _, _, segment in walk.plan()]  # noqa: E731
    assert near() == [None] * 3
    walk.style = replace(walk.style, arcs=True)
    assert near() == [(None, c), (a, d), (b, None)]
    walk.replace(walk.pairs_in_order()[0], 1, paint(2))
    assert near() == [None, None, (a, d), (b, None)]
    walk.restore(walk.pairs_in_order()[0], 1)
    monkeypatch.setattr("inbetween.app.shots.find_transitions", lambda glances: Transitions(frozenset({2})))
    walk.move(0, 1)
    assert near() == [(None, None), None, (None, None)]


def test_only_some_methods_bend_paths(walk: Project, models: Models, desks: Desks) -> None:
    sentence = "arcs bend the paths of spacing flow, and Marker has none: take spacing_flow"
    with pytest.raises(UserError, match=sentence):
        perform(walk, models, {"do": "style", "arcs": True}, desks.uploads)
    with pytest.raises(UserError, match=sentence):
        list(draw(walk, models))
    assert walk.drawing is None
    perform(walk, models, {"do": "style", "method": "spacing_flow"}, desks.uploads)
    assert walk.style.arcs


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", r"The guides are no JSON \(line 1\)"),
    "half a letter": ('{"\\ud800": 1}', "The guides are no JSON"),
    "deep": ("[" * 100_000, "The guides are no JSON: correct them"),
    "no object": ([1], r"guides is \[1\]: give an object"),
    "a file": ({"regions": [{**REGION, "mask": "/etc/passwd"}]}, r"guides\.regions\[0\]\.mask names a file"),
    "a key": ({"region": [REGION]}, r"guides has the key region, which is unknown: did you mean regions\?"),
    "no path": ({"regions": [{"mask": REGION["mask"]}]}, r"guides\.regions\[0\] needs a curve"),
    "no points": ({"regions": [{**REGION, "mask": []}]}, r"guides\.regions\[0\]\.mask has 0 points"),
    "nan": ('{"points": [{"first": [NaN, 1], "last": [1, 1]}]}', "give a finite number"),
    "huge": ({"points": [{"first": [1e300, 1], "last": [1, 1]}]}, "give a finite number"),
    "outside": ({"points": [{"first": [64, 1], "last": [1, 1]}]}, "leaves the picture of 64x48 pixels"),
    "still": ({"regions": [{**REGION, "path": [[1, 1], [1, 1]]}]}, "does not move"),
    "many points": ({"regions": [{**REGION, "path": [[1, 1]] * 1001}]}, "has 1001 points: give 2 to 1000"),
    "many": ({"bones": [BONE] * (MAX_GUIDES + 1)}, "40 guides between two keyframes are the most"),
    "long": (" " * (MAX_GUIDES_TEXT + 1), "characters are too long: 200000 are the most"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_guides_get_a_sentence(walk: Project, steer: Steer, wrong: str) -> None:
    steer({"bones": [BONE]}, 1)
    before = all_guides(walk)
    values, sentence = WRONG[wrong]
    with pytest.raises(UserError, match=sentence):
        steer(values, 1)
    assert all_guides(walk) == before


def test_wrong_files_of_guides_get_a_sentence(walk: Project, models: Models, steer: Steer) -> None:
    with pytest.raises(UserError, match="pair 3, and the last pair of keyframes is pair 2"):
        steer({"pairs": [{"pair": 3, "bones": [BONE]}]}, None)
    with pytest.raises(UserError, match=r"guides: pairs\[1\]\.regions\[0\]\.mask names a file"):
        steer({"pairs": [{}, {"pair": 1, "regions": [{"mask": "../a.png", "path": [[1, 1], [2, 2]]}]}]}, None)
    many = {"pairs": [{"pair": 0, "regions": [{**REGION, "mask": [[0.123456789, 20]] * 990 + [[9, 9]]}] * 8}]}
    text = json.dumps(many)
    assert len(text) < MAX_GUIDES_TEXT
    steer(many["pairs"][0], 0)
    with pytest.raises(UserError, match="All guides have more than 200000 characters"):
        steer(many["pairs"][0], 1)
    walk.clear()
    with pytest.raises(UserError, match="Guides lie between two keyframes"):
        set_guides(walk, models.get("cross_fade").method, "{}", None)


def test_spacing_by_region_needs_a_method_that_follows(walk: Project, models: Models, steer: Steer) -> None:
    steer({"spacing": [{"mask": REGION["mask"], "spacing": "ease_in"}]}, 0)
    list(draw(walk, models))
    walk.style = replace(walk.style, method="cross_fade")
    with pytest.raises(UserError, match=r"Guides from 0\.png to 3\.png.*which CrossFade does not follow"):
        list(draw(walk, models))


def test_what_guides_warn_of_is_told(walk: Project, models: Models, steer: Steer) -> None:
    steer({"regions": [{**REGION, "path": [[16, 20], [70, 20]]}]}, 0)
    list(draw(walk, models))
    assert "Guides from 0.png to 3.png, regions[0]: its path ends outside of the picture" in walk.remarks[0]
    calls = Marker.calls
    list(draw(walk, models))
    assert (walk.remarks, Marker.calls) == ([], calls)


def test_trails_follow_what_moves(project: Project, models: Models, desks: Desks, tmp_path: Path) -> None:
    for number in range(4):
        image = Image.new("RGB", (96, 96), (240, 240, 230))
        left = 6 + 12 * number
        ImageDraw.Draw(image).rectangle(
            (left, 40 - 8 * (number % 2), left + 20, 60 - 8 * (number % 2)), (200, 40, 40)
        )
        image.save(tmp_path / f"{number}.png")
        project.add(tmp_path / f"{number}.png")
    pair = project.pairs_in_order()[1]
    ask = {"do": "trails", "pair": list(pair)}
    with pytest.raises(UserError, match=r"marker\.yaml has no paths to show: choose spacing flow"):
        perform(project, models, ask, desks.uploads)
    project.style = replace(project.style, method="spacing_flow")
    project.set_timing(own_timing([0.25, 0.5]))
    (straight,) = json.loads(perform(project, models, ask, desks.uploads)["trails"])
    assert straight["places"] == [0, 1]
    lines, dots = np.array(straight["lines"]), np.array(straight["dots"])
    assert 4 < len(lines) <= 40
    assert lines.shape[1:] == (9, 2)
    assert np.abs(lines[:, -1] - lines[:, 0] - [12, 8]).mean() < 2
    assert np.abs(dots[0] - lines[:, 2]).max() < 0.11
    assert np.abs(lines[:, 4] - (lines[:, 0] + lines[:, 8]) / 2).max() < 0.11
    project.style = replace(project.style, arcs=True)
    (bent,) = json.loads(perform(project, models, ask, desks.uploads)["trails"])
    lines = np.array(bent["lines"])
    assert np.abs(lines[:, 2] - (0.75 * lines[:, 0] + 0.25 * lines[:, 8])).max() > 0.4
    project.replace(pair, 0, tmp_path / "2.png")
    assert [
        each["places"] for each in json.loads(perform(project, models, ask, desks.uploads)["trails"])
    ] == [[1]]
    with pytest.raises(UserError, match="not neighbours"):
        perform(project, models, {**ask, "pair": [0, 3]}, desks.uploads)
