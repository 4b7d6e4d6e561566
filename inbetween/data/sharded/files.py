"""Where shards are: a folder, or an object store that fsspec reads."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from inbetween.data.sharded.libraries import needed
from inbetween.errors import UserError
from inbetween.io.files import write_whole

MANIFEST = "manifest.parquet"
_AGAIN = "copy it again, or write the shards again with `python -m inbetween shard`"
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


_TOO_MANY = 429  # requests at a time: the status of an answer that asks to come back later
_PAUSES = (0.5, 2.0, 8.0)  # seconds between attempts


class _NetworkError(UserError):
    """One that may be gone the next time."""


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

    def place(self, name: str) -> str:
        """Path or URL of a file."""
        return f"{self.root.rstrip('/')}/{name}" if self.remote else str(self.folder / name)

    @property
    def folder(self) -> Path:
        """The root, where it is a folder."""
        return Path(self.root).expanduser()

    def manifest(self, cache: Path) -> Path:
        """The manifest on this machine; that of an object store is copied, once per version.

        Args:
            cache: Folder for the copy.

        Raises:
            UserError: There is none, or it cannot be read.
        """
        if not self.remote:
            path = self.folder / MANIFEST
            if not path.is_file():
                raise UserError(
                    f"{self.folder} has no {MANIFEST}: give a folder that `python -m inbetween shard` has"
                    " written, as the source's root."
                )
            return path
        info = self._ask("info", MANIFEST)
        version = repr([self.place(MANIFEST), *(str(info.get(key)) for key in _VERSION)])
        copy = cache / f"{hashlib.blake2b(version.encode(), digest_size=12).hexdigest()}.parquet"
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / "lock"):
                if not copy.exists():
                    write_whole(copy, self._ask("cat_file", MANIFEST), durable=False)
        except OSError as error:
            raise UserError(
                f"The copy of {self.place(MANIFEST)} in {cache} cannot be written ({error.strerror or error})"
                ": make room, or choose another folder with data.cache_dir."
            ) from None
        return copy

    def check(self, sizes: dict[str, int]) -> None:
        """Check that shards in a folder are there and long enough; of an object store nothing is asked.

        Args:
            sizes: Bytes that each must have at least.

        Raises:
            UserError: One is missing or cut short.
        """
        for name, size in {} if self.remote else sizes.items():
            try:
                found = (self.folder / name).stat().st_size
            except OSError:
                raise self.missing(name) from None
            if found < size:
                raise UserError(f"{self.place(name)} is cut short: {_AGAIN}.")

    def read(self, name: str, offset: int, size: int) -> bytes:
        """A part of a shard; safe in a process that was forked after an earlier call.

        Raises:
            UserError: It is missing, cut short, or cannot be read.
        """
        if self.remote:
            content: bytes = self._ask("cat_file", name, start=offset, end=offset + size)
            if len(content) > size:
                raise UserError(
                    f"{self.place(name)} cannot be read in parts, since its server ignores HTTP ranges: copy"
                    " the shards into a folder, or to another server."
                )
        else:
            try:
                with (self.folder / name).open("rb") as file:
                    file.seek(offset)
                    content = file.read(size)
            except FileNotFoundError:
                raise self.missing(name) from None
            except OSError as error:
                raise UserError(
                    f"{self.place(name)} cannot be read ({error.strerror or error}): {_AGAIN}."
                ) from None
        if len(content) < size:
            raise UserError(f"{self.place(name)} is cut short: {_AGAIN}.")
        return content

    def missing(self, name: str) -> UserError:
        """The error for a file that is not there."""
        return UserError(f"{self.place(name)}, which the manifest names, is missing: {_AGAIN}.")

    def damaged(self, name: str, clip: str) -> UserError:
        """The error for a shard that does not hold what the manifest says."""
        return UserError(f"{self.place(name)} is damaged (clip {clip}): {_AGAIN}.")

    def _ask(self, what: str, name: str, **arguments: int) -> Any:  # noqa: ANN401 - of fsspec
        """Call a method of the root's file system on a file, several times where the network fails."""
        for pause in _PAUSES:
            try:
                return self._ask_once(what, name, **arguments)
            except _NetworkError:
                time.sleep(pause)
        return self._ask_once(what, name, **arguments)

    def _ask_once(self, what: str, name: str, **arguments: int) -> Any:  # noqa: ANN401 - of fsspec
        fsspec = needed("fsspec")
        place = self.place(name)
        try:
            system, path = fsspec.core.url_to_fs(place, **self.options)
            return getattr(system, what)(path, **arguments)
        # each file system raises exceptions of its own library
        except Exception as error:
            # that of HTTP calls everything a missing file
            cause = error.__cause__ or error
            if not isinstance(cause, FileNotFoundError) and getattr(cause, "status", None) != 404:
                reason = " ".join(str(cause).split()) or type(cause).__name__
                status = getattr(cause, "status", None)
                # what it is that another attempt would not change
                lasting = isinstance(cause, ImportError | ValueError | PermissionError)
                lasting = lasting or (status is not None and 400 <= status < 500 and status != _TOO_MANY)
                raise (UserError if lasting else _NetworkError)(
                    f"{place} cannot be read ({reason}): check the network, the URL and its credentials"
                    " (storage_options), or copy the shards into a folder."
                ) from None
            if name != MANIFEST:
                raise self.missing(name) from None
            raise UserError(
                f"There is no {place}: check the URL given as the source's root, or copy there what"
                " `python -m inbetween shard` has written."
            ) from None
