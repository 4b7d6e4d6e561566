"""Decoded and resized frames, kept in memory-mapped files between runs."""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from inbetween.data import shots
from inbetween.data.fit import Fit
from inbetween.data.scenes import Scene
from inbetween.data.source import WindowSpec
from inbetween.errors import UserError
from inbetween.io.files import whole_file, write_whole
from inbetween.io.images import Pixels, image_size, read_image
from inbetween.machine import cores
from inbetween.paths import cache_folder

_VERSION = 1  # of the files written here


@dataclass(frozen=True)
class StoredScene:
    """A scene's decoded frames, with its holds and cuts.

    Args:
        scene: The scene.
        file: A `.npy` of (frames, h, w, 3) uint8 RGB.
        fit: How the stored images are fitted to a window's size.
        hold_starts: For each frame, the number of the first frame of its hold.
        cuts: Numbers of the frames that start a new shot.
        ids: For each frame an int64 that is the same in every run, and changes with the file, or with how
            it is fitted.
    """

    scene: Scene
    file: Path
    fit: Fit
    hold_starts: tuple[int, ...]
    cuts: tuple[int, ...]
    ids: tuple[int, ...]

    def read(self, numbers: tuple[int, ...]) -> Pixels:
        """Frames by number, (len(numbers), h, w, 3).

        The file is mapped at each call, which takes a tenth of a millisecond: so this can be sent to worker
        processes, and many scenes do not run out of file handles.

        Raises:
            UserError: The file has been deleted or damaged since the store was opened.
        """
        try:
            return cast(Pixels, np.lib.format.open_memmap(self.file, mode="r")[list(numbers)])
        except (OSError, ValueError) as error:
            raise UserError(
                f"The frame store's {self.file} has been deleted or damaged meanwhile ({error}): run the same"
                " command again, which decodes it again."
            ) from error


class FrameStore:
    """The store for one specification of windows: two files per scene below `spec.cache_dir`.

    `<scene>.npy` holds the images, `<scene>.json` their files (name, bytes, time
    of change), holds and cuts. A scene is decoded again when a file changed, or when
    something is missing or cannot be read in full. Both files are moved into place
    when complete, the index last; a lock keeps processes from doing
    the same work twice. The folder may be deleted at any time between runs.

    Args:
        spec: The specification of windows.
    """

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        key = (_VERSION, shots.VERSION, *spec.size, spec.fit, *spec.background, spec.keep)
        self.folder = cache_folder(spec.cache_dir, "frames") / _digest(repr(key))

    def open(self, scenes: list[Scene]) -> list[StoredScene]:
        """All scenes, in order, decoding those that are not in the store yet.

        Raises:
            UserError: A frame cannot be used, frames of one scene differ in size, or the store cannot
                be written.
        """
        stored = [self._load(scene) for scene in scenes]
        if None in stored:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / "lock"):
                    for left in self.folder.glob("*.partial"):  # of a dead process: we hold the lock
                        left.unlink()
                    self._build([scene for scene, there in zip(scenes, stored, strict=True) if there is None])
            except OSError as error:
                raise UserError(
                    f"The frame store {self.folder} cannot be written ({error.strerror or error}): "
                    "make room, or choose another folder with cache_dir."
                ) from None
            stored = [there or self._load(scene) for scene, there in zip(scenes, stored, strict=True)]
        return cast(list[StoredScene], stored)

    def _load(self, scene: Scene) -> StoredScene | None:
        """The scene as stored, or None where it is missing, stale or damaged."""
        file = self._file(scene)
        try:
            index = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
            if index["frames"] != _state(scene):
                return None
            height, width = map(int, index["source"])
            fit = Fit((height, width), self.spec.size, self.spec.fit, self.spec.keep)
            # NumPy refuses to map a file that is shorter than its header specifies
            images = np.lib.format.open_memmap(file, mode="r")
            if images.shape != (len(scene.frames), *fit.store, 3) or images.dtype != np.uint8:
                return None
            hold_starts, cuts = tuple(map(int, index["hold_starts"])), tuple(map(int, index["cuts"]))
            places = range(len(scene.frames))
            if len(hold_starts) != len(places) or not {*hold_starts, *cuts} <= {*places}:
                return None
            # names of folder and file are digests of the specification and of the scene's path
            ids = (_id(repr((self.folder.name, file.name, *state))) for state in index["frames"])
            return StoredScene(scene, file, fit, hold_starts, cuts, tuple(ids))
        except (OSError, EOFError, ValueError, KeyError, TypeError, ArithmeticError):
            return None

    def _build(self, scenes: list[Scene]) -> None:
        """Decode scenes; those that another process has stored in the meantime are skipped."""
        scenes = [scene for scene in scenes if self._load(scene) is None]
        frames = sum(len(scene.frames) for scene in scenes)
        with ThreadPoolExecutor(cores()) as pool:
            with tqdm(total=frames, desc="Checking frames", unit="frame", delay=1, leave=False) as bar:
                sizes = [scene_size(scene, pool, bar.update) for scene in scenes]
            with tqdm(total=frames, desc="Decoding frames", unit="frame", delay=1) as bar:
                for scene, size in zip(scenes, sizes, strict=True):
                    self._build_scene(scene, size, pool, bar.update)

    def _build_scene(
        self, scene: Scene, size: tuple[int, int], pool: ThreadPoolExecutor, count: Callable[[], object]
    ) -> None:
        file = self._file(scene)
        fit = Fit(size, self.spec.size, self.spec.fit, self.spec.keep)
        # taken before decoding, so that a file changed meanwhile makes the index stale, not wrong
        state = _state(scene)

        def decode(path: Path) -> tuple[Pixels, Pixels]:
            image = read_image(path, self.spec.background)
            return fit.resized(image), shots.thumbnail(image)

        header = {"descr": "|u1", "fortran_order": False, "shape": (len(scene.frames), *fit.store, 3)}
        # not mapped: a process that writes to mapped memory of a full disk is killed
        with whole_file(file) as file_object:
            np.lib.format.write_array_header_1_0(file_object, header)

            def thumbnails() -> Iterator[Pixels]:
                for image, thumbnail in pool.map(decode, scene.frames):
                    file_object.write(np.ascontiguousarray(image).data)
                    count()
                    yield thumbnail

            hold_starts, cuts = shots.find_shots(thumbnails())
        index = {
            "folder": str(scene.frames[0].parent),
            "frames": state,
            "source": size,
            "hold_starts": hold_starts,
            "cuts": cuts,
        }
        write_whole(file.with_suffix(".json"), json.dumps(index).encode())

    def _file(self, scene: Scene) -> Path:
        return self.folder / f"{_digest(str(scene.frames[0].parent.resolve()))}.npy"


def scene_size(scene: Scene, pool: ThreadPoolExecutor, count: Callable[[], object]) -> tuple[int, int]:
    """Height and width of all frames of a scene.

    Args:
        scene: The scene.
        pool: Reads the headers.
        count: Called for each frame.

    Raises:
        UserError: They differ, or a frame cannot be used.
    """
    sizes = []
    for size in pool.map(image_size, scene.frames):
        sizes.append(size)
        count()
    for path, size in zip(scene.frames, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"Frames of one scene differ in size: {scene.frames[0]} has {_text(sizes[0])} pixels, "
                f"{path} has {_text(size)}: make them the same size, or put them into different folders."
            )
    return sizes[0]


def _text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _state(scene: Scene) -> list[list[str | int]]:
    """What changes with a scene's files: name, bytes and time of change of each frame."""
    stats = ((path.name, path.stat()) for path in scene.frames)
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def _id(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
