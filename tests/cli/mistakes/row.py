"""A row of the table of mistakes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cli.mistakes.place import Place


@dataclass(frozen=True)
class Row:
    """One mistake.

    Args:
        name: Of the row.
        args: Makes the mistake in a folder, and gives the command line.
        says: What the sentence names, each of them.
        leaves: Patterns of files and folders that may be there afterwards, below the row's folder.
        room: Bytes that a file may have at most, as on a disk that is full.
    """

    name: str
    args: Callable[[Place], list[str | Path]]
    says: tuple[str, ...]
    leaves: tuple[str, ...] = ()
    room: int | None = None


def row(
    name: str,
    args: Callable[[Place], list[str | Path]],
    *says: str,
    leaves: tuple[str, ...] = (),
    room: int | None = None,
) -> Row:
    """See `Row`."""
    return Row(name, args, says, leaves, room)
