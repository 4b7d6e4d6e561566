"""The page in a browser."""

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="Gradio, the extra `app`, is not installed.")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright, of the extra `dev`, is not installed."
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Of every test in a browser.
IN_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="There is no Chromium on this machine."),
]
DROP = """([place, files]) => {
  const data = new DataTransfer();
  for (const [name, content] of files) {
    data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
  }
  const event = new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true});
  document.querySelector(place).dispatchEvent(event);
}"""


class Desk:
    """The page in a browser, with a list of what went wrong."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.faults = page, []
        page.on("console", lambda line: line.type in ("error", "warning") and self.faults.append(line.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self.check_request(request.url, address))
        page.on("response", lambda answer: answer.status >= 400 and self.faults.append(answer.url))
        page.goto(address)
        page.wait_for_selector(".empty")

    def check_request(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.faults.append(f"request to {url}")

    def drop(self, place: str, *paths: Path) -> None:
        files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
        self.page.evaluate(DROP, [place, files])

    def wait(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def said(self) -> str:
        self.page.wait_for_selector(".said.error:not([hidden])")
        return str(self.page.inner_text(".said"))

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]

    def draw(self) -> None:
        self.page.click("button[type=submit]")
        self.drawn()

    def drawn(self) -> None:
        self.wait("document.querySelector('button[type=submit]').textContent === 'All drawn'")
