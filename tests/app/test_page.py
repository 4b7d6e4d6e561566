"""The server: what it gives, and what it refuses."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inbetween.app.desks import Desks
from inbetween.app.limits import MAX_FILE
from inbetween.app.models import Models
from tests.app.serving import served

pytest.importorskip("gradio", reason="Gradio, the extra `app`, is not installed.")
httpx = pytest.importorskip("httpx", reason="httpx comes with Gradio, the extra `app`.")


@pytest.fixture(scope="module")
def page() -> Iterator[tuple[Desks, Any]]:
    """The desks, and a client of the page."""
    import torch

    before = os.environ.get("GRADIO_TEMP_DIR")
    desks = Desks(Models(torch.device("cpu"), "cross_fade"))
    with served(desks) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield desks, client
    desks.close_all()
    os.environ.pop("GRADIO_TEMP_DIR")
    if before is not None:
        os.environ["GRADIO_TEMP_DIR"] = before


class Browser:
    """Sends events as the page does."""

    def __init__(self, client: Any) -> None:
        self.client, self.session = client, secrets.token_hex(6)
        config = client.get("/config").json()
        self.events = {
            target[1]: number
            for number, dep in enumerate(config["dependencies"])
            for target in dep["targets"]
        }
        self.view = self.send("load")[-1]

    def send(self, event: str, data: Any = None) -> list[Any]:
        """Send an event; gives the views that come back, or the error's text."""
        number = self.events[event]
        body = {
            "data": [None] * (event != "load"),
            "event_data": data,
            "fn_index": number,
            "session_hash": self.session,
        }
        joined = self.client.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            return [joined.text]
        found: list[Any] = []
        with self.client.stream("GET", f"/gradio_api/queue/data?session_hash={self.session}") as stream:
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] in ("process_generating", "process_completed"):
                    data = message["output"].get("data")
                    if message["msg"] == "process_completed" and (data or not found):
                        found.append(data[-1] if data else message["output"].get("error"))
                if message["msg"] == "process_completed":
                    return found
        return found

    def upload(self, path: Path, name: str | None = None) -> str:
        with path.open("rb") as file:
            answer = self.client.post("/gradio_api/upload", files={"files": (name or path.name, file)})
        assert answer.status_code == 200, answer.text
        return str(answer.json()[0])


@pytest.fixture
def browser(page: tuple[Desks, Any]) -> Iterator[Browser]:
    found = Browser(page[1])
    yield found
    page[0].close(found.view["base"].split("/")[2])


def test_a_job_without_a_browser(browser: Browser, paint) -> None:
    paths = [browser.upload(paint(number)) for number in (0, 4)]
    view = browser.send("act", {"do": "add", "paths": paths})[-1]
    assert [keyframe["name"] for keyframe in view["keyframes"]] == ["0.png", "4.png"]
    assert view["message"]["text"] == ""
    view = browser.send("draw")[-1]
    assert view["missing"] == 0
    view = browser.send("act", {"do": "download", "format": "gif"})[-1]
    gif = browser.client.get(view["base"] + view["download"]["name"])
    assert gif.content.startswith(b"GIF8")
    assert browser.client.get(f"{view['base']}{view['frames'][1]['picture']}.png").content.startswith(
        b"\x89PNG"
    )


def test_a_mistake_is_a_sentence_and_nothing_is_lost(browser: Browser, paint, tmp_path: Path) -> None:
    browser.send("act", {"do": "add", "paths": [browser.upload(paint(0))]})
    (tmp_path / "a.png").write_text("no image")
    view = browser.send("act", {"do": "add", "paths": [browser.upload(tmp_path / "a.png")]})[-1]
    assert view["message"] == {
        "text": "a.png is not an image that can be read: replace it or remove it.",
        "kind": "error",
    }
    view = browser.send("draw")[-1]
    assert view["message"]["text"] == "Two keyframes are needed: drop another one."
    assert [keyframe["name"] for keyframe in view["keyframes"]] == ["0.png"]


def test_a_fault_of_the_program_is_told_without_details(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object) -> None:
        raise KeyError("/home/somebody")

    monkeypatch.setattr("inbetween.app.page.perform", fail)
    view = browser.send("act", {"do": "clear"})[-1]
    assert view["message"]["text"] == "Something went wrong; the terminal says what."
    assert "/home/somebody" in capsys.readouterr().err


def test_users_have_projects_of_their_own(page: tuple[Desks, Any], browser: Browser, paint) -> None:
    other = Browser(page[1])
    view = browser.send("act", {"do": "add", "paths": [browser.upload(paint(0))]})[-1]
    assert len(view["keyframes"]) == 1
    assert other.send("act", {"do": "play", "hold": 1, "fps": 12})[-1]["keyframes"] == []
    picture = f"{view['keyframes'][0]['picture']}.png"
    assert browser.client.get(view["base"] + picture).status_code == 200
    assert browser.client.get(other.view["base"] + picture).status_code == 404


def test_large_uploads_are_refused(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
        for _ in range(MAX_FILE // 2**20 + 2):
            yield bytes(2**20)
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = browser.client.post("/gradio_api/upload", content=chunks(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "address",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../../etc/passwd",
        "/gradio_api/file=..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/gradio_api/file%3D/etc/passwd",
        "/gradio_api//file=/etc/passwd",
        "//gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/gradio_api/stream/a/b/1/playlist.m3u8",
        "/gradio_api/runs",
        "/gradio_api/openapi.json",
        "/custom_component/1/client/component/style.css",
        "/file=/etc/passwd",
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/desk/someone/..%2f..%2f..%2fetc%2fpasswd",
        "/desk/{secret}/..%2f..%2fuploads",
        "/desk/{secret}/%2e%2e",
        "/desk/{secret}//etc/passwd",
        "/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_file_of_the_machine_is_given(browser: Browser, address: str) -> None:
    secret = browser.view["base"].split("/")[2]
    answer = browser.client.get(address.format(secret=secret))
    assert answer.status_code in (400, 403, 404), answer.text[:200]
    assert "root:" not in answer.text


def test_uploads_are_given_to_nobody(browser: Browser, paint) -> None:
    path = browser.upload(paint(0))
    assert browser.client.get(f"/gradio_api/file={path}").status_code == 404


def forged(path: str) -> dict[str, Any]:
    return {"path": path, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "data",
    [
        lambda path: {"do": "add", "paths": [path]},
        lambda path: {"do": "add", "paths": [forged(path)]},
        lambda path: {"do": "add", "paths": forged(path)},
        lambda path: {"do": "replace", "pair": [0, 1], "place": 0, "path": forged(path)},
        forged,
        lambda path: {**forged("http://127.0.0.1:1/a.png"), "url": "http://127.0.0.1:1/a.png"},
    ],
)
def test_forged_files_are_refused(browser: Browser, paint, data: Any) -> None:
    browser.send("act", {"do": "add", "paths": [browser.upload(paint(number)) for number in (0, 4)]})
    (found,) = browser.send("act", data(str(paint(7))))
    assert isinstance(found, str | None) or found["message"]["kind"] == "error"
    view = browser.send("act", {"do": "play", "hold": 1, "fps": 12})[-1]
    assert [keyframe["name"] for keyframe in view["keyframes"]] == ["0.png", "4.png"]
    assert not any(frame["own"] for frame in view["frames"])


def test_another_sites_name_leads_nowhere(browser: Browser) -> None:
    assert browser.client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_other_sites_have_no_access(browser: Browser, paint) -> None:
    for origin in ("https://evil.example", "null"):
        with paint(0).open("rb") as file:
            given = {"files": {"files": ("a.png", file)}, "headers": {"Origin": origin}}
            assert browser.client.post("/gradio_api/upload", **given).status_code == 403


def test_nothing_is_open_to_programs(browser: Browser) -> None:
    info = browser.client.get("/gradio_api/info").json()
    assert info["named_endpoints"] == {}
    assert info["unnamed_endpoints"] == {}
    config = browser.client.get("/config").json()
    assert not config.get("analytics_enabled")
