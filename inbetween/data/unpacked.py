"""Scenes in single files, such as video: each is unpacked once, into cached PNG files."""

import hashlib
import json
import logging
import shutil
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from filelock import FileLock
from tqdm import tqdm

from inbetween.data.scenes import (
    Scene,
    SceneSource,
    choose_split,
    existing_folder,
    split_by_name,
    split_folders,
)
from inbetween.data.source import LARGEST_SIDE
from inbetween.errors import UserError
from inbetween.io.files import whole_folder
from inbetween.io.listing import files_in, frames_in, walk
from inbetween.machine import cores
from inbetween.types import Split

log = logging.getLogger(__name__)

_FAILED = "failed.txt"  # the reason why a file has no frames
_WHOLE = "whole.json"  # names and bytes of the folder's other files


class UnpackedScenes(SceneSource):
    """Files in a folder, nested as you like, each unpacked once to PNG files that are kept in `cache_dir`.

    Files that cannot be unpacked are skipped with a warning, in later runs, too; what was damaged or deleted
    in the cache is unpacked again. Where `train`, `val` or `test` lie right below the root, and no file
    beside them, they are the splits; else animations are split by a hash of their name, about 80 : 10 : 10.
    Without a test split, `test` means val.

    Args:
        root: The folder.
        exclude: Names of files to leave out, for example those of an evaluation set.
        side: Pixels of the longer side that frames are kept at. Windows shrink frames, they never gain
            detail: give the window's longer side, divided by the share that a random crop keeps, or more.
        cache_dir: Folder of the frames; it may be deleted between runs.

    Raises:
        UserError: A side out of range.
    """

    suffixes: ClassVar[frozenset[str]]
    noun: ClassVar[str]  # "Lottie file"
    verb: ClassVar[tuple[str, str]]  # ("Rendering", "rendered")

    def __init__(self, root: Path, exclude: list[str] | None, side: int, cache_dir: Path) -> None:
        if not 1 <= side <= LARGEST_SIDE:
            raise UserError(f"side is {side}: give 1 to {LARGEST_SIDE} pixels.")
        self.root, self.exclude, self.side = Path(root), frozenset(exclude or ()), side
        self.cache_dir = Path(cache_dir)
        self.by_split: dict[Split, list[Scene]] | None = None
        # which animations to unpack, None for all; scenes of others have no frames
        self.only: Callable[[str], bool] | None = None

    def __str__(self) -> str:
        return str(self.root)

    @abstractmethod
    def unpacker(self) -> str:
        """Name and version of the decoder: frames of other versions are not used.

        Raises:
            UserError: It is not installed.
        """

    @abstractmethod
    def unpack(self, file: Path, folder: Path) -> str | None:
        """Write a file's frames into an empty folder; returns the reason if that fails, else None.

        Raises:
            UserError: Something is wrong that is not the file's fault.
        """

    @abstractmethod
    def scene(self, file: Path, root: Path, frames: tuple[Path, ...]) -> Scene:
        """The scene of a file, with its animation."""

    def identity(self, file: Path) -> bytes:
        """What changes when the file does; files of one identity share their frames."""
        return file.read_bytes()

    def scenes(self, split: Split) -> list[Scene]:
        """The scenes of a split, in natural order; unpacks files that are not in the cache yet.

        Raises:
            UserError: The root or a file to exclude does not exist, nothing can be unpacked,
                the decoder is not installed, or the cache cannot be written.
        """
        root = existing_folder(self.root)
        if self.by_split is None:
            self.by_split = self._split(root)
        return choose_split(self.by_split, split, root)

    def _split(self, root: Path) -> dict[Split, list[Scene]]:
        folders = {} if files_in(root, self.suffixes) else split_folders(root)
        files = {
            folder: [file for inner in walk(folder) for file in files_in(inner, self.suffixes)]
            for folder in folders.values() or [root]
        }
        everything = [file for found in files.values() for file in found]
        unknown = sorted(self.exclude - {file.name for file in everything})
        if unknown:
            raise UserError(f"{root} has no file {unknown[0]}: correct the names in exclude.")
        kept = {
            file: self.only is None or self.only(self.scene(file, folder, ()).animation)
            for folder, found in files.items()
            for file in found
            if file.name not in self.exclude
        }
        frames = self._unpacked([file for file, unpacked in kept.items() if unpacked])
        if self.only is not None:  # splits are those of all names
            frames = {file: frames.get(file, ()) for file in kept}
        scenes = {
            folder: [self.scene(file, folder, frames[file]) for file in found if file in frames]
            for folder, found in files.items()
        }
        if not frames:
            *others, last = sorted(self.suffixes)
            raise UserError(
                f"{root} has no {self.noun} ({', '.join(others)} or {last}) that can be {self.verb[1]}."
            )
        if folders:
            return {split: scenes[folder] for split, folder in folders.items()}
        return split_by_name(scenes[root])

    def _unpacked(self, files: list[Path]) -> dict[Path, tuple[Path, ...]]:
        """The frames of every file that can be unpacked."""
        cache = self.cache_dir
        key = f"{self.unpacker()} {self.side} ".encode()
        try:
            places = {file: cache / _digest(key + self.identity(file)) for file in files}
        except OSError as error:
            raise UserError(
                f"{error.filename} cannot be read ({error.strerror or error}): repair it, or name it in"
                " exclude."
            ) from None
        try:
            if not all(_is_whole(place) for place in places.values()):
                cache.mkdir(parents=True, exist_ok=True)
                with FileLock(cache / "lock"), ThreadPoolExecutor(cores()) as pool:
                    for left in cache.glob("*.partial"):  # of a dead process: we hold the lock
                        shutil.rmtree(left, ignore_errors=True)
                    # files of one identity share a place; another process may have filled it meanwhile
                    waiting = {place: file for file, place in places.items() if not _is_whole(place)}
                    jobs = pool.map(self._fill, waiting.values(), waiting)
                    for _ in tqdm(jobs, f"{self.verb[0]} {self.noun}s", len(waiting), unit="file", delay=1):
                        pass
        except OSError as error:
            raise UserError(
                f"The {self.verb[1]} frames in {cache} cannot be written ({error.strerror or error}): "
                "make room, or choose another folder with cache_dir."
            ) from None
        failed = {file: place / _FAILED for file, place in places.items() if (place / _FAILED).exists()}
        if failed:
            log.warning(
                "%d of %d %ss cannot be %s and are left out: %s. Delete %s to try again.",
                len(failed),
                len(files),
                self.noun,
                self.verb[1],
                ", ".join(f"{file.name} ({note.read_text('utf-8')})" for file, note in failed.items()),
                cache,
            )
        return {file: frames_in(place) for file, place in places.items() if file not in failed}

    def _fill(self, file: Path, place: Path) -> None:
        """Fill the folder `place` with the frames of a file, or with the reason why there are none."""
        with whole_folder(place) as partial:
            failure = self.unpack(file, partial)
            if failure:
                shutil.rmtree(partial)
                partial.mkdir()
                (partial / _FAILED).write_text(failure, "utf-8")
            (partial / _WHOLE).write_text(json.dumps(_sizes(partial)), "utf-8")


def _is_whole(place: Path) -> bool:
    """Whether a folder holds all files that were unpacked into it, by their names and sizes."""
    try:
        known: object = json.loads((place / _WHOLE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return known == _sizes(place)


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.name != _WHOLE}


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
