"""`review.csv`: which frames of a sequence to review."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from inbetween.commands.reports import csv_of, write_text
from inbetween.errors import UserError
from inbetween.metrics import REVIEW_LABELS

REVIEW_FILE = "review.csv"
COLUMNS = ("frame", "expected_error", "review")


class Review(NamedTuple):
    """What is predicted of a frame."""

    error: float  # mean absolute error, in [0, 1]
    label: str  # one of `REVIEW_LABELS`


def read_review(folder: Path) -> dict[str, Review]:
    """The frames in a folder's review file, by the names of their files; none without such a file.

    Raises:
        UserError: The file has been changed, as by a spreadsheet program that saved it in its own way.
    """
    path = folder / REVIEW_FILE
    if not path.is_file():
        return {}
    try:
        # some programs put a mark at the beginning
        rows = [*csv.reader(path.read_text(encoding="utf-8-sig").splitlines())]
        if tuple(rows[0]) != COLUMNS:
            raise ValueError("other columns")
        found = {name: Review(float(error), label) for name, error, label in rows[1:]}
    except (ValueError, IndexError, csv.Error):
        found = None
    if found is None or not {review.label for review in found.values()} <= {*REVIEW_LABELS}:
        raise UserError(
            f"{path} has been changed by another program: give another folder with --output, or draw all"
            " frames again with --overwrite true."
        )
    return found


def write_review(folder: Path, reviews: Mapping[str, Review]) -> None:
    """Write a folder's review file, in the order of the frames.

    Raises:
        OSError: It cannot be written.
    """
    rows = [
        (name, f"{reviews[name].error:.5f}", reviews[name].label)
        for name in sorted(reviews, key=lambda name: (len(name), name))
    ]
    write_text(folder / REVIEW_FILE, csv_of([COLUMNS, *rows]))
