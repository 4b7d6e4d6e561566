"""The manifests of all parts of a sharded data set, as one table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from inbetween.data.sharded.columns import COLUMNS, OPTIONAL, VERSION, VERSION_KEY
from inbetween.data.sharded.libraries import needed
from inbetween.data.sharded.tables import MEMORY, columns_of, literal, querying, reason
from inbetween.errors import UserError

_FILE = "inbetween_file"  # column with the path of a row's manifest


@dataclass(frozen=True)
class Part:
    """A manifest.

    Args:
        name: Of its folder below the root; empty for the root itself.
        path: The Parquet file on this machine.
        address: Its name in messages.

    Attributes:
        state: What tells the file from another one at the same path.
    """

    name: str
    path: Path
    address: str
    state: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", _state(self.path))


@dataclass(frozen=True)
class Parts:
    """All manifests of a data set. No clip is kept in memory.

    Args:
        parts: At least one.
        root: Their folder in messages.
        spill: Folder for what a query cannot keep in memory.
    """

    parts: tuple[Part, ...]
    root: str
    spill: Path

    @property
    def address(self) -> str:
        """The name in messages."""
        return self.parts[0].address if len(self.parts) == 1 else self.root

    def states(self) -> list[tuple[int, ...]]:
        """What changes when a manifest does."""
        return [part.state for part in self.parts]

    def table(self, shard: str | None = None) -> str:
        """All clips in SQL; columns that a part lacks are NULL there.

        Args:
            shard: Of this shard alone, `<part>/<file>`, or `<file>` where the root is the only part.
        """
        paths = ", ".join(literal(part.path) for part in self.parts)
        # a folder may be called as in split=none/manifest.parquet
        rows = (
            f"read_parquet([{paths}], hive_partitioning = false, union_by_name = true, filename = '{_FILE}')"
        )
        if shard is not None:
            # DuckDB opens no other file then, and skips the row groups of other shards
            name, _, file = shard.rpartition("/")
            (path,) = (part.path for part in self.parts if part.name == name)
            rows = f"(SELECT * FROM {rows} WHERE {_FILE} = {literal(path)} AND shard = {literal(file)})"
        prefixes = ", ".join(
            f"{literal(part.path)}: {literal(part.name + '/' if part.name else '')}" for part in self.parts
        )
        named = f"MAP {{{prefixes}}}[{_FILE}] || shard"
        return f"(SELECT * EXCLUDE ({_FILE}) REPLACE ({named} AS shard) FROM {rows})"

    def columns(self) -> set[str]:
        """Names of the columns of all parts.

        Raises:
            UserError: A manifest cannot be read, is none of shards, or one of another version.
        """
        found: set[str] = set()
        with self.opened() as connection:
            for part in self.parts:
                found |= _columns_of_part(part, connection)
        return found

    def check_disjoint(self) -> None:
        """Check that parts share no clip, and that no animation is in different splits of them.

        Raises:
            UserError: Parts share one; or memory and disk do not suffice for the query.
        """
        if len(self.parts) == 1:
            return
        paths = ", ".join(literal(part.path) for part in self.parts)
        table = f"read_parquet([{paths}], hive_partitioning = false, filename = '{_FILE}')"
        folders = {str(part.path): part.address.rpartition("/")[0] for part in self.parts}
        with self.opened() as connection, self.explained():

            def of_several(column: str, condition: str) -> list[tuple[str, str, str]]:
                """Name, split and file of the first one that is in several parts, each once."""
                # hashes first: names of millions of clips take much memory
                several = f"HAVING min(hash({_FILE})) <> max(hash({_FILE})) AND {condition}"
                alike = f"SELECT hash({column}) FROM {table} GROUP BY 1 {several}"
                name = f"SELECT {column} FROM {table} WHERE hash({column}) IN ({alike}) GROUP BY 1 {several}"
                query = f"SELECT DISTINCT {column}, split, {_FILE} FROM {table} WHERE {column} ="
                rows: list[tuple[str, str, str]]
                rows = connection.execute(f"{query} ({name} ORDER BY 1 LIMIT 1) ORDER BY ALL").fetchall()
                return rows

            rows = of_several("animation", "min(split) <> max(split)")
            for (name, split, one), (_, other_split, other) in combinations(rows, 2):
                if split != other_split and one != other:
                    raise UserError(
                        f"The animation {name} is in the {split} split of {folders[one]} and in the"
                        f" {other_split} split of {folders[other]}: write all parts from the same scenes"
                        " with `python -m inbetween shard --part`, or rename one of two animations."
                    )
            rows = of_several("clip", "true")
            for (name, _, one), (_, _, other) in combinations(rows, 2):
                if one != other:
                    raise UserError(
                        f"The clip {name} is in {folders[one]} and in {folders[other]}: delete one of these"
                        " parts, or rename one of two scenes."
                    )

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """A connection that reads the files, which must be those that were there at first."""
        for part in self.parts:
            if _state(part.path) != part.state:
                raise UserError(
                    f"{part.address} was replaced or deleted while it was read: start again, with shards that"
                    " nobody writes."
                )
        with querying([part.path for part in self.parts], self.spill) as connection:
            yield connection

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns DuckDB's errors, other than those of a filter, into ours."""
        errors = needed("duckdb")
        try:
            yield
        except errors.OutOfMemoryException as error:
            raise UserError(
                f"{self.address} cannot be queried in {MEMORY} of memory ({reason(error)}): make room in"
                f" {self.spill}, or choose another folder with data.cache_dir."
            ) from None
        except errors.Error as error:
            raise damaged(self.address, error) from None


def damaged(address: str, error: Exception) -> UserError:
    """The error for a manifest that DuckDB cannot read."""
    return UserError(
        f"{address} is damaged or cut short ({reason(error)}): copy it again, or write the shards again with"
        " `python -m inbetween shard`."
    )


def _columns_of_part(part: Part, connection: Any) -> set[str]:  # noqa: ANN401 - of DuckDB
    """Names of the columns of a manifest, which must be one of this version."""
    try:
        table = f"read_parquet({literal(part.path)}, hive_partitioning = false)"
        found = set(columns_of(connection, table))
        told = connection.execute(
            f"SELECT decode(value) FROM parquet_kv_metadata({literal(part.path)})"
            f" WHERE decode(key) = {literal(VERSION_KEY)}"
        ).fetchall()
    except needed("duckdb").Error as error:
        raise damaged(part.address, error) from None
    # a manifest that was changed with other tools may have lost its version
    for (version,) in told:
        if version != VERSION:
            raise UserError(
                f"{part.address} is of version {version}, and this program reads version {VERSION}: use the"
                " program that wrote it, or write the shards again with `python -m inbetween shard`."
            )
    missing = [name for name in COLUMNS if name not in found and name not in OPTIONAL]
    if missing:
        raise UserError(
            f"{part.address} has no column {missing[0]}: `python -m inbetween shard --manifest` makes shards"
            " of the clips that it names."
        )
    return found


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
