"""The whole job in a browser, as an animator does it."""

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from inbetween.app.desks import Desks
from tests.app.browsing import IN_BROWSER, Desk
from tests.app.marker import Marker

pytestmark = IN_BROWSER

Paint = Callable[..., Path]


def test_from_dropping_files_to_the_download(desk: Desk, paint: Paint) -> None:
    page = desk.page
    desk.drop(".keyframes", *[paint(number) for number in (10, 2, 6)])
    desk.wait("document.querySelectorAll('.keyframe').length === 3")
    assert desk.texts(".keyframe .name") == ["2.png", "6.png", "10.png"]  # in natural order

    page.get_by_text("Ease in", exact=True).click()
    desk.wait("document.querySelector('[data-key=point0]').getAttribute('aria-valuenow') === '6.3'")
    box, track = page.locator("[data-key=point2]").bounding_box(), page.locator(".track").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(track["x"] + 0.8 * track["width"], box["y"] + 10, steps=4)
    page.mouse.up()
    desk.wait("document.querySelector('[data-key=position2]').value === '80.0'")
    page.wait_for_selector(".choice:has-text('Your own')")
    page.click(".more summary")
    page.select_option("[data-key=candidates]", "3")
    desk.wait("document.querySelector('button[type=submit]').textContent === 'Draw 18 drawings'")
    desk.draw()
    assert desk.texts(".film .badge") == [
        "key",
        "easy",
        "easy",
        "redraw",
        "key",
        "easy",
        "easy",
        "redraw",
        "key",
    ]

    page.click("[data-key=cell3]")
    assert "Most likely wrong" in page.inner_text(".chosen")
    page.click("[data-key=candidate1]")
    desk.wait("document.querySelector('[data-key=candidate1]').ariaPressed === 'true'")
    page.click("[data-key=cell2]")
    page.set_input_files(".chosen input[type=file]", paint(4, "mine.png"))
    desk.wait("document.querySelector('button[type=submit]').textContent === 'Draw 6 drawings'")
    assert desk.texts(".film .badge")[:5] == ["key", "to draw", "yours", "to draw", "key"]
    assert page.locator("[data-key=downloadzip]").is_disabled()
    desk.draw()
    with page.expect_download() as downloading:
        page.click("[data-key=downloadzip]")
    with zipfile.ZipFile(downloading.value.path()) as archive:
        assert archive.namelist() == [f"{number:04d}.png" for number in range(9)]
        mine = Image.open(io.BytesIO(archive.read("0002.png")))
        assert mine.tobytes() == Image.open(paint(4)).tobytes()
    with page.expect_download() as downloading:
        page.click("[data-key=downloadgif]")
    assert Image.open(downloading.value.path()).n_frames == 9
    assert desk.faults == []


def test_everything_can_be_done_with_the_keyboard(desk: Desk, paint: Paint) -> None:
    page = desk.page
    page.focus("[data-key=examples]")
    page.keyboard.press("Enter")
    desk.wait("document.querySelectorAll('.keyframe').length === 3")
    order = []
    for _ in range(40):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "document.activeElement.dataset.key || document.activeElement.getAttribute('aria-label')"
            )
        )
    wanted = [
        "add",
        "between",
        "spacingeven",
        "point0",
        "point1",
        "positions",
        "hold1",
        "fps",
        "draw",
        "stage",
    ]
    places = [order.index(name) for name in wanted]
    assert places == sorted(places)

    page.focus("[data-key=point1]")
    page.keyboard.press("Shift+ArrowRight")
    desk.wait(
        "document.activeElement.dataset.key === 'point1' && document.activeElement.ariaValueNow === '55.0'"
    )
    page.focus("[data-key=fps]")
    page.keyboard.press("Enter")  # draws
    desk.drawn()
    page.focus("[data-key=stage]")
    desk.wait("document.querySelector('.play').ariaLabel === 'Pause'")
    page.keyboard.press(" ")
    desk.wait("document.querySelector('.play').ariaLabel === 'Play'")
    page.keyboard.press("Home")
    assert page.inner_text(".count") == "1 / 9"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".count") == "3 / 9"
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".count") == "1 / 9"
    page.focus("[data-key=cell0]")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.key") == "cell1"
    page.focus("[data-key=pair0\\,1]")
    page.keyboard.press("Enter")
    assert page.inner_text(".timing h2") == "Timing from 1 to 2"
    assert desk.faults == []


def test_drawing_is_stopped_and_goes_on(desk: Desk, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Marker, "seconds", 0.7)
    desk.drop(".keyframes", *[paint(number) for number in range(6)])
    desk.wait("document.querySelectorAll('.keyframe').length === 6")
    desk.page.evaluate("for (let i = 0; i < 3; i++) document.querySelector('form').requestSubmit()")
    desk.wait("document.querySelector('progress').value > 0")
    desk.page.get_by_role("button", name="Stop").click()
    desk.wait("document.querySelector('.said').textContent.startsWith('Stopped. What is finished')")
    assert 1 <= Marker.calls < 5
    monkeypatch.setattr(Marker, "seconds", 0.0)
    desk.draw()
    assert Marker.calls <= 6  # the one that was being drawn may be drawn again
    assert desk.faults == []


def test_quick_hands_lose_nothing(desk: Desk) -> None:
    desk.page.click("[data-key=examples]")
    desk.wait("document.querySelectorAll('.keyframe').length === 3")
    desk.page.evaluate(
        """() => {
          document.querySelector('[data-key=spacingease_in]').click();
          document.querySelector('[data-key=hold2]').click();
          document.querySelector('[data-key=palette]').click();
          const count = document.querySelector('[data-key=candidates]');
          count.value = '2';
          count.dispatchEvent(new Event('change'));
        }"""
    )
    desk.wait("document.querySelector('[data-key=candidates]').value === '2'")
    desk.wait("document.querySelector('button[type=submit]').textContent === 'Draw 12 drawings'")
    chosen = desk.page.locator(".choice input:checked + span").all_inner_texts()
    assert chosen == ["Ease in", "On twos"]
    assert desk.page.is_checked("[data-key=palette]")


def test_closing_the_page_stops_drawing(
    desk: Desk, desks: Desks, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Marker, "seconds", 0.5)
    desk.drop(".keyframes", *[paint(number) for number in range(20)])
    desk.wait("document.querySelectorAll('.keyframe').length === 20")
    desk.page.click("button[type=submit]")
    desk.wait("document.querySelector('progress').value > 0")
    desk.page.close()
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and not all(project.stopped for project in desks._projects.values()):
        time.sleep(0.1)
    time.sleep(1)
    calls = Marker.calls
    time.sleep(1.2)
    assert Marker.calls == calls < 19


@pytest.mark.parametrize("width", [400, 700])
def test_a_narrow_window_does_not_scroll_sideways(desk: Desk, width: int) -> None:
    desk.page.set_viewport_size({"width": width, "height": 800})
    desk.page.click("[data-key=examples]")
    desk.wait("document.querySelectorAll('.keyframe').length === 3")
    desk.page.click(".more summary")
    desk.page.click(".positions summary")
    desk.draw()
    desk.page.click("[data-key=cell1]")
    wide = """[...document.querySelectorAll('.desk *')].filter((e) => !e.closest('.strip, .hidden-input')
        && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"""
    assert desk.page.evaluate(wide) == []
    assert desk.page.evaluate("document.documentElement.scrollWidth") == width


def test_mistakes_are_told_and_nothing_is_lost(desk: Desk, paint: Paint, tmp_path: Path) -> None:
    desk.drop(".keyframes", paint(0))
    desk.wait("document.querySelectorAll('.keyframe').length === 1")
    (tmp_path / "a.png").write_text("no image")
    desk.drop(".keyframes", tmp_path / "a.png")
    assert desk.said() == "a.png is not an image that can be read: replace it or remove it."
    desk.drop(".keyframes", paint(1, "large.png", size=(50, 64)))
    desk.wait("document.querySelector('.said').textContent.includes('64x50 pixels')")
    desk.page.evaluate(
        """() => {
          const data = new DataTransfer();
          const file = new File([''], 'film.mp4');
          Object.defineProperty(file, 'size', {value: 2 * 2 ** 30});
          Object.defineProperty(data, 'files', {value: [file]});
          Object.defineProperty(data, 'types', {value: ['Files']});
          const event = new DragEvent('drop', {bubbles: true, cancelable: true});
          Object.defineProperty(event, 'dataTransfer', {value: data});
          document.querySelector('.keyframes').dispatchEvent(event);
        }"""
    )
    desk.wait("document.querySelector('.said').textContent.startsWith('film.mp4 has 2048 MB, and 100 MB')")
    assert desk.texts(".keyframe .name") == ["0.png"]
    desk.drop(".keyframes", paint(2))
    desk.wait("document.querySelectorAll('.keyframe').length === 2 && document.querySelector('.said').hidden")
    assert desk.faults == []
