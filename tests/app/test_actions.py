"""What the browser may ask for; what it sends is not trusted."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inbetween.app.actions import RefusedError, perform
from inbetween.app.desks import Desks
from inbetween.app.drawing import draw
from inbetween.app.models import Models
from inbetween.app.project import Project
from inbetween.app.view import choices, view_of
from inbetween.errors import UserError

Paint = Callable[..., Path]
Act = Callable[..., dict[str, str]]


@pytest.fixture
def act(desks: Desks, project: Project, models: Models) -> Act:
    return lambda **action: perform(project, models, action, desks.uploads)


@pytest.fixture
def upload(desks: Desks, paint: Paint) -> Callable[[int], str]:
    """Puts a drawing where uploads are."""

    def put(number: int, name: str | None = None) -> str:
        folder = desks.uploads / f"hash{number}"
        folder.mkdir(exist_ok=True)
        path = folder / (name or f"{number}.png")
        path.write_bytes(paint(number).read_bytes())
        return str(path)

    return put


@pytest.fixture
def walk(act: Act, upload: Callable[[int], str], project: Project) -> Project:
    act(do="add", paths=[upload(number) for number in (0, 4, 8)], at=None)
    return project


def test_a_whole_job(walk: Project, act: Act, models: Models, upload: Callable[[int], str]) -> None:
    assert [keyframe.name for keyframe in walk.keyframes] == ["0.png", "4.png", "8.png"]
    pair = list(walk.pairs_in_order()[0])
    act(do="timing", pair=None, spacing="ease_in", between=2)
    act(do="timing", pair=pair, t=[0.2, 0.5, 0.6])
    act(do="style", candidates=2)
    act(do="play", hold=2)
    act(do="play", fps=24)
    list(draw(walk, models))
    act(do="choose", pair=pair, place=0, candidate=1)
    act(do="replace", pair=pair, place=1, path=upload(3))
    list(draw(walk, models))
    view = view_of(walk, models, "/base/")
    assert view["missing"] == 0
    assert [frame["own"] for frame in view["frames"]].index(True) == 2
    assert view["frames"][1]["chosen"] == 1
    assert view["pairs"][0] == {
        "pair": pair,
        "timing": {"t": [0.2, 0.5, 0.6], "spacing": None},
        "alone": True,
        "transition": "",
        "guides": {},
        "split": True,
    }
    assert (view["hold"], view["fps"], view["size"]) == (2, 24.0, [48, 64])
    assert act(do="download", format="zip") == {"download": "animation.zip"}
    act(do="restore", pair=pair, place=1)
    act(do="timing_of_all", pair=pair)
    act(do="move", number=walk.keyframes[0].number, to=99)
    act(do="remove", number=walk.keyframes[0].number)
    assert [keyframe.name for keyframe in walk.keyframes] == ["8.png", "0.png"]
    act(do="clear")
    assert view_of(walk, models, "/base/")["frames"] == []
    assert list(walk.folder.glob("*.png")) == []


def test_uploads_do_not_pile_up(walk: Project, act: Act, desks: Desks, upload: Callable[..., str]) -> None:
    bad = Path(upload(9, "bad.png"))
    bad.write_text("no image")
    with pytest.raises(UserError, match=r"bad\.png is not an image.* 1 more could not be used"):
        act(do="add", paths=[str(bad), upload(5), upload(9, "a.pdf")])
    assert [keyframe.name for keyframe in walk.keyframes][-1] == "5.png"
    # equal files of two users are one, so they stay for a while
    act(do="add", paths=[upload(6)])
    act(do="add", paths=[str(path) for path in desks.uploads.rglob("6.png")])
    for path in desks.uploads.rglob("*.*"):
        os.utime(path, (0, 0))
    act(do="add", paths=[upload(7)])
    assert [path.name for path in desks.uploads.rglob("*") if path.is_file()] == ["7.png"]


def test_the_examples_can_be_tried(act: Act, project: Project) -> None:
    act(do="examples")
    assert len(project.keyframes) == 3


def test_views_are_numbered(walk: Project, models: Models) -> None:
    assert [view_of(walk, models, "")["serial"] for _ in range(2)] == [1, 2]


def test_everything_to_choose_from_is_named(models: Models) -> None:
    found = choices(models)
    assert {"zip", "mp4", "gif", "webp"} <= set(found["formats"])
    assert models.first == "marker.yaml"  # without its path
    assert models.first in found["methods"]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../../../etc/passwd",
        "",
        ".",
        "no such file",
        "\0",
        7,
        None,
        ["a"],
        {"path": "/etc/passwd"},
    ],
)
def test_only_uploads_are_read(act: Act, walk: Project, desks: Desks, path: Any) -> None:
    pair = list(walk.pairs_in_order()[0])
    for wanted in (path, f"{desks.uploads}/{path}", f"{desks.uploads}/../projects"):
        with pytest.raises(RefusedError):
            act(do="add", paths=[wanted])
        with pytest.raises(RefusedError):
            act(do="replace", pair=pair, place=0, path=wanted)
    assert len(walk.keyframes) == 3


def test_a_link_among_the_uploads_leads_nowhere(act: Act, desks: Desks, paint: Paint) -> None:
    secret = paint(1)
    (desks.uploads / "link.png").symlink_to(secret)
    with pytest.raises(RefusedError):
        act(do="add", paths=[str(desks.uploads / "link.png")])
    assert secret.exists()


NONSENSE: list[Any] = [
    {},
    {"do": "format the disk"},
    {"do": ["add"]},
    {"do": "add", "paths": "/etc/passwd"},
    {"do": "move", "number": "1", "to": 0},
    {"do": "move", "number": 1.5, "to": 0},
    {"do": "timing", "t": [0.1] * 5000},
    {"do": "timing", "t": ["0.5"]},
    {"do": "timing", "t": [float("nan")]},
    {"do": "timing", "t": None},
    {"do": "timing", "t": [0.5], "pair": [1]},
    {"do": "timing", "t": [0.5], "pair": "01"},
    {"do": "timing", "spacing": "wobbly", "between": 3},
    {"do": "timing", "spacing": ["even"], "between": 3},
    {"do": "timing", "spacing": "even", "between": True},
    {"do": "style", "method": "/etc/passwd"},
    {"do": "style", "method": {}},
    {"do": "style", "palette": None},
    {"do": "play", "fps": "fast"},
    {"do": "play", "hold": 1.5},
    {"do": "choose", "pair": [0, 1], "place": None, "candidate": 0},
    {"do": "style", "arcs": 1},
    {"do": "style", "arcs": None},
    {"do": "guides", "pair": "01", "text": "{}"},
    {"do": "guides", "pair": None},
    {"do": "trails", "pair": "01"},
    {"do": "trails"},
    {"do": "guides", "pair": None, "text": {"pairs": []}},
    {"do": "guides", "pair": None, "text": ["{}"]},
]


@pytest.mark.parametrize("action", [*NONSENSE, None, [], "add", 3])
def test_nonsense_is_refused(project: Project, models: Models, desks: Desks, action: Any) -> None:
    with pytest.raises(RefusedError):
        perform(project, models, action, desks.uploads)


def test_numbers_out_of_range_are_clipped_or_told(walk: Project, act: Act) -> None:
    act(do="play", hold=99, fps=1e9)
    assert (walk.hold, walk.fps) == (4, 50.0)
    with pytest.raises(UserError, match="cannot be made here"):
        act(do="timing", pair=None, spacing="even", between=10**12)
    with pytest.raises(UserError, match="not there any more"):
        act(do="remove", number=99)
    with pytest.raises(UserError, match="not neighbours"):
        act(do="choose", pair=[5, 6], place=0, candidate=0)
    with pytest.raises(UserError, match="There is no format exe"):
        act(do="download", format="exe")


def test_no_name_leads_out_of_a_project(walk: Project, desks: Desks, models: Models) -> None:
    secret = walk.folder.name
    name = walk.keyframes[0].picture.name
    assert desks.file(secret, f"{name}.png") == walk.keyframes[0].picture.path
    for wrong in ("../../uploads", "..", ".", "", "/etc/passwd", f"../{secret}/{name}.png"):
        assert desks.file(secret, wrong) is None
    assert desks.file("someone", f"{name}.png") is None
    desks.close(secret)
    assert desks.file(secret, f"{name}.png") is None
    assert not walk.folder.exists()


def test_too_many_pages_are_told(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbetween.app.desks.MAX_DESKS", 2)
    first, second = desks.open(), desks.open()
    with pytest.raises(UserError, match="Too many pages are open"):
        desks.open()
    desks.leave(second)
    desks.leave(first)
    assert desks.get(second).stopped  # but used: its page is open after all
    third = desks.open()
    assert desks.get(third)
    with pytest.raises(UserError, match="closed for too long"):
        desks.get(first)
