"""Tables and files of commands that evaluate several methods."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from inbetween.io.files import write_whole


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table for the terminal: header, rule and rows, numbers right-aligned.

    Args:
        rows: Cells of equally many columns, the header first.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines.insert(1, "-" * len(lines[0]))
    return [line.rstrip() for line in lines]


def csv_of(rows: Sequence[Sequence[str]]) -> str:
    """A table as CSV, the header first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def name_for(file: str, taken: Sequence[str]) -> str:
    """The name of a YAML file's method in tables: the file's stem, numbered where it is taken.

    The `config.yaml` of a run is named by the run, such as `exp1_version_0`.
    """
    path = Path(file)
    stem = "_".join(path.parts[-3:-1]) if path.name == "config.yaml" and len(path.parts) > 2 else path.stem
    same = sum(name.partition("#")[0] == stem for name in taken)
    return f"{stem}#{same + 1}" if same else stem


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, atomically; its folder is made."""
    write_whole(path, text.encode("utf-8"))
