"""Reports in a headless Chromium: they play, sort and filter, load nothing, and run nothing of the data."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inbetween.__main__ import main
from tests.cli.conftest import Compare
from tests.commands.chromium import opened, until
from tests.conftest import DrawScene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:LPIPS needs the weights"),
]
HOSTILE = "<img src=x onerror=document.title='owned'>"


def frame_of(page: Any) -> str:
    return str(page.locator(".transport output").inner_text())


def pixels(page: Any, place: int = 0) -> np.ndarray:
    """What the canvas of a figure shows, (height, width, 4)."""
    url = page.locator(".stage canvas").nth(place).evaluate("canvas => canvas.toDataURL()")
    png = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def screenshot(page: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


@pytest.fixture
def comparison(compare: Compare, tmp_path: Path, draw_scene: DrawScene) -> Path:
    """The report of three methods on two animations, one of them with a name that is HTML."""
    root = tmp_path / "scenes"
    draw_scene(root / "val" / HOSTILE / "walk", seed=5)
    compare(methods=["dis.yaml", "spacing_flow.yaml"], root=root)
    return Path("logs/compare/report.html")


def test_a_comparison_plays_by_keys_and_by_hand(comparison: Path) -> None:
    with opened(comparison) as page:
        page.locator("#player .player").scroll_into_view_if_needed()
        assert page.locator(".stage figure").count() == 5  # the truth and four methods
        assert frame_of(page) == "first keyframe"
        first = pixels(page)
        page.keyboard.press("ArrowRight")
        assert frame_of(page) == "in-between 1 of 2"
        assert (pixels(page) != first).any()
        assert (pixels(page, 1) == first).all()  # repeat shows the first keyframe
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert frame_of(page) == "last keyframe"  # it loops
        # the space bar plays, and pauses
        page.keyboard.press(" ")
        assert page.get_by_role("button", name="Pause").count() == 1
        until(lambda: frame_of(page) != "last keyframe")
        page.keyboard.press(" ")
        assert page.get_by_role("button", name="Play").count() == 1
        # scrubbing over a picture, and the slider
        box = page.locator(".stage canvas").nth(2).bounding_box()
        page.mouse.move(box["x"] + 2, box["y"] + 20)
        page.mouse.down()
        assert frame_of(page) == "first keyframe"
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 20)
        assert frame_of(page) == "in-between 2 of 2"
        page.mouse.move(box["x"] + 2 * box["width"], box["y"] + 20)
        assert frame_of(page) == "last keyframe"
        page.mouse.up()
        page.mouse.move(box["x"] + 2, box["y"] + 20)
        assert frame_of(page) == "last keyframe"
        page.get_by_label("Frame", exact=True).fill("1")
        assert frame_of(page) == "in-between 1 of 2"
        # another window
        ready = page.locator("#player").get_attribute("data-ready")
        page.locator(".caption").click()
        page.keyboard.press("n")
        until(lambda: page.locator("#player").get_attribute("data-ready") != ready)
        assert page.locator(".rail [aria-current=true]").count() == 1


def test_differences_predicted_errors_and_a_against_b(comparison: Path) -> None:
    with opened(comparison) as page:
        page.locator("#player .player").scroll_into_view_if_needed()
        page.keyboard.press("d")
        assert (pixels(page, 1) == 255).all()  # keyframes are the truth's own
        page.keyboard.press("ArrowRight")
        wrong = pixels(page, 1)
        assert (wrong[..., 0] >= wrong[..., 1]).all()
        assert (wrong[..., 1] < 128).any()  # repeat is wrong where the square is, and right elsewhere
        assert (wrong[..., 1] == 255).mean() > 0.5
        page.get_by_role("button", name="Predicted error").click()
        assert page.locator(".stage figure.none").count() == 3  # repeat, cross-fade and DIS predict none
        assert (pixels(page, 4)[..., 1] < 255).any()
        page.get_by_role("button", name="A / B").click()
        assert page.locator(".stage figure").count() == 1
        a = pixels(page)
        page.get_by_label("B", exact=True).select_option("repeat")
        page.locator(".caption").click()
        page.keyboard.press("b")
        assert page.locator(".stage figcaption").inner_text() == "B: repeat"
        b = pixels(page)
        assert (a != b).any()
        page.get_by_label("Wipe from A to B").fill("50")
        half = pixels(page)
        width = half.shape[1]
        assert (half[:, : width // 2 - 1] == a[:, : width // 2 - 1]).all()
        assert (half[:, width // 2 + 2 :] == b[:, width // 2 + 2 :]).all()


def test_tables_sort_and_methods_are_filtered(comparison: Path) -> None:
    with opened(comparison) as page:
        names = page.locator("#results tbody th")
        head = page.locator("#results thead th").nth(1)
        assert head.get_attribute("aria-sort") == "descending"  # the best SSIM first
        down = names.all_inner_texts()
        assert sorted(down) == ["cross_fade", "dis", "repeat", "spacing_flow"]
        assert down[-1] == "repeat"
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert names.all_inner_texts() == down[::-1]
        page.locator("#distributions").get_by_role("button", name="repeat").click()
        assert page.locator("#distributions figure").count() == 3
        assert page.locator(".stage figure").count() == 4
        assert "repeat" not in page.locator("#windows thead").inner_text()
        page.locator("#distributions select").select_option("psnr")
        assert page.locator("#windows select").input_value() == "psnr"
        scores = [float(text) for text in page.locator("#windows tbody td:last-child").all_inner_texts()]
        assert len(scores) == 12
        assert max(scores) > 10  # decibels
        assert page.locator("#confidence svg.chart").count() == 2
        assert page.locator("#differences tbody tr").count() == 3
        page.locator("#windows .open").last.click()
        name = page.locator("#windows .open").last.inner_text()
        until(lambda: page.locator(".caption strong").inner_text() == name)


def test_names_are_text_and_nothing_is_loaded(comparison: Path) -> None:
    assert comparison.stat().st_size < 10_000_000
    with opened(comparison) as page:
        assert HOSTILE in page.locator("#windows tbody").inner_text()
        assert page.locator("main img, main script, main [onerror]").count() == 0
        assert page.title().startswith("Comparison")


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_it_looks_right_in_the_dark_and_on_a_phone(comparison: Path, scheme: str, dark: bool) -> None:
    with opened(comparison, color_scheme=scheme, viewport={"width": 390, "height": 844}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        shown = screenshot(page)
        assert bool(shown[2, 2].sum() < 200) == dark
        assert shown.std() > 15  # not blank
        page.locator(".stage").scroll_into_view_if_needed()
        assert screenshot(page).std() > 15
        unnamed = "button:not([aria-label]), select, input:not([aria-label])"
        for one in page.locator(unnamed).all():
            assert one.evaluate("e => e.textContent.trim() || e.labels?.[0]?.textContent.trim()")
        assert page.locator("canvas:not([aria-label]):not([aria-hidden])").count() == 0


def test_it_plays_by_itself_once_it_is_in_sight(comparison: Path) -> None:
    with opened(comparison, reduced_motion="no-preference") as page:
        assert frame_of(page) == "first keyframe"
        page.locator(".stage").scroll_into_view_if_needed()
        until(lambda: frame_of(page) != "first keyframe")


def test_a_sequence_plays_with_its_marks(tmp_path: Path, draw_scene: DrawScene) -> None:
    draw_scene(tmp_path / "keys", numbers=[0, 3, 6])
    args = [
        "interpolate",
        "--keyframes",
        str(tmp_path / "keys"),
        "--between",
        "2",
        "--method",
        "spacing_flow",
    ]
    args += ["--candidates", "2", "--hold", "2", "--accelerator", "cpu", "--precision", "32-true"]
    assert main([*args, "--report", "true", "--output", str(tmp_path / "out")]) == 0
    with opened(tmp_path / "out/report.html", viewport={"width": 1000, "height": 900}) as page:
        assert page.locator(".stage figure").count() == 2
        line = page.locator(".timeline button")
        assert line.count() == 7
        assert page.locator(".timeline .key").count() == 3
        assert line.nth(3).get_attribute("aria-label") == "0006.png, keyframe"
        assert page.locator(".timeline i").count() == 4  # predicted errors of the in-betweens
        line.nth(4).click()
        assert frame_of(page) == "5 of 7"
        assert page.locator(".caption strong").inner_text() == "0008.png"
        assert "predicted error" in page.locator(".stage figcaption").first.inner_text()
        plain = pixels(page)
        expected = np.asarray(Image.open(tmp_path / "out/candidate_1/0008.png"))
        assert (plain[..., :3] == expected).all()
        page.locator(".caption").click()
        page.keyboard.press("o")
        assert (pixels(page) != plain).any()
        page.keyboard.press("o")
        assert (pixels(page) == plain).all()
        page.keyboard.press("ArrowRight")
        assert frame_of(page) == "6 of 7"


def test_an_audit_shows_pairs(tmp_path: Path, scenes_root: Path, draw_scene: DrawScene) -> None:
    draw_scene(scenes_root / "train" / HOSTILE / "walk", seed=3)  # what val has
    args = ["audit", "--config", "data/folder.yaml", "--data.source.root", str(scenes_root)]
    args += ["--data.size", "64", "--data.cache_dir", str(tmp_path / "frames"), "--accelerator", "cpu"]
    assert main([*args, "--output", str(tmp_path / "audit")]) == 1
    with opened(tmp_path / "audit/report.html") as page:
        assert page.locator(".pair").count() > 0
        assert page.locator(".pair img").count() == 2 * page.locator(".pair").count()
        assert page.evaluate("[...document.images].every(i => i.decode())")
        assert HOSTILE in page.locator(".pair").first.inner_text()
        assert page.title().startswith("Audit")
