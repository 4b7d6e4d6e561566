"""Commands in processes of their own, to be killed, on disks that may be small."""

import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.conftest import (  # noqa: F401 - fixtures
    backbone,
    exp1,
    folder_data,
    no_network,
    other_folder,
    run,
    tiny,
)
from tests.faults import child


class Started(NamedTuple):
    """A command under way."""

    process: ForkServerProcess
    said: Path

    def kill_after(self, seconds: float) -> bool:
        """SIGKILL then; whether it was still at work."""
        self.process.join(seconds)
        alive = self.process.is_alive()
        self.process.kill()
        self.process.join()
        return alive

    def end(self, timeout: float = 120) -> tuple[int | None, str]:
        """Its exit code, and what it said."""
        self.process.join(timeout)
        code = self.process.exitcode
        self.process.kill()
        self.process.join()
        assert code is not None, f"it hangs: {self.said.read_text()}"
        return code, self.said.read_text()


Start = Callable[..., Started]


@pytest.fixture(scope="session")
def server() -> multiprocessing.context.ForkServerContext:
    """Forks processes that have imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([child.__name__])
    return context


@pytest.fixture
def start(server: multiprocessing.context.ForkServerContext, tmp_path: Path) -> Iterator[Start]:
    """Starts `python -m inbetween` with these arguments, in this folder."""
    started: list[Started] = []

    def start(*args: str | Path, **environment: str) -> Started:
        said = tmp_path / f"said{len(started)}.txt"
        names = ("XDG_CACHE_HOME", "TORCH_HOME")
        environment = {name: os.environ[name] for name in names} | environment
        process = server.Process(target=child.run, args=([*map(str, args)], Path.cwd(), environment, said))
        process.start()
        started.append(Started(process, said))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.join()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of `size` (as mount takes it) at `folder`, or a skipped test where nobody may mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root, and not in every container, may mount the small disk that gets full")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def make_room(folder: Path, size: str) -> None:
    """Let the disk at `folder` have another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def leftovers(folder: Path) -> list[Path]:
    """Files that are half written."""
    return [path for path in folder.rglob(".*") if path.suffix in {".partial", ".replaced", ".ckpt"}]
