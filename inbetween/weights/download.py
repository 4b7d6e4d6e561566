"""Downloads with a progress bar and a lock, so that a machine's processes fetch a file once."""

import hashlib
import sys
import threading
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from filelock import FileLock
from tqdm import tqdm

from inbetween.io.files import whole_file

PATIENCE = 4.0  # timeout of the first answer in seconds
STALL = 30.0  # timeout of further bytes in seconds
BLOCK = 2**17  # bytes


def download(url: str, path: Path, what: str) -> None:
    """Fetch a file whose name ends with the start of its SHA-256, unless it is there, with a progress bar.

    Processes of one machine wait for the one that fetches. Incomplete files are removed.

    Args:
        url: Where from.
        path: Where to: `name-<start of the hash>.suffix`.
        what: Printed before it begins, such as "VGG16 for the perceptual loss (528 MB)".

    Raises:
        OSError: It cannot be downloaded or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.is_file():
            return
        if not _answers(url):
            raise OSError(f"{url} does not answer")
        print(f"Downloading {what} from {url} to {path}", file=sys.stderr, flush=True)
        try:
            _fetch(url, path)
        except HTTPException as error:
            raise OSError(f"{url} was not downloaded completely ({error})") from error


def _fetch(url: str, path: Path) -> None:
    content = hashlib.sha256()
    with urllib.request.urlopen(_request(url), timeout=STALL) as answer, whole_file(path) as file:
        size = int(answer.headers.get("Content-Length") or 0)
        with tqdm(total=size or None, unit="B", unit_scale=True, unit_divisor=1024) as progress:
            while block := answer.read(BLOCK):
                file.write(block)
                content.update(block)
                progress.update(len(block))
        expected = path.stem.rpartition("-")[2]
        if not content.hexdigest().startswith(expected):
            raise OSError(f"{url} has an invalid hash ({content.hexdigest()}, not {expected}...)")


def _answers(url: str) -> bool:
    """Whether the host of `url` answers within `PATIENCE` seconds, even with an error."""
    reached = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(_request(url, "HEAD"), timeout=PATIENCE):
                reached.set()
        except HTTPError:  # not every mirror allows HEAD
            reached.set()
        except (OSError, HTTPException):
            pass

    # in a thread, because DNS look-ups have no timeout
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return reached.is_set()


def _request(url: str, method: str = "GET") -> urllib.request.Request:
    return urllib.request.Request(url, method=method, headers={"User-Agent": "inbetween"})
