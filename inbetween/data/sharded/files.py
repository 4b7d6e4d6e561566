"""Where shards are: a folder, or an object store that fsspec reads."""

from __future__ import annotations

import errno
import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from inbetween.data.sharded.libraries import needed
from inbetween.data.sharded.parts import Part
from inbetween.errors import UserError
from inbetween.io.files import whole_file
from inbetween.io.listing import natural_key, subfolders

MANIFEST = "manifest.parquet"
_AGAIN = "copy it again, or write the shards again with `python -m inbetween shard`"
_PART = 2**24  # bytes of a manifest in memory
_TRIES = 5
_WAIT = 1.0  # seconds, at most, before the second try; doubled before each further one
_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT}  # what a file server says that may be back soon
_LATER = {408, 429}  # status of HTTP answers that ask to come back later
T = TypeVar("T")
# what a store says of a file's version, where it does
_VERSION = (
    "size",
    "ETag",
    "etag",
    "mtime",
    "LastModified",
    "last_modified",
    "generation",
    "created",
    "sha256",
)


@dataclass(frozen=True)
class ShardFiles:
    """The files of a sharded data set.

    Args:
        root: The folder, or its URL: `s3://bucket/folder` or any other that fsspec knows.
        options: For the URL's file system, such as `{anon: true}`.
    """

    root: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def remote(self) -> bool:
        """Whether the root is a URL."""
        return "://" in self.root

    def address(self, name: str) -> str:
        """Path or URL of a file."""
        return f"{self.root.rstrip('/')}/{name}" if self.remote else str(self.folder / name)

    @property
    def folder(self) -> Path:
        """The root, where it is a folder."""
        return Path(self.root).expanduser()

    def parts(self, cache: Path) -> tuple[Part, ...]:
        """The manifests on this machine; those of an object store are copied, once per version.

        That of the root, or else those of the folders right below it.

        Args:
            cache: Folder for the copies.

        Raises:
            UserError: There is none, or one cannot be read.
        """
        whole = self._part("", cache)
        if whole is not None:
            return (whole,)
        parts = (self._part(name, cache) for name in self._folders())
        found = tuple(part for part in parts if part is not None)
        if found:
            return found
        if not self.remote:
            raise UserError(
                f"{self.folder} has no {MANIFEST}: give a folder that `python -m inbetween shard` has"
                " written, or the folder that holds its parts, as the source's root."
            )
        # an HTTP server does not tell which folders it has
        parted = ", give one part or a store that lists its folders" if self._http else ""
        raise UserError(
            f"There is no {self.address(MANIFEST)}: check the URL given as the source's root{parted}, or copy"
            " there what `python -m inbetween shard` has written."
        )

    @property
    def _http(self) -> bool:
        return self.root.startswith(("http://", "https://"))

    def _folders(self) -> list[str]:
        """Names of the folders in the root; none where it is missing or cannot be listed."""
        if not self.remote:
            return [path.name for path in subfolders(self.folder)] if self.folder.is_dir() else []
        if self._http:
            return []
        try:
            entries = self._ask("ls", "", detail=True)
        except FileNotFoundError:
            return []
        paths = (entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory")
        names = (path.rpartition("/")[2] for path in paths)
        return sorted((name for name in names if not name.startswith(".")), key=natural_key)

    def _part(self, folder: str, cache: Path) -> Part | None:
        """The manifest in the root or in a folder there, if it has one."""
        name = f"{folder}/{MANIFEST}" if folder else MANIFEST
        if not self.remote:
            path = self.folder / name
            return Part(folder, path, self.address(name)) if path.is_file() else None
        try:
            info = self._ask("info", name)
        except FileNotFoundError:
            return None
        return Part(folder, self._copied(name, info, cache), self.address(name))

    def _copied(self, name: str, info: dict[str, Any], cache: Path) -> Path:
        """A copy of a manifest of an object store, of which `info` is known."""
        of = _digest(self.address(name))
        copy = cache / f"{of}-{_digest(repr([str(info.get(key)) for key in _VERSION]))}.parquet"
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / "lock"):
                if not copy.exists():
                    with whole_file(copy, durable=False) as file:
                        for content in self._content(name, info.get("size")):
                            file.write(content)
                    for other in cache.glob(f"{of}-*.parquet"):
                        if other != copy:
                            other.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"The copy of {self.address(name)} in {cache} cannot be written"
                f" ({error.strerror or error}): make room, or choose another folder with data.cache_dir."
            ) from None
        return copy

    def check(self, names: Iterable[str]) -> None:
        """Check that shards in a folder are there; of an object store nothing is asked.

        Each folder is listed once: of thousands of shards each process would ask a file server for each.

        Raises:
            UserError: One is missing.
        """
        if not self.remote:
            found: dict[Path, set[str]] = {}
            for path, name in ((self.folder / name, name) for name in names):
                if path.parent not in found:
                    found[path.parent] = {one.name for one in path.parent.iterdir()}
                if path.name not in found[path.parent]:
                    raise self.missing(name)

    def read(self, name: str, offset: int, size: int) -> bytes:
        """A part of a shard; safe in a process that was forked after an earlier call.

        Raises:
            UserError: It is missing, cut short, or cannot be read.
        """
        if self.remote:
            try:
                content: bytes = self._ask("cat_file", name, start=offset, end=offset + size)
            except FileNotFoundError:
                raise self.missing(name) from None
            if len(content) > size:
                raise UserError(
                    f"{self.address(name)} cannot be read in parts, since its server ignores HTTP ranges:"
                    " copy the shards into a folder, or to another server."
                )
        else:
            try:
                content = _patiently(partial(_read, self.folder / name, offset, size))
            except FileNotFoundError:
                raise self.missing(name) from None
            except OSError as error:
                raise UserError(
                    f"{self.address(name)} cannot be read ({error.strerror or error}): {_AGAIN}."
                ) from None
        if len(content) < size:
            raise UserError(f"{self.address(name)} is cut short: {_AGAIN}.")
        return content

    def _content(self, name: str, size: int | None) -> Iterator[bytes]:
        """The content of a file of an object store, a part at a time where its length is known."""
        if size is None:
            yield self._ask("cat_file", name)
        else:
            for offset in range(0, size, _PART):
                yield self.read(name, offset, min(_PART, size - offset))

    def missing(self, name: str) -> UserError:
        """The error for a file that is not there."""
        return UserError(f"{self.address(name)}, which the manifest names, is missing: {_AGAIN}.")

    def damaged(self, name: str, clip: str) -> UserError:
        """The error for a shard that does not hold what the manifest says."""
        return UserError(f"{self.address(name)} is damaged (clip {clip}): {_AGAIN}.")

    def _ask(self, what: str, name: str, **arguments: int | bool) -> Any:  # noqa: ANN401 - of fsspec
        """Call a method of the root's file system on a file.

        Raises:
            FileNotFoundError: It is not there.
            UserError: It cannot be read.
        """
        fsspec = needed("fsspec")
        address = self.address(name)
        try:
            system, path = fsspec.core.url_to_fs(address, **self.options)
            return _patiently(partial(getattr(system, what), path, **arguments))
        # each file system raises exceptions of its own library
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == 404:
                raise FileNotFoundError(address) from None
            reason = " ".join(str(cause).split()) or type(cause).__name__
            raise UserError(
                f"{address} cannot be read ({reason}): check the network, the URL and its credentials"
                " (storage_options), or copy the shards into a folder."
            ) from None


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _patiently(ask: Callable[[], T]) -> T:
    """The result of a call, which is tried again after a while where it failed and may succeed later."""
    for number in range(_TRIES - 1):
        try:
            return ask()
        # each file system raises exceptions of its own library
        except Exception as error:
            if not _may_pass(_cause(error)):
                raise
            # not all processes at the same time
            time.sleep(_WAIT * 2**number * random.uniform(0.5, 1))
    return ask()


def _may_pass(error: BaseException) -> bool:
    """Whether what failed may succeed later."""
    if isinstance(error, (FileNotFoundError, PermissionError, ValueError, ImportError)):
        return False
    if isinstance(error, OSError) and error.filename is not None:  # of a file of this machine
        return error.errno in _PASSING
    status = getattr(error, "status", None)
    return status is None or not 400 <= status < 500 or status in _LATER


def _cause(error: BaseException) -> BaseException:
    # that of HTTP calls everything a missing file
    return error.__cause__ or error


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
