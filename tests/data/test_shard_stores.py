"""Shards in an object store: an HTTP server with and without ranges, and file systems of fsspec."""

import errno
import multiprocessing
import os
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

from inbetween.commands.shard import shard
from inbetween.data import ShardedScenes, WindowDataset, WindowSpec
from inbetween.data.loader import TrainBatches, WindowLoader
from inbetween.errors import UserError


class Ranges(SimpleHTTPRequestHandler):
    """Serves files, in parts where asked for them, as object stores do."""

    parts = True
    busy = 0  # requests for parts that are refused from now on

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not (asked and self.parts and path.is_file()):
            super().do_GET()
            return
        if type(self).busy:
            type(self).busy -= 1
            self.send_error(503)
            return
        first, last = int(asked[1]), int(asked[2])
        content = path.read_bytes()[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{path.stat().st_size}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class Whole(Ranges):
    """Serves whole files, whatever is asked for."""

    parts = False


class Failing(Ranges):
    """Refuses each first request for a file, and breaks off each second one."""

    asked: dict[str, int]

    def do_GET(self) -> None:
        number = self.asked[self.path] = self.asked.get(self.path, 0) + 1
        if number % 3 == 1:
            self.send_error(503)
        elif number % 3 == 2:
            self.send_response(206)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"a part")
            self.close_connection = True
        else:
            super().do_GET()


class Closed(Ranges):
    """Refuses everything, which it counts."""

    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        self.send_error(403)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbetween.data.sharded.files._WAIT", 0.001)


@pytest.fixture
def shards(scenes_root: Path, tmp_path: Path) -> Path:
    shard(output=tmp_path / "store" / "shards", root=scenes_root)
    return tmp_path / "store" / "shards"


@pytest.fixture
def serve(shards: Path) -> Iterator[Any]:
    servers = []

    def start(handler: type[Ranges]) -> str:
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(shards.parent))))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/shards"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def opened(root: str, tmp_path: Path, **options: Any) -> WindowDataset:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "cache")
    return ShardedScenes(root, **options).dataset("train", spec)


def pictures(dataset: WindowDataset) -> list[torch.Tensor]:
    return [dataset[0, index]["targets"] for index in range(len(dataset))]


@pytest.mark.parametrize("kind", ["http", "file", "memory"])
def test_windows_are_those_of_the_folder(shards: Path, serve: Any, tmp_path: Path, kind: str) -> None:
    expected = pictures(opened(str(shards), tmp_path))
    shutil.rmtree(tmp_path / "cache")
    if kind == "http":
        root = serve(Ranges)
    elif kind == "file":
        root = f"file://{shards}"
    else:
        store = fsspec.filesystem("memory")
        store.put(str(shards), "/shards", recursive=True)
        root = "memory://shards"
    found = pictures(opened(root, tmp_path))
    assert len(found) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_data_workers_read_after_the_process_that_they_were_forked_from(serve: Any, tmp_path: Path) -> None:
    dataset = opened(serve(Ranges), tmp_path)
    assert dataset[0, 0]["first"].shape == (3, 24, 32)  # starts fsspec's thread here
    batches = TrainBatches(dataset.order(0, 0, 3), 3, 0, 0, 1)
    loader = WindowLoader(dataset, len(batches), lambda: batches, num_workers=2)
    seen = [index for batch in loader for index in batch["index"].tolist()]
    loader.close()
    assert seen == [index for batch in batches for _, index in batch]


def test_a_manifest_that_changed_is_fetched_again(
    shards: Path, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbetween.data.sharded.files._PART", 1000)
    root = serve(Ranges)
    before = len(opened(root, tmp_path))
    shutil.rmtree(shards.parents[1] / "scenes" / "train" / "cat")
    shard(output=shards, root=shards.parents[1] / "scenes", overwrite=True)
    assert len(opened(root, tmp_path)) < before
    assert len(list((tmp_path / "cache").rglob("*.parquet"))) == 1


def test_what_is_wrong_is_said_in_one_sentence(shards: Path, serve: Any, tmp_path: Path) -> None:
    root = serve(Ranges)
    for url, message in {
        f"{root}/nowhere": r"There is no http.*/nowhere/manifest.parquet: check the URL",
        root.rpartition("/")[0]: r"/manifest.parquet: check the URL .* give one part or a store that lists",
        "http://127.0.0.1:9/shards": r"127.0.0.1:9/shards/manifest.parquet cannot be read",
        "nowhere://a": r"nowhere://a/manifest.parquet cannot be read .*: check the network, the URL",
    }.items():
        with pytest.raises(UserError, match=message) as caught:
            opened(url, tmp_path)
        assert "\n" not in str(caught.value)
    dataset = opened(root, tmp_path)
    (shards / "train-000000.tar").unlink()
    with pytest.raises(UserError, match=r"http.*/train-000000.tar, which the manifest names, is missing"):
        pictures(dataset)


def test_a_network_that_fails_now_and_then_is_asked_again(shards: Path, serve: Any, tmp_path: Path) -> None:
    expected = pictures(opened(str(shards), tmp_path))
    shutil.rmtree(tmp_path / "cache")
    Failing.asked = {}
    found = pictures(opened(serve(Failing), tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert Failing.asked["/shards/manifest.parquet"] == 3


def test_a_server_that_says_no_is_asked_once(serve: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest.parquet cannot be read \(.*403"):
        opened(serve(Closed), tmp_path)
    assert Closed.requests <= 2  # for the size by HEAD, and by GET


def test_a_server_without_parts_is_refused(serve: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train-000000.tar cannot be read in parts.*: copy the shards"):
        pictures(opened(serve(Whole), tmp_path))


def test_a_file_server_that_is_gone_for_a_moment_is_asked_again(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [errno.EIO, errno.ESTALE]
    opening = Path.open

    def failing(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.suffix == ".tar" and failures:
            number = failures.pop()
            raise OSError(number, os.strerror(number), str(path))
        return opening(path, *arguments, **options)

    dataset = opened(str(shards), tmp_path)
    monkeypatch.setattr(Path, "open", failing)
    assert len(pictures(dataset)) == 12
    assert not failures


def test_a_network_that_fails_for_good_in_a_data_worker_is_said_in_one_sentence(
    serve: Any, tmp_path: Path
) -> None:
    class Gone(Ranges):
        pass

    dataset = opened(serve(Gone), tmp_path)
    Gone.busy = 10**6
    batches = TrainBatches(dataset.order(0, 0, 3), 3, 0, 0, 1)
    loader = WindowLoader(dataset, len(batches), lambda: batches, num_workers=1)
    with pytest.raises(
        UserError, match=r"^http.*/train-000000.tar cannot be read \(503.*: check the network"
    ):
        list(loader)
    loader.close()
    assert multiprocessing.active_children() == []


def test_a_shard_cut_short_is_said_by_a_data_worker_in_one_sentence(
    shards: Path, serve: Any, tmp_path: Path
) -> None:
    dataset = opened(serve(Ranges), tmp_path)
    path = shards / "train-000000.tar"
    path.write_bytes(path.read_bytes()[:700])
    batches = TrainBatches(dataset.order(0, 0, 3), 3, 0, 0, 1)
    loader = WindowLoader(dataset, len(batches), lambda: batches, num_workers=1)
    with pytest.raises(UserError, match=r"^http.*/train-000000.tar is cut short: copy it again"):
        list(loader)
    loader.close()
    assert multiprocessing.active_children() == []  # though the error's traceback is kept
