"""The list of clips that a large animation set is published with: a Parquet or CSV file with a row each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

from inbetween.data.sharded.columns import COLUMNS
from inbetween.data.sharded.libraries import needed
from inbetween.data.sharded.tables import (
    check_lasting,
    columns_of,
    literal,
    querying,
    quoted,
    reason,
    wrong_filter,
)
from inbetween.errors import UserError

# Names that a column may have, the first one wins; those of Sakuga-42M among them.
NAMES = {
    "clip": ("clip", "identifier", "clip_id"),
    "video": ("video", "identifier_video", "video_id"),
    "start": ("start", "start_frame", "start_time"),
    "end": ("end", "end_frame", "end_time"),
    "caption": ("caption", "text_description", "description"),
}
_TEXTS = {name for ours in ("clip", "video", "caption") for name in NAMES[ours]} | {"animation", "split"}
_COMPLETE = "isfinite(listed_start) AND isfinite(listed_end)"
_FRAME_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}


@dataclass(frozen=True)
class ListedClip:
    """A row: a clip of a video.

    Args:
        clip: Its name in the list.
        start: First frame, or seconds: see `ClipList.in_seconds`.
        end: The frame after the last one, or seconds.
        split: None where the list has no splits.
        animation: None where the list has no animations.
    """

    clip: str
    start: float
    end: float
    split: str | None
    animation: str | None


class ClipList:
    """A list of clips, copied into a table `listed` of a database.

    Args:
        path: A Parquet file, or any other table that DuckDB reads by its suffix.
        where: Clips to take: an SQL expression on its columns; None takes all.
        database: The connection of the database; the table is kept on its disk.

    Raises:
        UserError: It cannot be read, lacks a column, names a clip twice, or the filter leaves nothing.
    """

    def __init__(self, path: Path, where: str | None, database: Any) -> None:  # noqa: ANN401 - of DuckDB
        self.path, self.database = path, database
        errors = needed("duckdb")
        if not path.is_file():
            raise UserError(f"There is no file {path}: check the path given as manifest.")
        try:
            with querying([path]) as connection:
                table, types = _table(path, connection)
        except errors.Error as error:
            raise UserError(
                f"{path} is not a table that can be read ({reason(error)}): give a Parquet or CSV file with a"
                " row for each clip."
            ) from None
        lower = {name.lower(): name for name in types}
        found = {
            ours: next((lower[name] for name in names if name in lower), None)
            for ours, names in NAMES.items()
        }
        self.has_videos, self.captioned = found["video"] is not None, found["caption"] is not None
        for name in ("clip", "start", "end") if self.has_videos else ("clip",):
            if found[name] is None:
                raise UserError(
                    f"{path} has no column {name}, as far as it can be read: rename the column that it is to"
                    f" {name} (or {_others(name)}); in CSV, texts with a comma need quotation marks."
                )
        renamed = {theirs: ours for ours, theirs in found.items() if theirs is not None}
        self.in_seconds = _in_seconds([found["start"], found["end"]], types)
        values = {ours: quoted(theirs) for theirs, ours in renamed.items()}
        values |= {
            ours: f"{values[ours]}::VARCHAR" for ours in ("clip", "video", "caption") if ours in values
        }
        for ours in ("start", "end"):
            if ours in values:  # numbers, or time codes
                text = f"{values[ours]}::VARCHAR"
                values[ours] = f"coalesce(try_cast({text} AS DOUBLE), epoch(try_cast({text} AS INTERVAL)))"
        chosen = ", ".join(f"{value} AS {quoted('listed_' + ours)}" for ours, value in values.items())
        # what the clip's own row says is not taken over
        others = [name for name in types if name not in renamed and name.lower() not in COLUMNS]
        kept = "".join(f", {quoted(name)}" for name in [*others, *self._kept(lower)])
        # the filter may use a column by either name
        both = "".join(f", {values[o]} AS {quoted(o)}" for o in values if o not in lower)
        self.others = others
        filtered = f"WHERE (\n{where}\n)" if where else ""
        try:
            # in a connection that reads nothing but this file, whatever the filter says
            with querying([path]) as connection:
                if where:
                    check_lasting(where, connection)
                query = f"SELECT * FROM (SELECT *{both} FROM {table}) {filtered}"
                connection.execute(f"EXPLAIN {query}").fetchall()
                if self.has_videos and self.in_seconds:
                    self._check_unit([str(found["start"]), str(found["end"])], connection, table)
            database.execute(f"CREATE TABLE listed AS SELECT {chosen}{kept} FROM ({query})")
        except errors.Error as error:
            if where:
                raise wrong_filter(where, str(path), error, {*types, *values}) from None
            raise UserError(f"{path} is damaged ({reason(error)}): copy or download it again.") from None
        self._check(where)

    def _check_unit(self, names: list[str], connection: Any, table: str) -> None:  # noqa: ANN401 - of DuckDB
        """Refuse numbers that are no integers and yet all whole, in columns whose names tell no unit."""
        if any("_" in name for name in names):
            return
        numbers = [(quoted(name), f"try_cast({quoted(name)}::VARCHAR AS DOUBLE)") for name in names]
        whole = " AND ".join(
            f"bool_and({name} IS NULL OR coalesce({value} = trunc({value}), false))"
            for name, value in numbers
        )
        ((ambiguous,),) = connection.execute(f"SELECT {whole} FROM {table}").fetchall()
        if ambiguous:
            raise UserError(
                f"{self.path} has whole numbers that are no integers in {names[0]} and {names[1]}: rename the"
                " columns to start_frame and end_frame, or to start_time and end_time if they are seconds."
            )

    def _kept(self, lower: dict[str, str]) -> list[str]:
        """Columns for the clip's own row."""
        self.given = [name for name in ("split", "animation") if name in lower]
        return [lower[name] for name in self.given]

    def _check(self, where: str | None) -> None:
        nameless = "listed_clip IS NULL" + (" OR listed_video IS NULL" if self.has_videos else "")
        self.database.execute(f"DELETE FROM listed WHERE {nameless}")
        ((count,),) = self.database.execute("SELECT count(*) FROM listed").fetchall()
        if not count:
            what = f"The filter {where!r} leaves no clip of {self.path}: widen it."
            raise UserError(what if where else f"{self.path} has no row: give a list with clips.")
        twice = self.database.execute(
            "SELECT listed_clip FROM listed GROUP BY listed_clip HAVING count(*) > 1 LIMIT 1"
        ).fetchall()
        if twice:
            raise UserError(
                f"{self.path} has the clip {twice[0][0]} in two rows: give each a name of its own."
            )

        if "split" in self.given:
            wrong = self.database.execute(
                "SELECT DISTINCT split FROM listed"
                " WHERE split IS NULL OR split NOT IN ('train', 'val', 'test')"
            ).fetchall()
            if wrong:
                raise UserError(
                    f"{self.path} has the split {wrong[0][0]}: give train, val or test in each row."
                )

    def names(self) -> set[str]:
        """Names of the clips."""
        return {name for (name,) in self.database.execute("SELECT listed_clip FROM listed").fetchall()}

    def videos(self) -> list[tuple[str, str | None]]:
        """Each video's name with each animation that its clips have."""
        query = f"SELECT DISTINCT listed_video, {self._given('animation')} FROM listed ORDER BY ALL"
        return cast(list[tuple[str, str | None]], self.database.execute(query).fetchall())

    def clips(self) -> Iterator[tuple[str, list[ListedClip]]]:
        """The videos, shuffled by a hash, with their clips by their start.

        Rows without start or end are left out. The database may be written meanwhile.
        """
        cursor = self.database.cursor().execute(
            f"""SELECT listed_video, listed_clip, listed_start, listed_end, {self._given("split")},
            {self._given("animation")} FROM listed WHERE {_COMPLETE}
            ORDER BY md5(listed_video), listed_video, listed_start, listed_clip"""
        )
        rows = (row for some in iter(partial(cursor.fetchmany, 1000), []) for row in some)
        for video, clips in groupby(rows, key=itemgetter(0)):
            yield video, [ListedClip(*row[1:]) for row in clips]

    def _given(self, name: str) -> str:
        """A column for the clip's own row in SQL."""
        return f"{name}::VARCHAR" if name in self.given else "NULL"

    def incomplete(self) -> int:
        """Number of rows whose start or end is missing, or neither a number nor a time."""
        ((count,),) = self.database.execute(
            f"SELECT count(*) FROM listed WHERE NOT coalesce({_COMPLETE}, false)"
        ).fetchall()
        return int(count)

    def select(self) -> str:
        """What a manifest takes over, in SQL, from the table `listed`."""
        caption = ", listed_caption AS caption" if self.captioned else ""
        return caption + "".join(f", listed.{quoted(name)}" for name in self.others)


def _table(path: Path, connection: Any) -> tuple[str, dict[str, str]]:  # noqa: ANN401 - of DuckDB
    """A list's file as a table in SQL, and the types of its columns by name."""
    reader = {".parquet": "read_parquet", ".csv": "read_csv", ".tsv": "read_csv"}.get(path.suffix.lower())
    if reader is None:
        return literal(path), columns_of(connection, literal(path))
    # a folder may be called as in caption=none/list.csv
    options = f"{literal(path)}, hive_partitioning = false"
    if reader == "read_csv":
        options += ", header = true"
        names = columns_of(connection, f"{reader}({options})")
        texts = [name for name in names if name.lower() in _TEXTS]  # 001 and 2024/05/01 are names too
        if texts:
            given = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in texts)
            options += f", types = {{{given}}}"
    table = f"{reader}({options})"
    return table, columns_of(connection, table)


def _in_seconds(names: list[str | None], types: dict[str, str]) -> bool:
    """Whether columns of starts and ends count seconds; frames that pandas wrote may be no integers."""
    found = [name for name in names if name is not None]
    for suffix, seconds in (("_time", True), ("_frame", False)):
        if any(name.lower().endswith(suffix) for name in found):
            return seconds
    return any(types[name] not in _FRAME_TYPES for name in found)


def _others(name: str) -> str:
    return ", ".join(NAMES[name][1:])
