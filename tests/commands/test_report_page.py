"""`report.html` holds its data safely, loads nothing, and stays within its budget."""

import base64
import hashlib
import io
import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inbetween.commands.page import Album, command_line, document, error_levels, provenance, smaller
from inbetween.commands.page.pictures import LEVELS, Level

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "a & b &lt; 'c' \"d\" \u2028\u2029",
    "\udcff.png",  # a file's name that is no UTF-8
    "猫/$data ${title}",
]


def data_of(page: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def image_of(url: str) -> np.ndarray:
    kind, _, text = url.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_data_and_nothing_else(name: str) -> None:
    page = document(f"Comparison of {name}", ("core.js",), {"names": [name], name: 1})
    assert data_of(page) == {"names": [name], name: 1}
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    assert "<img" not in page
    (title,) = re.findall("<title>(.*)</title>", page, re.S)
    assert "<" not in title


def test_numbers_that_json_has_not_become_null() -> None:
    data = {"scores": [1.5, float("nan"), (float("inf"), "NaN")], "low": -float("inf")}
    assert data_of(document("", (), data)) == {"scores": [1.5, None, [None, "NaN"]], "low": None}


def test_the_policy_allows_this_script_and_this_style_alone() -> None:
    page = document("", ("core.js", "player.js"), {})
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for kind, element in (("style", "style"), ("script", 'script type="module"')):
        (text,) = re.findall(f"<{element}>(.*?)</{kind}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert re.search(f"{kind}-src ([^;]*)", policy)[1] == f"'sha256-{digest}'"  # type: ignore[index]
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_the_command_is_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["x", "compare", "--output", "my results"])
    assert command_line("compare") == "python -m inbetween compare --output 'my results'"
    assert command_line("audit") == ""  # called from Python


def test_where_it_was_made() -> None:
    facts = dict(provenance(torch.device("cpu")))
    assert list(facts) == ["Made", "Device", "Versions"]
    assert torch.__version__ in facts["Versions"]


def drawing(seed: int, frames: int = 3, side: int = 64) -> np.ndarray:
    image = np.full((frames, side, side, 3), 255, np.uint8)
    for number in range(frames):
        image[number, 10:30, 5 + 4 * number : 25 + 4 * number] = (seed, 80, 120)
    return image


def noise(seed: int, frames: int = 3, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), np.uint8)


def test_drawings_are_kept_exactly() -> None:
    frames = np.dstack([drawing(3).reshape(-1, 64, 3), noise(0)[..., 0].reshape(-1, 64)]).reshape(
        3, 64, 64, 4
    )
    album = Album(2)
    for strip in (drawing(3), frames):
        (url, nothing) = album.add([strip, None]) or ()
        assert nothing is None
        np.testing.assert_array_equal(image_of(str(url)).reshape(strip.shape), strip)
    assert album.told("windows") == "Pictures are WebP, lossless (2)."


def test_what_is_too_large_becomes_coarser_group_by_group() -> None:
    album = Album(2, 45_000)
    assert album.add([noise(0), noise(1)]) is not None  # 24 kB each if lossless
    assert album.add([drawing(3), drawing(4)]) is not None
    assert album.used[LEVELS[0]] == 1
    assert sum(album.used.values()) == 2
    assert album.told("windows").startswith("Pictures are WebP, at quality ")


def test_the_budget_is_never_passed() -> None:
    budget = 40_000
    album = Album(8, budget)
    groups = [album.add([noise(seed), noise(seed + 100)]) for seed in range(8)]
    used = sum(len(base64.b64decode(str(url).partition(",")[2])) for found in groups for url in found or [])
    assert 0 < used <= budget
    assert used == budget - album.left
    smallest = image_of(str(next(found for found in groups if found)[0]))
    assert smallest.shape[1] in (32, 64)
    none = Album(1, 100)
    assert none.add([noise(0)]) is None
    assert none.told("windows") == "1 windows did not fit into 6.5 MB and are left out."


def test_levels_name_what_they_lose() -> None:
    assert [str(level) for level in (Level(1, None), Level(1, 90), Level(0.5, 75))] == [
        "lossless",
        "at quality 90",
        "at quality 75, 50% of the size",
    ]


@pytest.mark.parametrize("shape", [(2, 40, 80), (2, 40, 80, 3), (2, 40, 80, 4)])
def test_frames_shrink_to_a_side(shape: tuple[int, ...]) -> None:
    frames = np.full(shape, 7, np.uint8)
    assert smaller(frames, 20).shape == (2, 10, 20, *shape[3:])
    assert smaller(frames, 80) is frames


def test_small_errors_are_told_apart() -> None:
    errors = np.array([0, 0.0001, 0.001, 0.01, 0.25, 1, 2, np.nan], np.float32)
    assert error_levels(errors).tolist() == [0, 3, 8, 26, 128, 255, 255, 255]
