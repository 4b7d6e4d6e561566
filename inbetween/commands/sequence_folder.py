"""A folder of numbered frames, filled by a job that can be interrupted and resumed."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from inbetween.commands.page.document import REPORT
from inbetween.commands.review_file import REVIEW_FILE, Review, read_review, write_review
from inbetween.errors import UserError
from inbetween.io.animation import Playing, encode_animation
from inbetween.io.files import write_whole
from inbetween.io.frames import encode_png
from inbetween.io.images import SUFFIXES
from inbetween.io.png import Chunks
from inbetween.io.sequences import ANIMATION, RECORD, SHEET
from inbetween.io.sheet import contact_sheet
from inbetween.metrics import REVIEW_LABELS, review_label

# files of a job that show its frames together
TOGETHER = re.compile(rf"{ANIMATION}\.(webp|gif|apng|mp4)|{SHEET}\.png")
# files of a job, except its record
OURS = re.compile(rf"\d{{4,}}\.png|{TOGETHER.pattern}|{re.escape(REVIEW_FILE)}")


class SequenceFolder:
    """Frames as `0000.png`, `0001.png`, ... in the order they are shown.

    Several candidates of a sequence get a folder each: `candidate_1`, `candidate_2`, ...

    Args:
        folder: The output folder.
        candidates: Number of candidates of the sequence.
        hold: How often each frame is written, to be shown that often.
        depth: Bits a channel, 8 or 16.
        chunks: Colour profile and resolution of the frames; see `encode_png`.
    """

    def __init__(self, folder: Path, candidates: int, hold: int, depth: int = 8, chunks: Chunks = ()) -> None:
        self.folder, self.hold, self.depth, self.chunks = folder, hold, depth, chunks
        numbered = [folder / f"candidate_{number}" for number in range(1, candidates + 1)]
        self.folders = numbered if candidates > 1 else [folder]

    def __str__(self) -> str:
        first, last = self.folders[0].name, self.folders[-1].name
        return str(self.folder) if len(self.folders) == 1 else f"{self.folder}: {first} to {last}"

    def prepare(self, inputs: list[Path], job: dict[str, Any], overwrite: bool) -> None:
        """Check that no file of the user's is overwritten, then write the job's record.

        Frames of the same job are kept: it resumes with the missing ones.

        Args:
            inputs: Files that must outlive the job.
            job: Everything that determines the frames, as JSON values.
            overwrite: Remove the numbered frames of another job.

        Raises:
            UserError: The folder holds images of another job, an input lies in it, its review file has been
                changed, or it cannot be written.
        """
        # not `Path.resolve`, which fails where links point at each other
        used = {Path(os.path.realpath(folder)) for folder in [*self.folders, *self._folders_with_images()]}
        for path in dict.fromkeys(inputs):
            if Path(os.path.realpath(path)).parent in used:
                raise UserError(
                    f"{path} lies where the frames are to go: give a folder of its own with --output."
                )
        try:
            record = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none, or not ours
            record = None
        same_job = record == job
        if not overwrite and not same_job and self._folders_with_images():
            raise UserError(
                f"{self.folder} already holds other images: give another folder with --output, or replace "
                "them with --overwrite true."
            )
        if same_job and not overwrite:
            for folder in self.folders:
                read_review(folder)
        with self._writing():
            if record is not None and (overwrite or not same_job):
                (self.folder / REPORT).unlink(missing_ok=True)
            if overwrite:
                self._remove_frames()
            if not same_job:
                for folder in self.folders:
                    (folder / REVIEW_FILE).unlink(missing_ok=True)
                    if record is not None:
                        self._remove(folder, TOGETHER)
            write_whole(self.folder / RECORD, json.dumps(job, indent=2).encode())

    def has(self, candidate: int, numbers: range) -> bool:
        """Whether all files of these frames of a candidate, counted from 0, exist."""
        return all(path.exists() for number in numbers for path in self._files(candidate, number))

    def write(self, candidate: int, number: int, image: Tensor) -> None:
        """Write a frame (C, H, W) in [0, 1] as often as it is held; see `encode_png`.

        Raises:
            UserError: The folder cannot be written.
        """
        content = encode_png(image, self.depth, self.chunks)
        with self._writing():
            for path in self._files(candidate, number):
                write_whole(path, content)

    def play(self, count: int, kind: Playing, fps: float, plays: int = 0) -> None:
        """Write all `count` frames of each candidate as one animated file, at `fps` frames a second.

        MP4 shows each file of a held frame, other formats one of them for as long: what plays is the same.

        Raises:
            UserError: The folder cannot be written.
        """
        for candidate, folder in enumerate(self.folders):
            files = [self._files(candidate, number) for number in range(count)]
            each = [path for held in files for path in (held if kind == "mp4" else held[:1])]
            seconds = 1 / fps if kind == "mp4" else self.hold / fps
            with self._writing():
                write_whole(
                    folder / f"{ANIMATION}.{kind}", encode_animation(each, kind, seconds, plays=plays)
                )

    def write_sheet(self, count: int, keyframes: Container[int]) -> None:
        """Write all `count` frames of each candidate on one contact sheet, those that are keyframes marked.

        Raises:
            UserError: The folder cannot be written.
        """
        for candidate, folder in enumerate(self.folders):
            first = [self._files(candidate, number)[0] for number in range(count)]
            numbers = [number * self.hold for number in range(count)]
            encoded = io.BytesIO()
            contact_sheet(first, keyframes, numbers).save(encoded, "PNG")
            with self._writing():
                write_whole(folder / f"{SHEET}.png", encoded.getvalue())

    def write_review(
        self, candidate: int, numbers: Sequence[int], errors: Sequence[float], thresholds: tuple[float, float]
    ) -> None:
        """Add frames to `review.csv`, which lists the ones to review.

        Args:
            candidate: Index of the candidate.
            numbers: The frames' numbers, counted from 0.
            errors: The expected mean absolute error of each, in [0, 1].
            thresholds: See `review_label`.

        Raises:
            UserError: The folder cannot be written.
        """
        folder = self.folders[candidate]
        names = [self._files(candidate, number)[0].name for number in numbers]
        marked = {
            name: Review(error, review_label(error, thresholds))
            for name, error in zip(names, errors, strict=True)
        }
        with self._writing():
            write_review(folder, read_review(folder) | marked)

    def review(self) -> Iterator[str]:
        """Summary of each candidate's review file: how many frames are easy, and which are not."""
        for folder in self.folders:
            if reviews := read_review(folder):
                names = {
                    label: [name for name, review in reviews.items() if review.label == label]
                    for label in REVIEW_LABELS
                }
                parts = [f"{len(names.pop('easy'))} easy"]
                parts += [f"{label} {' '.join(found)}" for label, found in names.items() if found]
                yield f"{folder / REVIEW_FILE}: {'; '.join(parts)}"

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

    def _folders_with_images(self) -> list[Path]:
        candidates = [path for path in self.folder.glob("candidate_*") if path.is_dir()]
        places = [self.folder, *candidates] if self.folder.is_dir() else []
        return [place for place in places if any(map(_is_image, place.iterdir()))]

    def _remove_frames(self) -> None:
        for folder in self._folders_with_images():
            self._remove(folder, OURS)
            if folder != self.folder and not any(folder.iterdir()):
                folder.rmdir()

    @staticmethod
    def _remove(folder: Path, names: re.Pattern[str]) -> None:
        for path in folder.iterdir() if folder.is_dir() else ():
            if names.fullmatch(path.name):
                path.unlink()


def _is_image(path: Path) -> bool:
    """Whether a file is an image, but not one that shows a job's frames together."""
    return path.suffix.lower() in SUFFIXES and not TOGETHER.fullmatch(path.name)
