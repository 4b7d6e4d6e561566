"""Scenes rendered from Lottie files: vector animation as JSON."""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from inbetween.data import lottie_frames
from inbetween.data.scenes import (
    Scene,
    SceneSource,
    choose_split,
    existing_folder,
    files_in,
    frames_in,
    split_by_name,
    split_folders,
    walk,
)
from inbetween.data.source import LARGEST_SIDE
from inbetween.errors import UserError
from inbetween.types import Split

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".json", ".tgs"})
TIMEOUT = 300.0  # seconds for one file; some keep the renderer busy for ever

_VERSION = 1  # of the frames written here
_FAILED = "failed.txt"  # says why a file has no frames


class LottieScenes(SceneSource):
    """Lottie files (`.json`, `.tgs`) in a folder, nested as you like: each is an animation of one scene.

    Every file is rendered once, by rlottie in a process of its own, to PNG files with transparency that are
    kept in `cache_dir`: all frames at the animation's own rate, mostly 25 to 60 a second, where
    neighbours differ little; larger `gaps` of the data module make larger motions of them. Files that
    the renderer refuses, crashes on or does not finish are left out with a warning, and remembered.

    Where `train`, `val` or `test` lie right below the root, and no file beside them, they are the splits;
    else animations are dealt out by a hash of their path without the suffix, about 80 : 10 : 10. Without a
    test split, `test` means val.

    Args:
        root: The folder.
        exclude: Names of files to leave out, for example those that others measure on.
        side: Pixels of the longer side rendered at. Windows shrink frames, they never gain detail: give the
            window's longer side, divided by the share that a random crop keeps, or more.
        cache_dir: Folder of the rendered frames; it may be deleted between runs.

    Raises:
        UserError: A side out of range.
    """

    def __init__(
        self,
        root: Path,
        exclude: list[str] | None = None,
        side: int = 512,
        cache_dir: Path = Path("~/.cache/inbetween/lottie"),
    ) -> None:
        if not 1 <= side <= LARGEST_SIDE:
            raise UserError(f"side is {side}: give 1 to {LARGEST_SIDE} pixels.")
        self.root, self.exclude, self.side = Path(root), frozenset(exclude or ()), side
        self.cache_dir = Path(cache_dir)
        self.dealt: dict[Split, list[Scene]] | None = None

    def __str__(self) -> str:
        return str(self.root)

    def scenes(self, split: Split) -> list[Scene]:
        """The scenes of a split, in natural order; renders what is not in the cache yet.

        Raises:
            UserError: The root is not there, nothing in it can be rendered, a file to exclude is not there,
                the renderer is not installed, or the cache cannot be written.
        """
        root = existing_folder(self.root)
        if self.dealt is None:
            self.dealt = self._deal(root)
        return choose_split(self.dealt, split, root)

    def _deal(self, root: Path) -> dict[Split, list[Scene]]:
        folders = {} if files_in(root, SUFFIXES) else split_folders(root)
        files = {folder: _lottie_files(folder) for folder in folders.values() or [root]}
        everything = [file for found in files.values() for file in found]
        unknown = sorted(self.exclude - {file.name for file in everything})
        if unknown:
            raise UserError(f"{root} has no file {unknown[0]}: correct the names in exclude.")
        frames = self._render([file for file in everything if file.name not in self.exclude])
        scenes = {
            folder: [_scene(file, folder, frames[file]) for file in found if file in frames]
            for folder, found in files.items()
        }
        if not frames:
            raise UserError(f"{root} has no Lottie file (.json or .tgs) that can be rendered.")
        if folders:
            return {split: scenes[folder] for split, folder in folders.items()}
        return split_by_name(scenes[root])

    def _render(self, files: list[Path]) -> dict[Path, tuple[Path, ...]]:
        """The frames of every file that can be rendered."""
        try:
            renderer = version("rlottie-python")
        except PackageNotFoundError:
            raise UserError(
                "Lottie files need the renderer rlottie-python: pip install rlottie-python."
            ) from None
        cache = self.cache_dir.expanduser()
        look = f"{_VERSION} {renderer} {self.side} ".encode()
        places = {file: cache / _digest(look + file.read_bytes()) for file in files}
        try:
            if not all(place.is_dir() for place in places.values()):
                cache.mkdir(parents=True, exist_ok=True)
                with FileLock(cache / "lock"), ThreadPoolExecutor(os.cpu_count()) as pool:
                    # files of one content share a place; another process may have filled it meanwhile
                    waiting = {place: file for file, place in places.items() if not place.is_dir()}
                    jobs = pool.map(self._render_file, waiting.values(), waiting)
                    for _ in tqdm(jobs, "Rendering Lottie files", len(waiting), unit="file", delay=1):
                        pass
        except OSError as error:
            raise UserError(
                f"The rendered frames in {cache} cannot be written ({error.strerror or error}): "
                "make room, or choose another folder with cache_dir."
            ) from None
        failed = {file: place / _FAILED for file, place in places.items() if (place / _FAILED).exists()}
        if failed:
            log.warning(
                "%d of %d Lottie files cannot be rendered and are left out: %s. Delete %s to try again.",
                len(failed),
                len(files),
                ", ".join(f"{file.name} ({note.read_text('utf-8')})" for file, note in failed.items()),
                cache,
            )
        return {file: frames_in(place) for file, place in places.items() if file not in failed}

    def _render_file(self, file: Path, place: Path) -> None:
        """Fill the folder `place` with the frames of a file, or with a note of why there are none."""
        partial = place.with_suffix(f".{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            failure = _run_renderer(file, partial, self.side)
            if failure:
                shutil.rmtree(partial)
                partial.mkdir()
                (partial / _FAILED).write_text(failure, "utf-8")
            partial.replace(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _run_renderer(file: Path, folder: Path, side: int) -> str | None:
    """Render a file into a folder; why that cannot be done, or None.

    Raises:
        UserError: Something is wrong that is not the file's fault.
    """
    # -P: modules beside the script must not pass for others of their names
    command = [sys.executable, "-P", lottie_frames.__file__, str(file.resolve()), str(folder), str(side)]
    try:
        run = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"not done after {TIMEOUT:.0f} seconds"
    said = run.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
    if run.returncode == 1:  # an exception of Python's
        raise UserError(f"Rendering {file} failed ({said[-1]}): reinstall rlottie-python, or make room.")
    if run.returncode == lottie_frames.REFUSED:
        return said[-1]
    return "crashes the renderer" if run.returncode else None


def _lottie_files(root: Path) -> list[Path]:
    return [file for folder in walk(root) for file in files_in(folder, SUFFIXES)]


def _scene(file: Path, root: Path, frames: tuple[Path, ...]) -> Scene:
    """`<path without suffix>/<suffix>`: a file that is there as .json and as .tgs is one animation."""
    return Scene(file.relative_to(root).with_suffix("").as_posix(), file.suffix.lower()[1:], "", frames)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
