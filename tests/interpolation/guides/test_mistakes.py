"""A mistake in guides is said in one sentence that names the item."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inbetween
from inbetween import Guides, Interpolator, UserError
from inbetween.interpolation.guides import guides

KEYFRAME = np.full((24, 40, 3), 255, np.uint8)
MASK = [[4, 4], [12, 4], [12, 12], [4, 12]]
WAY = [[8, 8], [30, 8]]
REGION = {"mask": MASK, "path": WAY}
NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "item", "says"),
    [
        ("regions", {"path": WAY}, "regions[0] has no mask: give the points of a polygon, or "),
        ("regions", {"mask": MASK}, "regions[0] needs a curve: give path, a list of points, or bezier"),
        ("regions", {**REGION, "bezier": WAY}, "regions[0] needs a curve: "),
        ("regions", {**REGION, "path": []}, "regions[0].path has 0 points: give 2 to 1000."),
        ("regions", {**REGION, "path": [[8, 8]]}, "regions[0].path has 1 point: give 2 to 1000."),
        ("regions", {**REGION, "path": [[8, 8], [8, 8]]}, "regions[0] does not move: give different "),
        ("regions", {**REGION, "path": [[8, 8], [NAN, 8]]}, "regions[0].path[1] is nan: give a finite "),
        ("regions", {**REGION, "path": [[8, 8], [10**400, 8]]}, "regions[0].path[1] is 1000000000"),
        ("regions", {**REGION, "path": [[8, 8], [8]]}, "regions[0].path[1] is [8]: give a point [x, y] in "),
        ("regions", {**REGION, "path": [[8, 8], [500, 8]]},
         "regions[0].path leaves the picture of 40x24 pixels at 500, 8: give pixels of the keyframes, "),
        ("regions", {**REGION, "path": [[41, 8], [8, 8]]}, "regions[0].path leaves the picture of 40x24 "),
        ("regions", {"mask": MASK, "bezier": [*WAY, *WAY, *WAY]}, "regions[0].bezier has 6 points: give 4, "),
        ("regions", {**REGION, "mask": MASK[:2]}, "regions[0].mask has 2 points: give 3 to 1000."),
        ("regions", {**REGION, "mask": [[50, 50], [60, 50], [60, 60]]}, "regions[0].mask covers nothing of "),
        ("regions", {**REGION, "mask": "mask.png"}, "regions[0].mask names a file: give the points of a "),
        ("regions", {**REGION, "mask": np.ones((9, 9), bool)},
         "regions[0].mask has 9x9 pixels and the keyframes 40x24: give one size."),
        ("regions", {**REGION, "mask": np.ones((24, 40), np.float32)},
         "regions[0].mask is an array (24, 40) of float32: give an array (H, W) of bool or uint8, or a "),
        ("regions", {**REGION, "mask": np.zeros((24, 40), np.uint8)}, "regions[0].mask is empty: paint "),
        ("regions", {**REGION, "mask_last": [[90, 0], [99, 0], [99, 9]]}, "regions[0].mask_last covers "),
        ("regions", {**REGION, "maks": 1}, "regions[0] has the key maks, which is unknown: did you "),
        ("regions", {**REGION, "spacing": [0.5, 0.2]},
         "regions[0].spacing is [0.5, 0.2]: give rising numbers between 0 and 1."),
        ("regions", {**REGION, "spacing": [0.5, 2]}, "regions[0].spacing is [0.5, 2]: give rising numbers"),
        ("regions", {**REGION, "spacing": []}, "regions[0].spacing is []: give the name of a chart, or "),
        ("regions", {**REGION, "spacing": "fast"}, "regions[0].spacing is fast: give one of even, ease_in, "),
        ("regions", {**REGION, "scale": 0}, "regions[0].scale is 0: give a number above 0.001, up to 100."),
        ("regions", {**REGION, "scale": 1e-300}, "regions[0].scale is 1e-300: give a number above 0.001, "),
        ("regions", {**REGION, "rotation": "90"}, "regions[0].rotation is '90': give a finite number."),
        ("regions", {**REGION, "behind": 1}, "regions[0].behind is 1: give true or false."),
        ("regions", 7, "regions[0] is 7: give an object with the keys mask, mask_last, path, "),
        ("points", {"first": [1, 1]}, "points[0] has no last: give one."),
        ("points", {"first": [1, 1], "last": [40, 1]}, "points[0].last leaves the picture of 40x24 pixels "),
        ("points", {"first": [-1, 1], "last": [4, 1]}, "points[0].first leaves the picture of 40x24 pixels "),
        ("points", {"first": [1, 1], "last": [4, 1], "radius": 0}, "points[0].radius is 0: give a number "),
        ("bones", {"first": [[1, 1], [1, 1]], "last": WAY}, "bones[0].first is [[1, 1], [1, 1]]: give two "),
        ("bones", {"first": WAY, "last": [[1, 1], [1, 99]]}, "bones[0].last leaves the picture of 40x24 "),
        ("spacing", {"mask": MASK}, "spacing[0] is {'mask': [[4, 4], [12, 4], [12, 12], [4, 12]]}: give a "),
        ("spacing", {"mask": MASK, "spacing": "ease_in"},
         "spacing[0] gives spacing by region, which CrossFade does not follow: take spacing_flow, "),
    ],
)  # fmt: skip
def test_a_mistake_names_its_item(model: Interpolator, kind: str, item: Any, says: str) -> None:
    with pytest.raises(UserError) as told:
        model.interpolate(KEYFRAME, KEYFRAME, guides={"pairs": [{"pair": 0, kind: [item]}]})
    assert str(told.value).startswith(f"guides: pairs[0].{says}")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "guides is []: give an object with the keys pairs."),
        ({"pair": []}, "guides has the key pair, which is unknown: did you mean pairs?"),
        ({"pairs": {}}, "guides.pairs is {}: give a list."),
        ({"pairs": [{"pair": -1}]}, "guides: pairs[0].pair is -1: give a whole number from 0."),
        ({"pairs": [{"pair": 1}]}, "guides are given for pair 1, and the last pair of keyframes is pair 0: "),
        ({"pairs": [{"region": []}]}, "guides: pairs[0] has the key region, which is unknown: did you mean "),
        (
            {"pairs": [{"points": [{}] * 1001}]},
            "guides: pairs[0].points has 1001 entries: give 1000 at most.",
        ),
    ],
)
def test_a_mistake_in_the_whole_is_said(model: Interpolator, data: Any, says: str) -> None:
    with pytest.raises(UserError) as told:
        model.interpolate(KEYFRAME, KEYFRAME, guides=data)
    assert str(told.value).startswith(says)


def test_a_file_that_is_no_guides_is_named(tmp_path: Path) -> None:
    path = tmp_path / "guides.json"
    with pytest.raises(
        UserError, match=r"guides\.json cannot be read \(No such file or directory\): give a "
    ):
        Guides.read(path)
    path.write_text("{pairs: []}")
    with pytest.raises(
        UserError, match=r"guides\.json is no JSON \(Expecting property name .*\): correct it"
    ):
        Guides.read(path)
    path.write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"guides\.json is no JSON"):
        Guides.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"guides\.json is no JSON"):
        Guides.read(path)
    path.write_text('{"pairs": [{"regions": [{"mask": "none.png", "path": [[8, 8], [9, 9]]}]}]}')
    with pytest.raises(UserError, match=r"regions\[0\]\.mask is .*none\.png, and there is no such file"):
        Guides.read(path)
    (tmp_path / "none.png").write_text("no image")
    with pytest.raises(UserError, match=r"none\.png is not an image that can be read"):
        Guides.read(path)


def test_a_file_may_begin_with_a_mark_and_have_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "guides.json"
    path.write_text('{"pairs": [{"points": [{"first": [1, 1], "last": [2, 2]}]}]}', encoding="utf-8-sig")
    assert Guides.read(path).pairs[0].points
    monkeypatch.setattr(guides, "LARGEST", 1000)
    with pytest.raises(UserError, match="/dev/zero has more than 0 MB: give a JSON file of guides"):
        Guides.read("/dev/zero")


def test_numbers_of_numpy_are_numbers() -> None:
    first, last = np.argwhere(np.eye(5, dtype=bool))[[1, 3]]
    points = [{"first": [*first], "last": [*last], "radius": np.float32(3)}]
    regions = [{"mask": MASK, "path": np.array(WAY), "spacing": np.array([0.25, 0.5])}]
    found = Guides.from_dict({"pairs": [{"pair": np.int64(0), "points": points, "regions": regions}]})
    assert found.pairs[0].points[0].first == (1, 1)
    assert found.pairs[0].regions[0].spacing == (0.25, 0.5)


@pytest.mark.parametrize(
    "item",
    [
        {"bones": [{"first": [[16, 20], [16, 28]], "last": [[80, 30], [80, 38]], "width": 1e8}]},
        {"points": [{"first": [16, 20], "last": [80, 30], "radius": 1e8}]},
    ],
)
def test_what_reaches_over_all_of_the_picture_leaves_no_black(model: Interpolator, item: Any) -> None:
    first = np.full((64, 96, 3), 220, np.uint8)
    first[50:] = 140
    last = first.copy()
    first[12:28, 8:24] = last[22:38, 72:88] = 90
    (frame,) = model.interpolate(first, last, guides={"pairs": [item]})
    assert frame.min() >= 85


def test_a_batch_of_pairs_has_as_many_guides(model: Interpolator) -> None:
    pairs = torch.ones(2, 3, 24, 40)
    with pytest.raises(
        UserError, match="guides are given for pair 2, and the last pair of keyframes is pair 1"
    ):
        model.interpolate(pairs, pairs, guides={"pairs": [{"pair": 2, "points": []}]})


def test_guides_are_public() -> None:
    assert inbetween.Guides is Guides
