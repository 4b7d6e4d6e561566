"""The manifest of shards: a Parquet file with a row for each clip, queried through DuckDB."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from inbetween.data.fit import Fit
from inbetween.data.sharded.libraries import needed
from inbetween.data.sharded.tables import (
    MEMORY,
    check_lasting,
    columns_of,
    literal,
    querying,
    reason,
    wrong_filter,
)
from inbetween.data.source import WindowSpec
from inbetween.errors import UserError
from inbetween.types import Split

# Columns that the program writes and reads, with their SQL types; a manifest may have any others beside them.
COLUMNS = {
    "clip": "VARCHAR",  # a shot: its scene's label, with @<start> if there are several; unique in a split
    "split": "VARCHAR",  # train, val or test
    "animation": "VARCHAR",
    "name": "VARCHAR",  # the scene within its animation
    "kind": "VARCHAR",
    "shard": "VARCHAR",  # file name of its shard
    "key": "VARCHAR",  # of its sample in the shard
    "offset": "BIGINT",  # where the sample begins in the shard, in bytes
    "bytes": "BIGINT",
    "start": "INTEGER",  # its first frame in the scene or the video that it is of
    "end": "INTEGER",  # the frame after its last one there
    "frames": "INTEGER",
    "height": "INTEGER",  # pixels of the frames
    "width": "INTEGER",
    "fps": "DOUBLE",  # NULL where it is unknown
    "stems": "VARCHAR[]",  # for each frame, its file name without suffix
    "hold_starts": "INTEGER[]",  # for each frame, the number of the first one of its hold
    "distinct_frames": "INTEGER",  # number of frames, a held one counted once
    "digest": "VARCHAR",  # of the frames' bytes
    "caption": "VARCHAR",  # what it shows, in words; only in manifests that have captions
}
_OPTIONAL = {"caption"}
# what `Clip` is made of
_READ = """clip, animation, name, kind, shard, "offset", bytes, frames, distinct_frames, height, width,
    array_to_string(stems, '/'), hold_starts, digest"""
VERSION = "1"  # of what `shard` writes
VERSION_KEY = "inbetween_shards"  # of the version in the file's metadata


class ContentDigest:
    """A digest of a clip's image files, added one by one."""

    def __init__(self) -> None:
        self._whole = hashlib.blake2b(digest_size=16)

    def add(self, content: bytes) -> None:
        """The next file."""
        self._whole.update(len(content).to_bytes(8, "little") + content)

    def text(self) -> str:
        """Of all files so far."""
        return self._whole.hexdigest()


@dataclass(frozen=True)
class ShardFacts:
    """One shard's part in a data set.

    Args:
        name: Its file.
        windows: Windows in it, at least 1.
        decoded: Bytes of the clips that have them when decoded.
        bytes: Length that the file must have at least.
    """

    name: str
    windows: int
    decoded: int
    bytes: int


class Clip(NamedTuple):
    """A row of the manifest, in little memory: see `COLUMNS`."""

    clip: str
    animation: str
    name: str
    kind: str
    shard: str
    offset: int
    bytes: int
    frames: int
    distinct_frames: int
    height: int
    width: int
    stems: str  # parted by slashes
    hold_starts: array[int]
    digest: str
    caption: str


@dataclass(frozen=True)
class Manifest:
    """The clips of a split that pass a filter. No clip is kept in memory.

    Args:
        path: The Parquet file.
        address: Its name in messages.
        split: Which split.
        where: An SQL expression on its columns; None takes every clip.
        spill: Folder for what a query cannot keep in memory.

    Attributes:
        state: What tells the file from another one at the same path.

    Raises:
        UserError: The expression means something else each time.
    """

    path: Path
    address: str
    split: Split
    where: str | None
    spill: Path
    state: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", _state(self.path))
        if self.where:
            with querying() as connection:
                check_lasting(self.where, connection)

    def columns(self) -> set[str]:
        """Names of the columns.

        Raises:
            UserError: It cannot be read, is no manifest of shards, or one of another version.
        """
        with self._opened() as connection:
            try:
                found = set(columns_of(connection, self._table))
                told = connection.execute(
                    f"SELECT decode(value) FROM parquet_kv_metadata({literal(self.path)})"
                    f" WHERE decode(key) = {literal(VERSION_KEY)}"
                ).fetchall()
            except needed("duckdb").Error as error:
                raise self._damaged(error) from None
        # a manifest that was changed with other tools may have lost its version
        for (version,) in told:
            if version != VERSION:
                raise UserError(
                    f"{self.address} is of version {version}, and this program reads version {VERSION}: use"
                    " the program that wrote it, or write the shards again with `python -m inbetween shard`."
                )
        missing = [name for name in COLUMNS if name not in found and name not in _OPTIONAL]
        if missing:
            raise UserError(
                f"{self.address} has no column {missing[0]}: `python -m inbetween shard --manifest` makes"
                " shards of the clips that it names."
            )
        return found

    def splits(self) -> dict[str, int]:
        """Number of clips in each split, whether they pass the filter or not."""
        rows = self._ask(f"SELECT split, count(*) FROM {self._table} GROUP BY split", filtered=False)
        return dict(rows)

    def shards(self, spec: WindowSpec) -> list[ShardFacts]:
        """The shards that have windows, by name."""
        length = "distinct_frames" if spec.collapse_holds else "frames"
        windows = " + ".join(
            f"greatest(0, ({length} - {(spec.between + 1) * gap} + {spec.stride - 1}) // {spec.stride})"
            for gap in spec.gaps
        )
        # frames of few sizes: how large each is stored is computed here
        rows = self._ask(
            f"""SELECT shard, height, width, sum(windows)::BIGINT, sum(frames)::BIGINT, max("offset" + bytes)
            FROM (SELECT *, {windows} AS windows FROM {self._kept})
            WHERE windows > 0 GROUP BY ALL ORDER BY ALL"""
        )
        found: dict[str, ShardFacts] = {}
        for shard, height, width, count, frames, size in rows:
            stored = Fit((height, width), spec.size, spec.fit, spec.keep).store
            before = found.get(shard, ShardFacts(shard, 0, 0, 0))
            found[shard] = ShardFacts(
                shard,
                before.windows + count,
                before.decoded + frames * stored[0] * stored[1] * 3,
                max(before.bytes, size),
            )
        return list(found.values())

    def longest(self, spec: WindowSpec) -> tuple[int, int]:
        """Number of clips, and of the frames of the longest one; (0, 0) where there is no clip."""
        length = "distinct_frames" if spec.collapse_holds else "frames"
        ((clips, longest),) = self._ask(f"SELECT count(*), max({length}) FROM {self._kept}")
        return clips, longest or 0

    def clips(self, shard: str, captioned: bool) -> list[Clip]:
        """The clips in a shard, in the order of their place in it."""
        caption = "coalesce(caption, '')" if captioned else "''"
        rows = self._ask(
            f"""SELECT {_READ}, {caption} FROM {self._kept}
            WHERE shard = {literal(shard)} ORDER BY "offset\""""
        )
        return [Clip._make([*row[:-3], array("i", row[-3]), *row[-2:]]) for row in rows]

    def captions(self) -> Iterator[str]:
        """Every different caption, in order."""
        query = f"SELECT DISTINCT coalesce(caption, '') AS words FROM {self._kept} ORDER BY words"
        with self._opened() as connection, self._explained(filtered=True):
            found = connection.execute(query)
            while rows := found.fetchmany(1000):
                yield from (row[0] for row in rows)

    @property
    def _kept(self) -> str:
        """The clips that are used, as a table in SQL."""
        # an expression may end in a comment
        chosen = f" WHERE (\n{self.where}\n)" if self.where else ""
        split = f"(SELECT * FROM {self._table} WHERE split = {literal(self.split)})"
        return f"(SELECT * FROM {split}{chosen})"

    @property
    def _table(self) -> str:
        # a folder may be called as in split=none/manifest.parquet
        return f"read_parquet({literal(self.path)}, hive_partitioning = false)"

    def _ask(self, query: str, filtered: bool = True) -> list[Any]:
        with self._opened() as connection, self._explained(filtered):
            rows: list[Any] = connection.execute(query).fetchall()
        return rows

    @contextmanager
    def _explained(self, filtered: bool) -> Iterator[None]:
        """Turns DuckDB's errors into ours."""
        errors = needed("duckdb")
        try:
            yield
        except errors.OutOfMemoryException as error:
            raise UserError(
                f"{self.address} cannot be queried in {MEMORY} of memory ({reason(error)}): make room in"
                f" {self.spill}, or choose another folder with data.cache_dir."
            ) from None
        except errors.Error as error:
            if filtered and self.where and not isinstance(error, errors.IOException):
                raise wrong_filter(self.where, self.address, error, self.columns()) from None
            raise self._damaged(error) from None

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """A connection that reads the file, which must be the one that was there at first."""
        if _state(self.path) != self.state:
            raise UserError(
                f"{self.address} was replaced or deleted while it was read: start again, with shards that"
                " nobody writes."
            )
        with querying(self.path, self.spill) as connection:
            yield connection

    def _damaged(self, error: Exception) -> UserError:
        return UserError(
            f"{self.address} is damaged or cut short ({reason(error)}): copy it again, or write the shards"
            " again with `python -m inbetween shard`."
        )


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
