"""Makes the pictures of the page's manual: `python docs/make_app_images.py`, in a checkout with Chromium.

It does what `docs/app.md` tells, with the examples that ship, and takes a picture of each step.
"""

import io
import math
import shutil
import tempfile
import threading
import time
from pathlib import Path

import torch
import uvicorn
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

from inbetween.app.command import listen
from inbetween.app.desks import Desks
from inbetween.app.models import Models
from inbetween.app.page import server_of

IMAGES = Path(__file__).parent / "images"
EXAMPLES = Path(__file__).parents[1] / "examples"
KEYFRAMES = EXAMPLES / "keyframes" / "flat_colour"
GUIDED = EXAMPLES / "guides" / "keyframes"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
MOST = 150_000  # bytes of a picture
#: A pixel of the keyframes, on the screen.
PLACE = """([x, y]) => {
  const { x: left, y: top } = new DOMPoint(x, y).matrixTransform(
    document.querySelector('.guide-stage').getScreenCTM());
  return [left, top];
}"""
DRAWN = "document.querySelector('button[type=submit]').textContent === 'All drawn'"


def main() -> None:
    """Write every picture."""
    desks = Desks(Models(torch.device("cpu"), "spacing_flow"))
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(server_of(desks, "127.0.0.1"), log_level="critical"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    while not server.started:
        time.sleep(0.1)
    try:
        with sync_playwright() as program, tempfile.TemporaryDirectory() as folder:
            browser = program.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for job in (work, follow, steer):
                page = browser.new_page(viewport={"width": 1180, "height": 800}, color_scheme="light")
                page.set_default_timeout(120_000)
                page.goto(f"http://localhost:{listening.getsockname()[1]}")
                job(page, Path(folder))
            browser.close()
    finally:
        desks.close_all()


def work(page: Page, folder: Path) -> None:
    """Do a job, and take pictures of it."""
    page.wait_for_selector(".empty")
    page.set_input_files(".keyframes input[type=file]", sorted(KEYFRAMES.glob("*.png")))
    page.wait_for_selector(".keyframe >> nth=2")
    page.get_by_text("Ease in and out", exact=True).click()
    page.click(".more summary")
    page.select_option("[data-key=candidates]", "3")
    page.click("button[type=submit]")
    page.wait_for_function(DRAWN)
    page.click("[data-key=cell2]")
    page.wait_for_selector(".candidate >> nth=2")
    page.mouse.move(0, 0)
    time.sleep(0.5)
    save("app", page.screenshot(full_page=True))
    save("app_timing", page.locator(".timing").screenshot())
    # somebody's own drawing: the made one, with a moon that no keyframe has
    drawn = page.evaluate(
        "() => fetch(document.querySelectorAll('.candidate img')[0].src.replace('.webp', '.png'))"
        ".then((answer) => answer.arrayBuffer()).then((found) => [...new Uint8Array(found)])"
    )
    own = Image.open(io.BytesIO(bytes(drawn))).convert("RGB")
    ImageDraw.Draw(own).ellipse((300, 30, 350, 80), (255, 250, 235), (35, 37, 59), 3)
    own.save(folder / "my_drawing.png")
    page.set_input_files(".chosen input[type=file]", folder / "my_drawing.png")
    page.wait_for_selector(".badge.own")
    page.mouse.move(0, 0)
    time.sleep(0.5)
    save("app_replaced", page.locator(".result").screenshot())


def follow(page: Page, folder: Path) -> None:
    """Take a picture of motion trails."""
    page.wait_for_selector(".empty")
    # far apart: long trails
    page.set_input_files(".keyframes input[type=file]", sorted(KEYFRAMES.glob("*.png"))[::2])
    page.wait_for_selector(".keyframe >> nth=1")
    page.click("button[type=submit]")
    page.wait_for_function(DRAWN)
    page.click("[data-key=cell2]")
    page.check("[data-key=trails]")
    page.mouse.move(0, 0)
    time.sleep(3)
    save("app_trails", page.locator(".stage").screenshot())


def steer(page: Page, folder: Path) -> None:
    """Draw guides, and take pictures of them and of what they do."""
    page.wait_for_selector(".empty")
    page.set_input_files(".keyframes input[type=file]", sorted(GUIDED.glob("*.png")))
    page.wait_for_selector(".keyframe >> nth=1")
    page.click(".guides > summary")
    page.locator(".guide-stage").scroll_into_view_if_needed()
    page.click("[data-key=toolregions]")
    drag(page, [(66 + 19 * math.cos(k / 4), 60 + 19 * math.sin(k / 4)) for k in range(26)])
    drag(page, [(66 + 11 * k, 60 + 6.4 * k - 10 * k * (1 - k / 20)) for k in range(21)])
    page.wait_for_selector(".list li")
    page.fill("[data-key=rotationregions0]", "300")
    page.select_option("[data-key=spacingregions0]", "ease_in")
    arm = [(92, 128), (78, 98), (66, 70)], [(92, 128), (126, 136), (152, 158)]
    for bone in range(2):
        page.click("[data-key=toolbones]")
        click(page, *arm[0][bone : bone + 2], *arm[1][bone : bone + 2])
        page.fill(f"[data-key=widthbones{bone}]", "9")
    page.click("[data-key=toolpoints]")
    click(page, (290, 100), (170, 120))
    page.fill("[data-key=radiuspoints0]", "22")
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    time.sleep(0.5)
    save("app_guides", page.locator(".guides").screenshot())
    page.click("button[type=submit]")
    page.wait_for_function(DRAWN)
    page.click("[data-key=cell2]")
    page.mouse.move(0, 0)
    time.sleep(0.5)
    save("app_guided", page.locator(".result").screenshot())


def click(page: Page, *points: tuple[float, float]) -> None:
    """Click pixels of the keyframes."""
    for point in points:
        page.mouse.click(*page.evaluate(PLACE, point))


def drag(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a line through pixels of the keyframes."""
    page.mouse.move(*page.evaluate(PLACE, points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*page.evaluate(PLACE, point), steps=2)
    page.mouse.up()


def save(name: str, content: bytes) -> None:
    """Write a screenshot as a small WebP file."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    for quality in (82, 70, 55, 40):
        encoded = io.BytesIO()
        image.save(encoded, "WEBP", quality=quality, method=6)
        if len(encoded.getvalue()) < MOST:
            break
    (IMAGES / f"{name}.webp").write_bytes(encoded.getvalue())


if __name__ == "__main__":
    main()
