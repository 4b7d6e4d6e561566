"""Atomic writes, and removal of the partial files of killed processes."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from inbetween.errors import UserError, causes

DAY = 86400.0  # seconds


def _place() -> str:
    """Where a process id is unique: the host, and the container on it."""
    try:
        numbers = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # not Linux
        numbers = 0
    return re.sub(r"[^\w-]", "_", f"{platform.node()}-{numbers}")


_PLACE = _place()
_TOKEN = secrets.token_hex(4)  # process ids are reused
_LEFTOVER = re.compile(rf"\.(.+)\.{_PLACE}-(\d+)-([0-9a-f]{{8}})\.(partial|replaced)")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# messages of libraries that do not write with Python's own functions
_FULL_MESSAGE = re.compile(rf"os error ({'|'.join(map(str, sorted(_FULL)))})\b|No space left|quota exceeded")


def partial_of(path: Path) -> Path:
    """Where this process writes what is moved to `path` once it is complete: beside it, hidden.

    Partial files of dead processes beside it are removed, once per folder.
    """
    remove_leftovers(path.parent, os.getpid())
    return path.with_name(f".{path.name}.{_PLACE}-{os.getpid()}-{_TOKEN}.partial")


@cache
def remove_leftovers(folder: Path, process: int) -> None:
    """Remove the partial files and folders of dead processes of this machine, once, where that is allowed.

    Args:
        folder: To search, without its subfolders.
        process: Id of the calling process.
    """
    if os.name != "posix":  # elsewhere signal 0 would end the process
        return
    # the folder may be somebody else's, and another process may do the same at the same time
    with suppress(OSError):
        for path in folder.iterdir():
            found = _LEFTOVER.fullmatch(path.name)
            if found:
                with suppress(OSError):
                    _remove_leftover(path, found, process)


def _remove_leftover(path: Path, found: re.Match[str], process: int) -> None:
    name, number, token, kind = found[1], int(found[2]), found[3], found[4]
    if number == process:
        # an earlier process with the same id, or one of another machine or container of the same name
        dead = token != _TOKEN and path.stat().st_mtime < time.time() - DAY
    else:
        dead = not _is_alive(number)
    if not dead:
        return
    if kind == "replaced" and not path.with_name(name).exists():
        path.replace(path.with_name(name))  # it was not replaced after all
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` at the end, or leaves nothing behind.

    Its content is flushed to disk before: a full network disk may report the error only then.

    Args:
        path: The file; its folder is made.
        durable: False does not wait for the disk: for files that are rebuilt when damaged.

    Raises:
        OSError: It cannot be written; `filename` is set.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    try:
        with partial.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        # a failed write names no file, and users know nothing of the partial one
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(partial)):
            error.filename, error.filename2 = str(path), None
        raise


def write_whole(path: Path, content: bytes | memoryview, durable: bool = True) -> None:
    """Write a file atomically, and leave nothing behind when interrupted.

    Args:
        path: The file; its folder is made.
        content: All of it.
        durable: As for `whole_file`.

    Raises:
        OSError: It cannot be written; `filename` is set.
    """
    with whole_file(path, durable) as file:
        file.write(content)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `path` at the end, or leaves nothing behind.

    Args:
        path: The folder; its parent is made. An existing folder is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        move_folder(partial, path)
    except OSError as error:
        if error.errno and error.filename is None:  # a failed write names no file
            error.filename = str(path)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def move_folder(folder: Path, path: Path) -> None:
    """Replace a folder by another one."""
    # moved aside first: deleting a folder takes time, and it must not be seen half deleted
    aside = partial_of(path).with_suffix(".replaced")
    if path.exists():
        path.replace(aside)
    folder.replace(path)
    shutil.rmtree(aside, ignore_errors=True)


def check_folder(folder: Path, key: str) -> None:
    """Check that a folder can be written, or made; nothing is left there.

    Args:
        folder: The folder.
        key: The key that sets it, for the message.

    Raises:
        UserError: It cannot.
    """
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}): make it writable, or give another folder"
            f" with {key}."
        ) from error


def full_disk(error: BaseException, unnamed: str = "A file") -> str | None:
    """What could not be written, and why, where an error is caused by a full disk; else None.

    Args:
        error: Any.
        unnamed: Used in place of a file that the error does not name.
    """
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return f"{cause.filename or unnamed} cannot be written ({cause.strerror})"
        if _FULL_MESSAGE.search(str(cause)):
            return f"{unnamed} cannot be written (No space left on device)"
    return None


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
