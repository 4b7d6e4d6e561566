"""A folder of numbered drawings that a long job fills, and goes on with after an interruption."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from inbetween.callbacks.images import encode_png, write_whole
from inbetween.data.images import SUFFIXES
from inbetween.errors import UserError

RECORD = "interpolate.json"  # what the drawings in a folder were made from
VERDICTS = "verdicts.csv"  # how sure the method is of each


class SequenceFolder:
    """Drawings as `0000.png`, `0001.png`, ... in the order they are shown.

    Several candidates of a sequence get a folder each: `candidate_1`, `candidate_2`, ...

    Args:
        folder: Where to.
        candidates: How many versions of the sequence there will be.
        hold: How many frames each drawing is shown for; it is written that often.
    """

    def __init__(self, folder: Path, candidates: int, hold: int) -> None:
        self.folder, self.hold = folder, hold
        numbered = [folder / f"candidate_{number}" for number in range(1, candidates + 1)]
        self.folders = numbered if candidates > 1 else [folder]

    def __str__(self) -> str:
        first, last = self.folders[0].name, self.folders[-1].name
        return str(self.folder) if len(self.folders) == 1 else f"{self.folder}: {first} to {last}"

    def prepare(self, inputs: list[Path], job: dict[str, Any], overwrite: bool) -> None:
        """Make sure that nothing of the user's is written over, then note what is drawn here.

        Drawings of the very same job stay: it goes on with what they lack.

        Args:
            inputs: Files that must outlive the job.
            job: All that decides what the drawings look like, as JSON can hold it.
            overwrite: Remove the numbered drawings of another job.

        Raises:
            UserError: The folder holds drawings of another job, an input lies in it, or it cannot be
                written.
        """
        used = {folder.resolve() for folder in [*self.folders, *self._folders_with_drawings()]}
        for path in inputs:
            if path.resolve().parent in used:
                raise UserError(
                    f"{path} lies where the drawings are to go: give a folder of its own with --output."
                )
        try:
            same_job = json.loads((self.folder / RECORD).read_text(encoding="utf-8")) == job
        except (OSError, ValueError):  # none, or not ours
            same_job = False
        if not overwrite and not same_job and self._folders_with_drawings():
            raise UserError(
                f"{self.folder} already holds other drawings: give another folder with --output, or replace "
                "them with --overwrite true."
            )
        with self._writing():
            if overwrite:
                self._remove_drawings()
            write_whole(self.folder / RECORD, json.dumps(job, indent=2).encode())

    def has(self, candidate: int, drawings: range) -> bool:
        """Whether all files of these drawings of a candidate, counted from 0, are there."""
        return all(path.exists() for number in drawings for path in self._files(candidate, number))

    def write(self, candidate: int, number: int, image: Tensor) -> None:
        """Write a drawing (C, H, W) in [0, 1] as often as it is held; see `encode_png`.

        Raises:
            UserError: The folder cannot be written.
        """
        content = encode_png(image)
        with self._writing():
            for path in self._files(candidate, number):
                write_whole(path, content)

    def judge(
        self, candidate: int, drawings: Sequence[int], errors: Sequence[float], limits: tuple[float, float]
    ) -> None:
        """Note what is to be done about drawings, in `verdicts.csv` beside them.

        Args:
            candidate: Of which they are.
            drawings: Their numbers, counted from 0; more than there are errors count no further.
            errors: The mean absolute error to expect of each.
            limits: Up to the first a drawing is `easy`, up to the second to `check`, beyond to `redraw`.

        Raises:
            UserError: The folder cannot be written.
        """
        path = self.folders[candidate] / VERDICTS
        lines = {int(line[0].split(".")[0]): line for line in read_csv(path)[1:]}
        for number, error in zip(drawings, errors, strict=False):
            frame, word = number * self.hold, ("easy", "check", "redraw")[bisect_left(limits, error)]
            lines[frame] = [f"{frame:04d}.png", f"{error:.5f}", word]
        rows = [["drawing", "expected_error", "verdict"], *(lines[frame] for frame in sorted(lines))]
        with self._writing():
            write_whole(path, "".join(",".join(row) + "\n" for row in rows).encode())

    def verdicts(self) -> Iterator[str]:
        """A line per candidate that was judged: how many are easy, and which are not."""
        for folder in self.folders:
            rows = read_csv(folder / VERDICTS)[1:]
            if rows:
                found = {word: [row[0] for row in rows if row[2] == word] for word in ("check", "redraw")}
                parts = [f"{len(rows) - sum(map(len, found.values()))} easy"]
                parts += [f"{word} {' '.join(names)}" for word, names in found.items() if names]
                yield f"{folder / VERDICTS}: {'; '.join(parts)}"

    def _files(self, candidate: int, number: int) -> list[Path]:
        frames = range(number * self.hold, (number + 1) * self.hold)
        return [self.folders[candidate] / f"{frame:04d}.png" for frame in frames]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self.folder} cannot be written ({error.strerror or error}): make room or give another "
                "folder with --output."
            ) from error

    def _folders_with_drawings(self) -> list[Path]:
        candidates = [path for path in self.folder.glob("candidate_*") if path.is_dir()]
        places = [self.folder, *candidates] if self.folder.is_dir() else []
        return [place for place in places if any(path.suffix.lower() in SUFFIXES for path in place.iterdir())]

    def _remove_drawings(self) -> None:
        for folder in self._folders_with_drawings():
            for path in folder.iterdir():
                if re.fullmatch(rf"\d{{4,}}\.png|{re.escape(VERDICTS)}", path.name):
                    path.unlink()
            if folder != self.folder and not any(folder.iterdir()):
                folder.rmdir()


def read_csv(path: Path) -> list[list[str]]:
    """The cells of a file that `judge` wrote; none where there is no file."""
    return [line.split(",") for line in path.read_text().splitlines()] if path.exists() else []
