"""`python -m inbetween app`: mistakes end in one sentence."""

import importlib.util
import socket
from pathlib import Path

import pytest

from inbetween.__main__ import main
from inbetween.app import command

needs_gradio = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="Gradio, the extra `app`, is not installed."
)


def sentence(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(["app", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_gradio_may_be_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert 'pip install -e ".[app]"' in sentence(capsys)


@needs_gradio
def test_a_port_in_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port} (Address already in use)" in sentence(capsys, "--port", port)


@needs_gradio
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--port", "70000"], "port is 70000: give 1 to 65535"),
        (["--port", "-1"], "port is -1"),
        (["--port", "http"], "port is http"),
        (["--host", "no.such.host.invalid", "--port", "0"], "cannot be served at no.such.host.invalid"),
        (["--host", "1.2.3.4", "--port", "0"], "cannot be served at 1.2.3.4"),
        (["--method", "magic", "--port", "0"], "There is no method magic"),
        (["--accelerator", "abacus", "--port", "0"], "accelerator abacus cannot be used"),
        (["--colour", "red"], "There is no key --colour"),
    ],
)
def test_mistakes_get_a_sentence(capsys: pytest.CaptureFixture[str], args: list[str], told: str) -> None:
    assert told in sentence(capsys, *args)


@needs_gradio
def test_it_ends_without_leaving_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []

    def interrupted(desks, listening: socket.socket, host: str, open_browser: bool) -> None:
        desks.open()
        folders.append(desks.uploads.parent)
        assert listening.getsockname()[0] == "127.0.0.1"
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "serve", interrupted)
    assert main(["app", "--port", "0", "--method", "cross_fade", "--accelerator", "cpu"]) == 130
    assert not folders[0].exists()
