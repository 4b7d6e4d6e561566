"""Guides in a browser: drawn with the mouse, moved, listed, as files and as text."""

import io
import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.app.browsing import IN_BROWSER, Desk
from tests.app.test_steering import BONE, REGION

pytestmark = IN_BROWSER

Paint = Callable[..., Path]
Points = list[tuple[float, float]]
PLACE = """([x, y]) => {
  const stage = document.querySelector('.guide-stage');
  const { x: left, y: top } = new DOMPoint(x, y).matrixTransform(stage.getScreenCTM());
  return [left, top];
}"""
TO_DRAW = "document.querySelector('button[type=submit]').textContent === 'Draw {}'"


def guides_of(desk: Desk) -> dict[str, Any]:
    """As the text field has them."""
    return dict(json.loads(desk.page.input_value("[data-key=guide_text]") or "{}"))


def click(desk: Desk, *points: tuple[float, float]) -> None:
    for point in points:
        desk.page.mouse.click(*desk.page.evaluate(PLACE, point))


def drag(desk: Desk, points: Points) -> None:
    mouse = desk.page.mouse
    mouse.move(*desk.page.evaluate(PLACE, points[0]))
    mouse.down()
    for point in points[1:]:
        mouse.move(*desk.page.evaluate(PLACE, point), steps=2)
    mouse.up()


def circle(x: float, y: float, radius: float) -> Points:
    return [(x + radius * math.cos(k / 4), y + radius * math.sin(k / 4)) for k in range(26)]


@pytest.fixture
def open_desk(desk: Desk, paint: Paint) -> Desk:
    """Three keyframes, and the guides of the first two opened."""
    desk.drop(".keyframes", *[paint(number) for number in (0, 4, 8)])
    desk.wait("document.querySelectorAll('.keyframe').length === 3")
    desk.page.click("[data-key=pair0\\,1]")
    desk.page.click(".guides > summary")
    desk.page.click(".as-text summary")
    desk.page.wait_for_selector(".guide-stage image")
    desk.page.locator(".guide-stage").scroll_into_view_if_needed()
    return desk


def test_a_region_and_its_path_are_drawn(open_desk: Desk, paint: Paint) -> None:
    desk, page = open_desk, open_desk.page
    desk.draw()
    page.click("[data-key=toolregions]")
    drag(desk, circle(16, 20, 12))
    page.wait_for_selector(".hint:has-text('Now draw the path')")
    drag(desk, [(16 + 2 * k, 20 - k * (15 - k) / 5) for k in range(16)])
    desk.wait(TO_DRAW.format("3 drawings"))  # of this pair only
    assert page.inner_text(".guides > summary") == "Guides from 1 to 2: 1"
    assert page.inner_text(".between .guided") == "guides"
    (region,) = guides_of(desk)["regions"]
    assert 6 < len(region["mask"]) < 40
    assert 7 <= len(region["bezier"]) < 40
    assert region["bezier"][0] == pytest.approx([16, 20], abs=0.3)
    assert region["bezier"][-1] == pytest.approx([46, 20], abs=0.3)

    drag(desk, [(46, 20), (50, 30)])  # its last handle, with its tangent
    desk.wait("document.querySelector('[data-key=guide_text]').value.includes('[50')")
    (moved,) = guides_of(desk)["regions"]
    assert moved["bezier"][-1] == pytest.approx([50, 30], abs=0.4)
    by = [after - before for before, after in zip(region["bezier"][-2], moved["bezier"][-2], strict=True)]
    assert by == pytest.approx([4, 10], abs=0.6)
    assert moved["bezier"][:-2] == region["bezier"][:-2]

    page.select_option("[data-key=spacingregions0]", "ease_in")
    page.fill("[data-key=rotationregions0]", "90")
    page.fill("[data-key=scaleregions0]", "50")
    page.check("[data-key=behind0]")
    desk.wait("document.querySelector('[data-key=guide_text]').value.includes('behind')")
    (found,) = guides_of(desk)["regions"]
    assert {**moved, "spacing": "ease_in", "rotation": 90, "scale": 0.5, "behind": True} == found
    page.fill("[data-key=scaleregions0]", "-1")
    page.keyboard.press("Tab")
    assert desk.said() == "guides.regions[0].scale is -0.01: give a number above 0.001, up to 100."
    assert page.input_value("[data-key=scaleregions0]") == "50"  # what is true
    desk.draw()
    page.click("[data-key=removeregions0]")
    desk.wait("!document.querySelector('.guides .list li')")
    assert desk.faults == []


def test_clicked_paths_points_and_bones(open_desk: Desk) -> None:
    desk, page = open_desk, open_desk.page
    page.click("[data-key=toolregions]")
    drag(desk, circle(16, 20, 12))
    click(desk, (16, 20), (30, 10), (44, 20))
    page.click("[data-key=done]")
    page.wait_for_selector(".list li")
    page.click("[data-key=toolpoints]")
    click(desk, (10, 40), (20, 40))
    page.wait_for_selector(".list li >> nth=1")
    page.click("[data-key=toolbones]")
    click(desk, (50, 40), (60, 40), (50, 40), (50, 30))
    page.wait_for_selector(".list li >> nth=2")
    desk.wait("document.querySelector('[data-key=guide_text]').value.includes('bones')")
    found = guides_of(desk)
    assert len(found["regions"][0]["bezier"]) == 7
    assert found["points"][0]["last"] == pytest.approx([20, 40], abs=0.3)
    assert found["bones"][0]["last"][1] == pytest.approx([50, 30], abs=0.3)
    page.click("[data-key=toolbones]")  # begun, and not finished
    click(desk, (50, 40))
    page.click("[data-key=cancel]")
    page.focus("[data-key='handlepoints0.1']")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    desk.wait("document.querySelector('[data-key=guide_text]').value.match(/\\[(30|29.9|30.1), 41/)")
    assert page.evaluate("document.activeElement.dataset.key") == "handlepoints0.1"
    assert len(guides_of(desk)["bones"]) == 1
    assert desk.faults == []


def test_files_and_text(open_desk: Desk, tmp_path: Path) -> None:
    desk, page = open_desk, open_desk.page
    given = {"pairs": [{"pair": 1, "bones": [BONE]}, {"pair": 0, "regions": [REGION]}]}
    (tmp_path / "mine.json").write_text(json.dumps(given))
    page.set_input_files(".files input[type=file]", tmp_path / "mine.json")
    desk.wait("document.querySelectorAll('.between .guided').length === 2")
    with page.expect_download() as downloading:
        page.click("[data-key=save_guides]")
    saved = json.loads(Path(downloading.value.path()).read_text())
    assert saved == {"pairs": [{"pair": 0, "regions": [REGION]}, {"pair": 1, "bones": [BONE]}]}

    page.fill("[data-key=guide_text]", json.dumps({"regions": [{**REGION, "mask": "mask.png"}]}))
    page.click("[data-key=apply]")
    wanted = "guides.regions[0].mask names a file: give the points of a polygon here."
    assert desk.said() == wanted
    assert "mask.png" in page.input_value("[data-key=guide_text]")  # to be corrected
    page.fill("[data-key=guide_text]", json.dumps({"bones": [BONE]}))
    page.focus("[data-key=apply]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".list :text('Bone 1')")
    page.fill("[data-key=guide_text]", "")
    page.click("[data-key=apply]")
    desk.wait("document.querySelectorAll('.between .guided').length === 1")
    assert desk.faults == []


def test_a_drawing_of_ones_own_puts_guides_aside(open_desk: Desk, paint: Paint, tmp_path: Path) -> None:
    desk, page = open_desk, open_desk.page
    page.fill("[data-key=guide_text]", json.dumps({"regions": [REGION]}))
    page.click("[data-key=apply]")
    page.wait_for_selector(".list li")
    desk.draw()
    page.click("[data-key=cell2]")
    page.set_input_files(".chosen input[type=file]", paint(2, "mine.png"))
    page.wait_for_selector(".unused:has-text('guides are not used here until you take it away')")
    desk.draw()
    with page.expect_download() as downloading:
        page.click("[data-key=downloadmp4]")
    av = pytest.importorskip("av", reason="PyAV, the extra `video`, is not installed.")
    with av.open(str(downloading.value.path())) as video:
        frames = [frame.to_image() for frame in video.decode(video=0)]
    assert [frame.size for frame in frames] == [(64, 48)] * 9
    with page.expect_download() as downloading:
        page.click("[data-key=downloadzip]")
    with zipfile.ZipFile(downloading.value.path()) as archive:
        mine = Image.open(io.BytesIO(archive.read("0002.png")))
    assert mine.tobytes() == Image.open(paint(2)).tobytes()
    page.click("[data-key=cell2]")
    page.click("[data-key=restore]")
    desk.wait("document.querySelector('.unused').hidden")
    assert desk.faults == []


def test_guides_in_a_narrow_window(open_desk: Desk) -> None:
    desk, page = open_desk, open_desk.page
    page.fill("[data-key=guide_text]", json.dumps({"regions": [REGION], "bones": [BONE]}))
    page.click("[data-key=apply]")
    page.wait_for_selector(".list li >> nth=1")
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.locator(".guide-stage").scroll_into_view_if_needed()
    drag(desk, [(44, 24), (44, 34)])
    desk.wait("document.querySelector('[data-key=guide_text]').value.match(/\\[4\\d\\.?\\d?, 3[34]/)")
    assert desk.faults == []


def test_arcs_are_refused_where_a_method_has_no_paths(open_desk: Desk) -> None:
    desk, page = open_desk, open_desk.page
    page.click(".more summary")
    page.check("[data-key=arcs]")
    assert desk.said().startswith("arcs bend the paths of spacing flow, and Marker has none")
    page.uncheck("[data-key=arcs]")
    desk.wait("document.querySelector('.said').hidden")
    desk.draw()
    assert desk.faults == []


def test_trails_are_shown(open_desk: Desk) -> None:
    desk, page = open_desk, open_desk.page
    blue = """(() => {
      const pen = new OffscreenCanvas(64, 48).getContext('2d');
      pen.drawImage(document.querySelector('.stage canvas'), 0, 0);
      const { data } = pen.getImageData(0, 0, 64, 48);
      const isBlue = (k) => data[4 * k] < 60 && data[4 * k + 1] > 100 && data[4 * k + 2] > 190;
      return [...Array(64 * 48).keys()].some(isBlue);
    })()"""
    page.check("[data-key=trails]")
    assert (
        desk.said()
        == "marker.yaml has no paths to show: choose spacing flow or spacing RIFE for motion trails."
    )
    page.click(".more summary")
    page.select_option("[data-key=method]", "spacing_flow")
    desk.wait("document.querySelector('.said').hidden")
    assert not page.evaluate(blue)
    page.click("[data-key=cell5]")
    desk.wait(blue)
    page.uncheck("[data-key=trails]")
    assert not page.evaluate(blue)
    assert desk.faults == []


def test_a_whole_job_with_a_guide(desk: Desk, paint: Paint) -> None:
    av = pytest.importorskip("av", reason="PyAV, the extra `video`, is not installed.")
    page = desk.page
    desk.drop(".keyframes", *[paint(number) for number in range(12)])
    desk.wait("document.querySelectorAll('.keyframe').length === 12")
    page.click(".more summary")
    page.select_option("[data-key=method]", "cross_fade")
    page.click("[data-key=pair3\\,4]")
    page.click(".guides > summary")
    page.locator(".guide-stage").scroll_into_view_if_needed()
    page.click("[data-key=toolregions]")
    drag(desk, circle(20, 20, 12))
    drag(desk, [(20, 20), (24, 12), (30, 8), (36, 12), (40, 20)])
    page.wait_for_selector(".list li")
    desk.draw()
    page.click("[data-key=cell6]")
    page.set_input_files(".chosen input[type=file]", paint(2, "mine.png"))
    page.wait_for_selector(".badge.own")
    assert page.inner_text(".guides > summary") == "Guides from 4 to 5: 1"
    assert page.locator(".unused").is_hidden()  # it is of another pair
    desk.draw()
    with page.expect_download() as downloading:
        page.click("[data-key=downloadmp4]")
    with av.open(str(downloading.value.path())) as video:
        assert [(frame.width, frame.height) for frame in video.decode(video=0)] == [(64, 48)] * 45
    assert desk.faults == []
