"""Pages in a headless Chromium, which fails a test for what a page must not do."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BINARIES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def opened(path: Path, **context: Any) -> Iterator[Any]:
    """A file as a page that is ready; skips the test where there is no browser.

    Args:
        path: Of the file.
        context: As for Playwright's `Browser.new_context`; motion is reduced unless told otherwise, so that
            nothing plays by itself.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed.")
    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    if binary is None:
        pytest.skip("There is no Chromium on this machine.")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        page = browser.new_context(offline=True, **{"reduced_motion": "reduce", **context}).new_page()
        page.set_default_timeout(15_000)
        faults: list[str] = []
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        allowed = (path.resolve().as_uri(), "data:", "blob:")
        page.on("request", lambda one: one.url.startswith(allowed) or faults.append(f"asks for {one.url}"))
        page.goto(path.resolve().as_uri())
        page.wait_for_selector("[data-ready]")
        try:
            yield page
        finally:
            browser.close()
        if faults:
            pytest.fail("\n".join(faults))


def until(found: Callable[[], bool], seconds: float = 15) -> None:
    """Wait until something is so; the page's policy forbids Playwright's own way."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)
