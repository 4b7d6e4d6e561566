"""Makes the images of the page on reports: `python docs/make_report_images.py`, in a checkout.

Runs `compare` and `interpolate` on the synthetic animation, opens their reports in a headless Chromium
(Playwright, and a Chromium on the path), and photographs them.
"""

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from inbetween.__main__ import main as inbetween
from inbetween.data import SyntheticAnimation, WindowSpec
from inbetween.io.frames import write_image

IMAGES = Path(__file__).parent / "images"
WINDOW = 43  # of the synthetic val split
KEYFRAMES = (0, 1, 4, 8)  # its frames that are the keyframes of the sequence
METHODS = ("dis.yaml", "spacing_flow.yaml=spacing_flow/weights.safetensors")


def main() -> None:
    """Write both images."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        folder = Path(place)
        comparison = ["compare", "--config", "compare.yaml", "--methods", *METHODS]
        comparison += ["--data.val_windows", "30", "--data.size", "224", "--output", str(folder / "compare")]
        inbetween(comparison)
        window = SyntheticAnimation().dataset("val", WindowSpec(between=7, size=(288, 448)))[0, WINDOW]
        frames = [window["first"], *window["targets"], window["last"]]
        for number in KEYFRAMES:
            write_image(folder / f"keys/{number}.png", frames[number])
        sequence = ["interpolate", "--keyframes", str(folder / "keys"), "--between", "3"]
        sequence += ["--method", "spacing_flow", "--report", "true", "--output", str(folder / "out")]
        inbetween(sequence)

        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1240, "height": 1180}, reduced_motion="reduce")
        open_report(page, folder / "compare/report.html")
        page.locator("#results").evaluate("element => element.scrollIntoView()")
        page.get_by_label("Size of pictures").fill("190")
        page.locator("#player .caption").click()
        for _ in range(2):
            page.keyboard.press("ArrowRight")
        save("report_comparison", page.screenshot())
        open_report(page, folder / "out/report.html")
        for _ in range(9):
            page.keyboard.press("ArrowRight")
        box = page.locator("#player").bounding_box() or {}
        clip: Any = {"x": 0, "y": 0, "width": 1240, "height": box["y"] + box["height"] + 24}
        save("report_sequence", page.screenshot(clip=clip, full_page=True))
        browser.close()


def open_report(page: Page, path: Path) -> None:
    """Open a report and wait until its pictures are there."""
    page.goto(path.as_uri())
    page.wait_for_selector("[data-ready]")


def save(name: str, png: bytes) -> None:
    """A screenshot as a WebP file."""
    Image.open(io.BytesIO(png)).convert("RGB").save(IMAGES / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
