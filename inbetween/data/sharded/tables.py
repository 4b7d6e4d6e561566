"""Tables in files, queried through DuckDB in little memory, and filters on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inbetween.data.sharded.libraries import needed
from inbetween.errors import UserError

MEMORY = "512MB"  # that DuckDB may use
_STRING = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*")
_WORD = re.compile(r"\w+")
_CLOCKS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}


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
def querying(files: Sequence[Path] = (), spill: Path | None = None) -> Iterator[Any]:
    """A connection that reads some files and nothing else, whatever a filter says.

    It lives for one query or two: a connection does not survive the fork that makes a data worker.

    Args:
        files: The files.
        spill: Folder for what does not fit `MEMORY`, made when it is needed; without it nothing is spilt.
    """
    duckdb = needed("duckdb")
    config = {"memory_limit": MEMORY, "threads": 1, "temp_directory": "" if spill is None else str(spill)}
    connection = duckdb.connect(config=config)
    try:
        connection.execute(
            f"SET allowed_paths = [{', '.join(map(literal, files))}]; SET enable_external_access = false"
        )
        yield connection
    finally:
        connection.close()


def columns_of(connection: Any, table: str) -> dict[str, str]:  # noqa: ANN401 - of DuckDB
    """Name and type of the columns of a table or of a file's path as a literal."""
    rows = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()
    return {row[0]: row[1] for row in rows}


def check_lasting(where: str, connection: Any) -> None:  # noqa: ANN401 - of DuckDB
    """Check that an expression means the same in each query, process and run.

    Raises:
        UserError: It calls a function of chance, of the time or of the session.
    """
    words = {word.lower() for word in _WORD.findall(_STRING.sub(" ", where))}
    rows = connection.execute(
        """SELECT function_name FROM duckdb_functions() WHERE stability IS NOT NULL GROUP BY ALL
        HAVING bool_and(stability <> 'CONSISTENT')"""
    ).fetchall()
    changing = words & ({name for (name,) in rows} | _CLOCKS)
    if changing:
        raise UserError(
            f"The filter {where!r} calls {min(changing)}(), which gives something else each time: use columns"
            " alone, such as hash(clip) % 10 = 0 for a tenth of the clips."
        )


def wrong_filter(where: str, place: str, error: Exception, columns: set[str]) -> UserError:
    """The error for an expression that DuckDB refuses."""
    return UserError(
        f"The filter {where!r} does not fit {place} ({reason(error)}): give an SQL expression on its columns,"
        f" which are {', '.join(sorted(columns))}."
    )
