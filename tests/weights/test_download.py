"""Downloads are announced, whole, and made once."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from inbetween.errors import UserError
from inbetween.modules.perceptual import SHAPES, read_vgg
from inbetween.weights import download as module
from inbetween.weights.download import download

CONTENT = b"weights"
NAME = f"net-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file that can be had."""
    source = tmp_path / "there" / NAME
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    return source.as_uri()


def test_it_is_said_first_and_made_once(tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cache" / NAME
    threads = [threading.Thread(target=download, args=(url, path, "a net (1 MB)")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == CONTENT
    assert capsys.readouterr().err.count(f"Downloading a net (1 MB) from {url} to {path}\n") == 1


def test_a_download_of_something_else_leaves_nothing(tmp_path: Path, url: str) -> None:
    path = tmp_path / "cache" / "net-00000000.pth"
    with pytest.raises(OSError, match="invalid hash"):
        download(url, path, "a net")
    assert [found.name for found in path.parent.iterdir() if not found.name.endswith(".lock")] == []


def test_a_host_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)

    def hang(*_: object, **__: object) -> None:
        time.sleep(1.5)
        raise OSError("no answer")

    monkeypatch.setattr(module.urllib.request, "urlopen", hang)
    started = time.monotonic()
    with pytest.raises(OSError, match="does not answer"):
        download("https://nowhere.invalid/net.pth", tmp_path / NAME, "a net")
    assert time.monotonic() - started < 1.4


class Mirror(BaseHTTPRequestHandler):
    """Refuses HEAD, and stalls in the middle of a file for as long as its path says, in seconds."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:3])
        self.wfile.flush()
        time.sleep(float(self.path.split("/")[1]))
        self.wfile.write(CONTENT[3:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stall_is_borne_and_a_refused_question_is_an_answer(
    tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    limits: list[float | None] = []
    read = module.hashlib.sha256
    monkeypatch.setattr(
        module.hashlib, "sha256", lambda *args: limits.append(socket.getdefaulttimeout()) or read(*args)
    )
    download(f"{mirror}/1/{NAME}", tmp_path / NAME, "a net")
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert limits == [None]  # other connections of this process have theirs


def test_a_download_that_stalls_for_long_leaves_nothing(
    tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALL", 0.3)
    with pytest.raises(OSError, match="timed out"):
        download(f"{mirror}/1/{NAME}", tmp_path / NAME, "a net")
    assert [found.name for found in tmp_path.iterdir() if not found.name.endswith(".lock")] == []


def test_vgg16_is_announced_and_its_absence_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(module, "_answers", lambda url: True)
    announced: list[str] = []

    def fetch(url: str, path: Path) -> None:
        announced.append(capsys.readouterr().err)
        torch.save({name: torch.zeros(1) for name in SHAPES}, path)

    monkeypatch.setattr(module, "_fetch", fetch)
    assert "features.0.weight" in read_vgg(None)
    read_vgg(None)  # from torchvision's cache
    [said] = announced
    assert "VGG16 for the perceptual loss (528 MB) from https://download.pytorch.org" in said

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(module, "_answers", lambda url: False)
    with pytest.raises(UserError, match="set perceptual_weight to 0"):
        read_vgg(None)
