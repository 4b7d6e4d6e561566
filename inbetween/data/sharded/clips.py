"""Decoded clips on disk, at most so many bytes of them, shared by any number of processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
from filelock import FileLock

from inbetween.errors import UserError
from inbetween.io.files import whole_file
from inbetween.io.images import Pixels

_LOCKS = 4096  # that clips share: no two processes decode the same one, and few wait for another's
_TRIES = 20
_KEPT = 0.9  # share of the limit that is left when clips make room, so that this is rare


class ClipStore:
    """Decoded clips, the least recently used of which make room for others.

    A clip is one memory-mapped file, which is mapped at each reading: who has mapped it keeps it even if it
    is deleted meanwhile. The folder may be deleted at any time.

    Args:
        folder: For the files.
        limit: Bytes that they may take together; a process may exceed it by one clip.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def read(
        self,
        name: str,
        numbers: tuple[int, ...],
        shape: tuple[int, int, int],
        decode: Callable[[], Iterable[Pixels]],
    ) -> Pixels:
        """Frames of a clip by number, (len(numbers), h, w, 3).

        Args:
            name: A digest of what the clip shows and how it is fitted.
            numbers: Which frames.
            shape: Number of frames, height and width.
            decode: Gives all frames (h, w, 3) in order; called where they are not stored.

        Raises:
            UserError: The folder cannot be written.
        """
        file = self.folder / f"{name}.npy"
        gone = 0  # times that the folder was deleted while a clip was written
        while True:
            try:
                frames = np.lib.format.open_memmap(file, mode="r")[list(numbers)]
                with suppress(OSError):  # deleted meanwhile, or somebody else's
                    os.utime(file)  # used now
                return cast(Pixels, frames)
            except (FileNotFoundError, ValueError) as error:
                damaged = isinstance(error, ValueError)  # by a crash of the machine
            except OSError as error:
                raise self._unusable(error) from None
            try:
                if damaged:
                    file.unlink(missing_ok=True)
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / f"{int(name[:8], 16) % _LOCKS}.lock"):
                    if not file.exists():
                        self._write(file, shape, decode())
            except OSError as error:
                gone += 1
                if not isinstance(error, FileNotFoundError | FileExistsError) or gone == _TRIES:
                    raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> UserError:
        return UserError(
            f"The decoded clips in {self.folder} cannot be read and written ({error.strerror or error}): make"
            " room, lower cache_gb, or choose another folder with data.cache_dir."
        )

    def _write(self, file: Path, shape: tuple[int, int, int], frames: Iterable[Pixels]) -> None:
        self._make_room(int(np.prod(shape)) * 3)
        header = {"descr": "|u1", "fortran_order": False, "shape": (*shape, 3)}
        # not mapped: a process that writes to mapped memory of a full disk is killed
        with whole_file(file, durable=False) as opened:
            np.lib.format.write_array_header_1_0(opened, header)
            for frame in frames:
                opened.write(np.ascontiguousarray(frame).data)

    def _make_room(self, size: int) -> None:
        """Reserve bytes, deleting the least recently used clips where there are too many."""
        ledger = self.folder / "bytes"  # taken by all files, and by those that are being written
        with FileLock(self.folder / "lock"):
            try:
                taken = int(ledger.read_text())
            except (OSError, ValueError):
                taken = self.limit  # unknown: count
            if taken + size > self.limit:
                taken = self._delete(int(self.limit * _KEPT) - size)
            ledger.write_text(str(taken + size))

    def _delete(self, limit: int) -> int:
        """Delete the least recently used clips beyond a limit in bytes; returns what is left."""
        found = []
        for path in self.folder.glob("*.npy"):
            with suppress(OSError):  # deleted by hand
                state = path.stat()
                found.append((state.st_mtime_ns, state.st_size, path))
        taken = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if taken <= limit:
                break
            with suppress(OSError):
                path.unlink()
                taken -= size
        return taken
