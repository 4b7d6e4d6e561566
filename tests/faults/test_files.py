"""Whole files, and what dead processes leave."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors import SafetensorError

from inbetween.callbacks import WholeCheckpoints
from inbetween.errors import UserError, user_error_behind
from inbetween.io.files import full_disk, partial_of, remove_leftovers, whole_folder, write_whole
from tests.faults.conftest import small_disk


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def dead() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left(path: Path, process: int, kind: str = "partial") -> Path:
    """The name that process has for what it writes to `path`."""
    name = re.sub(rf"-{os.getpid()}-(\w+)\.partial$", rf"-{process}-\1.{kind}", partial_of(path).name)
    return path.with_name(name)


@pytest.mark.parametrize("call", ["iterdir", "unlink", "replace"])
@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_what_cannot_be_removed_stays(
    place: Path, dead: int, monkeypatch: pytest.MonkeyPatch, call: str, error: type[OSError]
) -> None:
    """In a folder of somebody else's, or where another process was faster."""
    leftovers = [left(place / "a", dead), left(place / "b", dead, "replaced"), left(place / "c", dead)]
    for path in leftovers:
        path.touch()

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Path, call, fail)
        remove_leftovers(place, -1)
    stay = {"iterdir": leftovers, "unlink": [leftovers[0], leftovers[2]], "replace": [leftovers[1]]}[call]
    assert all(path.exists() for path in stay)
    assert not any(path.exists() for path in set(leftovers) - set(stay))


def test_a_folder_that_may_not_even_be_looked_at_does_not_matter(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"a": 1}, place / "last.ckpt")
    listed = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path in (place, place.parent):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert WholeCheckpoints().load_checkpoint(place / "last.ckpt") == {"a": 1}


def test_a_number_that_came_back_is_no_identity(place: Path) -> None:
    """As in a container that starts anew, where the process has the same number as before."""
    own = partial_of(place / "a")
    earlier = own.with_name(re.sub(r"-\w{8}\.partial$", "-00000000.partial", own.name))
    recent = own.with_name(re.sub(r"-\w{8}\.partial$", "-11111111.partial", own.name))
    elsewhere = own.with_name(own.name.replace(f"-{os.getpid()}-", f"9-{os.getpid()}-"))
    for path in (own, earlier, recent, elsewhere):
        path.touch()
    for path in (own, earlier, elsewhere):
        os.utime(path, (0, 0))
    assert elsewhere != own != earlier
    remove_leftovers.cache_clear()
    remove_leftovers(place, os.getpid())
    assert [path.exists() for path in (own, earlier, recent, elsewhere)] == [True, False, True, True]


def test_only_what_dead_processes_of_this_machine_left_goes(place: Path, dead: int) -> None:
    others = [
        left(place / "a.png", os.getppid()),
        place / left(place / "a.png", dead).name.replace(f"-{dead}-", f"-elsewhere-{dead}-"),
        place / "a.png",
        place / "notes.partial",
    ]
    leftovers = [left(place / "a.png", dead), left(place / "b", dead)]
    for path in [*others, leftovers[0]]:
        path.touch()
    (leftovers[1] / "inside").mkdir(parents=True)
    remove_leftovers(place, -1)
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in others)


def test_a_folder_that_was_put_aside_comes_back_unless_it_was_replaced(place: Path, dead: int) -> None:
    for name in ("lost", "replaced"):
        left(place / name, dead, "replaced").mkdir()
        (left(place / name, dead, "replaced") / "old").touch()
    (place / "replaced").mkdir()
    remove_leftovers(place, -1)
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*")) == [
        "lost",
        "lost/old",
        "replaced",
    ]


@pytest.mark.parametrize("mishap", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_a_folder_is_replaced_whole_or_not_at_all(place: Path, mishap: BaseException) -> None:
    (place / "parts").mkdir()
    (place / "parts" / "old").touch()

    def fill() -> None:
        with whole_folder(place / "parts") as folder:
            (folder / "new").touch()
            raise mishap

    with pytest.raises(type(mishap) if isinstance(mishap, OSError) else KeyboardInterrupt):
        fill()
    assert [path.name for path in place.rglob("*")] == ["parts", "old"]


def test_a_full_disk_is_recognised_whoever_says_it() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "a.png")
    assert full_disk(full) == "a.png cannot be written (No space left on device)"
    assert full_disk(OSError(errno.EDQUOT, "Disk quota exceeded")) == (
        "A file cannot be written (Disk quota exceeded)"
    )
    text = 'Error while serializing: I/O error: No space left on device (os error 28) (path: "x")'
    assert full_disk(SafetensorError(text)) == "A file cannot be written (No space left on device)"
    wrapped = RuntimeError("stopped")
    wrapped.__context__ = full  # as where a library raises while it handles it
    assert full_disk(wrapped) == full_disk(full)
    denied = OSError(errno.EACCES, "Permission denied", "a.png")
    for other in (denied, ValueError("os error 2"), KeyError(28)):
        assert full_disk(other) is None


def test_an_error_that_stands_behind_itself_ends_no_search_in_a_loop() -> None:
    """As TensorBoard's do, which raises the error of its thread again and again."""
    one, other = OSError(errno.ENOSPC, "No space left on device"), RuntimeError("stopped")
    one.__context__, other.__cause__ = other, one
    assert user_error_behind(one) is None
    assert full_disk(other) == "A file cannot be written (No space left on device)"
    mistake = UserError("said")
    other.__cause__, mistake.__context__ = mistake, one
    assert user_error_behind(one) is mistake


def test_a_file_that_is_too_large_is_a_full_disk(place: Path) -> None:
    """What a limit on file sizes says."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    (place / "a").write_bytes(b"old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_whole(place / "a", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert full_disk(caught.value) == f"{place / 'a'} cannot be written (File too large)"
    assert [path.name for path in place.iterdir()] == ["a"]
    assert (place / "a").read_bytes() == b"old"


def test_a_dead_process_holds_no_lock(place: Path) -> None:
    process = os.fork()
    if not process:
        FileLock(place / "lock").acquire()
        os.kill(os.getpid(), 9)
    os.waitpid(process, 0)
    assert (place / "lock").exists()
    with FileLock(place / "lock", timeout=1):
        pass


def test_a_full_disk_leaves_the_old_parts_of_a_backbone(place: Path) -> None:
    with small_disk(place / "disk", "64k") as disk:
        (disk / "vae").mkdir()
        (disk / "vae" / "old").touch()

        def fill() -> None:
            with whole_folder(disk / "vae") as folder:
                (folder / "weights").write_bytes(bytes(100_000))

        with pytest.raises(OSError, match="No space left"):
            fill()
        assert [path.name for path in disk.rglob("*")] == ["vae", "old"]


def test_an_error_names_the_file_and_not_its_partial_one(place: Path) -> None:
    (place / "report.html").mkdir()
    with pytest.raises(IsADirectoryError) as told:
        write_whole(place / "report.html", b"content")
    assert (told.value.filename, told.value.filename2) == (str(place / "report.html"), None)
