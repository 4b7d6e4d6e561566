"""Downloads are announced, whole, and made once."""

import hashlib
import threading
import time
from pathlib import Path

import pytest
import torch

from inbetween.errors import UserError
from inbetween.modules import download as module
from inbetween.modules.download import download
from inbetween.modules.perceptual import read_vgg

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


def test_vgg16_is_announced_and_its_absence_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(module, "_answers", lambda url: True)
    announced: list[str] = []

    def fetch(url: str, path: str, hash_prefix: str) -> None:
        announced.append(capsys.readouterr().err)
        torch.save({f"features.{n}.weight": torch.zeros(1) for n in (0, 2, 5, 7, 10, 12, 14)}, path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert "features.0.weight" in read_vgg(None)
    read_vgg(None)  # from torchvision's cache
    [said] = announced
    assert "VGG16 for the perceptual loss (528 MB) from https://download.pytorch.org" in said

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(module, "_answers", lambda url: False)
    with pytest.raises(UserError, match="set perceptual_weight to 0"):
        read_vgg(None)
