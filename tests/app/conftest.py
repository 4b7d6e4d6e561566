"""A desk with keyframes on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from inbetween.app.desks import Desks
from inbetween.app.models import Models
from inbetween.app.project import Project
from tests.app.marker import Marker
from tests.app.serving import served
from tests.conftest import drawing

Paint = Callable[..., Path]


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Writes a drawing: a square, the further to the right the higher its number."""

    def write(number: int, name: str | None = None, size: tuple[int, int] = (48, 64)) -> Path:
        path = tmp_path / "mine" / (name or f"{number}.png")
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(drawing(number, *size)).save(path)
        return path

    return write


@pytest.fixture
def models(tmp_path: Path) -> Models:
    path = tmp_path / "marker.yaml"
    path.write_text(yaml.safe_dump({"model": {"class_path": "tests.app.marker.Marker"}}))
    Marker.calls = 0
    return Models(torch.device("cpu"), str(path))


@pytest.fixture
def desks(models: Models) -> Iterator[Desks]:
    found = Desks(models)
    yield found
    found.close_all()


@pytest.fixture
def project(desks: Desks) -> Project:
    """An empty one."""
    return desks.get(desks.open())


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser."""
    from tests.app.browsing import CHROMIUM, playwright

    with playwright.sync_playwright() as program:
        browser = program.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def desk(desks: Desks, chromium: Any) -> Iterator[Any]:
    """The page in it."""
    from tests.app.browsing import Desk

    with served(desks) as address:
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        context.set_default_timeout(20_000)
        yield Desk(context.new_page(), address)
        context.close()
