"""Downloads that say what they fetch, and that no two processes of a machine do twice."""

import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock

PATIENCE = 4.0  # seconds without an answer after which a download is given up


def download(url: str, path: Path, what: str) -> None:
    """Fetch a file whose name ends with the start of its SHA-256, unless it is there, with a progress bar.

    Processes of one machine wait for the one that fetches. A file that does not come whole is not left.

    Args:
        url: Where from.
        path: Where to: `name-<start of the hash>.suffix`.
        what: Said before it begins, such as "VGG16 for the perceptual loss (528 MB)".

    Raises:
        OSError: It cannot be had, or cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.is_file():
            return
        if not _answers(url):
            raise OSError(f"{url} does not answer")
        print(f"Downloading {what} from {url} to {path}", file=sys.stderr, flush=True)
        try:
            with _socket_timeout(PATIENCE):
                torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2])
        except RuntimeError as error:  # the hash differs
            raise OSError(str(error)) from error


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """A limit for connections that are opened without one of their own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _answers(url: str) -> bool:
    """Whether the host of `url` answers within `PATIENCE` seconds."""
    reached = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE):
                reached.set()
        except OSError:
            pass

    # in a thread, because looking up a host's name heeds no timeout
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return reached.is_set()
