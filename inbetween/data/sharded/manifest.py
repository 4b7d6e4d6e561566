"""The manifest of shards: a Parquet file with a row for each clip, queried through DuckDB."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from inbetween.data.sharded.libraries import needed
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
    "drawings": "INTEGER",  # number of frames, a held one counted once
    "digest": "VARCHAR",  # of the frames' bytes
    "caption": "VARCHAR",  # what it shows, in words; only in manifests that have captions
}
_OPTIONAL = {"caption"}
# what `Clip` is made of
_READ = """clip, animation, name, kind, shard, "offset", bytes, frames, drawings, height, width,
    array_to_string(stems, '/'), hold_starts, digest"""
MEMORY = "512MB"  # that DuckDB may use


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """A text in SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def reason(error: Exception) -> str:
    """What DuckDB says, in one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].partition("Error: ")[2] or lines[0]


@contextmanager
def querying(*files: Path) -> Iterator[Any]:
    """A connection that reads these files and nothing else, whatever a filter says.

    It lives for one query or two: a connection does not survive the fork that makes a data worker.
    """
    duckdb = needed("duckdb")
    connection = duckdb.connect(config={"memory_limit": MEMORY, "threads": 1})
    try:
        allowed = ", ".join(map(literal, files))
        connection.execute(f"SET allowed_paths = [{allowed}]; SET enable_external_access = false")
        yield connection
    finally:
        connection.close()


def columns_of(connection: Any, table: str) -> dict[str, str]:  # noqa: ANN401 - of DuckDB
    """Name and type of the columns of a table or of a file's path as a literal."""
    rows = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()
    return {row[0]: row[1] for row in rows}


@dataclass(frozen=True)
class ShardFacts:
    """One shard's part in a data set.

    Args:
        name: Its file.
        windows: Windows in it, at least 1.
        frames: Frames of the clips that have them.
        bytes: Length that the file must have at least.
    """

    name: str
    windows: int
    frames: int
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
    drawings: int
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
        place: Its name in messages.
        split: Which split.
        where: An SQL expression on its columns; None takes every clip.

    Attributes:
        state: What tells the file from another one at the same path.

    Raises:
        UserError: The expression means something else each time.
    """

    path: Path
    place: str
    split: Split
    where: str | None
    state: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", _state(self.path))
        if self.where:
            with querying() as connection:
                check_lasting(self.where, connection)

    def columns(self) -> set[str]:
        """Names of the columns.

        Raises:
            UserError: It cannot be read, or is no manifest of shards.
        """
        with self._opened() as connection:
            try:
                found = set(columns_of(connection, self._table))
            except needed("duckdb").Error as error:
                raise self._damaged(error) from None
        missing = [name for name in COLUMNS if name not in found and name not in _OPTIONAL]
        if missing:
            raise UserError(
                f"{self.place} has no column {missing[0]}: `python -m inbetween shard --manifest` makes"
                " shards of the clips that it names."
            )
        return found

    def splits(self) -> dict[str, int]:
        """Number of clips in each split, whether they pass the filter or not."""
        rows = self._ask(f"SELECT split, count(*) FROM {self._table} GROUP BY split", filtered=False)
        return dict(rows)

    def shards(self, spec: WindowSpec) -> list[ShardFacts]:
        """The shards that have windows, by name."""
        length = "drawings" if spec.collapse_holds else "frames"
        windows = " + ".join(
            f"greatest(0, ({length} - {(spec.between + 1) * gap} + {spec.stride - 1}) // {spec.stride})"
            for gap in spec.gaps
        )
        rows = self._ask(
            f"""SELECT shard, sum(windows)::BIGINT, sum(frames)::BIGINT, max("offset" + bytes)
            FROM (SELECT shard, frames, "offset", bytes, {windows} AS windows FROM {self._kept})
            WHERE windows > 0 GROUP BY shard ORDER BY shard"""
        )
        return [ShardFacts(*row) for row in rows]

    def longest(self, spec: WindowSpec) -> tuple[int, int]:
        """Number of clips, and of the frames of the longest one; (0, 0) where there is no clip."""
        length = "drawings" if spec.collapse_holds else "frames"
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
        with self._opened() as connection:
            found = connection.execute(
                f"SELECT DISTINCT coalesce(caption, '') AS words FROM {self._kept} ORDER BY words"
            )
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
        errors = needed("duckdb")
        with self._opened() as connection:
            try:
                rows: list[Any] = connection.execute(query).fetchall()
            except errors.Error as error:
                if filtered and self.where and not isinstance(error, errors.IOException):
                    raise wrong_filter(self.where, self.place, error, self.columns()) from None
                raise self._damaged(error) from None
        return rows

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """A connection that reads the file, which must be the one that was there at first."""
        if _state(self.path) != self.state:
            raise UserError(
                f"{self.place} was replaced or deleted while it was read: start again, with shards that"
                " nobody writes."
            )
        with querying(self.path) as connection:
            yield connection

    def _damaged(self, error: Exception) -> UserError:
        return UserError(
            f"{self.place} is damaged or cut short ({reason(error)}): copy it again, or write the shards"
            " again with `python -m inbetween shard`."
        )


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_lasting(where: str, connection: Any) -> None:  # noqa: ANN401 - of DuckDB
    """Check that an expression calls no function of chance.

    Raises:
        UserError: It does: the clips would be others in each query, process and run.
    """
    called = [name.lower() for name in re.findall(r"(\w+)\s*\(", where)]
    rows = connection.execute(
        "SELECT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"
        " AND list_contains(?, function_name) ORDER BY ALL",
        [called],
    ).fetchall()
    if rows:
        raise UserError(
            f"The filter {where!r} calls {rows[0][0]}(), which gives something else each time: use columns"
            " alone, such as hash(clip) % 10 = 0 for a tenth of the clips."
        )


def wrong_filter(where: str, place: str, error: Exception, columns: set[str]) -> UserError:
    """The error for an expression that DuckDB refuses."""
    return UserError(
        f"The filter {where!r} does not fit {place} ({reason(error)}): give an SQL expression on its columns,"
        f" which are {', '.join(sorted(columns))}."
    )
