"""A store of decoded images: found, split, decoded once, and mapped into memory by every worker."""

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from inbetween.data.scenes import (
    Scene,
    choose_split,
    existing_folder,
    split_by_name,
    split_folders,
)
from inbetween.errors import UserError
from inbetween.io.files import whole_file, write_whole
from inbetween.io.images import READABLE, Layers, read_layers
from inbetween.io.listing import frames_in, walk
from inbetween.machine import cores
from inbetween.types import Split

log = logging.getLogger(__name__)

Texture = NDArray[np.uint8]  # (h, w, 4) RGBA, colours multiplied by opacity

_VERSION = 1  # of the files written here
_SMALLEST = 8  # pixels of a level's shorter side, and of a sprite's longer one
_AT_ONCE = 64  # images decoded before they are written
_SEEN = 16  # opacity from which a pixel belongs to a sprite's bounding box
_OPAQUE = 0.995  # share of opaque pixels from which an image is a background


@dataclass(frozen=True)
class Entry:
    """Position of an image in a store.

    Args:
        name: Its path below the folder.
        opaque: It has no transparent regions.
        levels: (offset in bytes, height, width) of the image and its mipmaps.
    """

    name: str
    opaque: bool
    levels: tuple[tuple[int, int, int], ...]


class ImageStore:
    """Decoded images with their mipmaps in one file that all processes map.

    Args:
        file: The pixels; the index is a file beside it.
        entries: Its images.
    """

    def __init__(self, file: Path, entries: list[Entry]) -> None:
        self.file, self.entries = file, entries

    def pixels(self) -> NDArray[np.uint8]:
        """All bytes, mapped. Mapping costs a tenth of a millisecond, so nothing open is sent to workers.

        Raises:
            UserError: The file has been deleted or damaged since the store was opened.
        """
        try:
            return np.asarray(np.memmap(self.file, np.uint8, mode="r"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"The frame store's {self.file} has been deleted or damaged meanwhile ({error}): run the same"
                " command again, which rebuilds it."
            ) from error

    def longer(self, number: int) -> int:
        """Pixels of a stored image's longer side."""
        return max(self.entries[number].levels[0][1:])

    def texture(self, pixels: NDArray[np.uint8], number: int, longer: float) -> Texture:
        """An image's smallest level whose longer side has at least `longer` pixels, else its largest."""
        chosen = self.entries[number].levels[0]
        for level in self.entries[number].levels[1:]:
            if max(level[1:]) < longer:
                break
            chosen = level
        offset, height, width = chosen
        return pixels[offset : offset + height * width * 4].reshape(height, width, 4)


def find_images(root: Path, split: Split) -> list[Path]:
    """The images of a split in a folder, at any depth, in natural order.

    Folders train, val and test right below the root are the splits; else files are split by a hash of
    their path below the root without its suffix, about 80 : 10 : 10. Without a test split, it is val.

    Raises:
        UserError: There is no such folder, no image in it, or none of the split.
    """
    root = existing_folder(root)

    def below(folder: Path) -> list[Scene]:
        paths = [path for inner in walk(folder) for path in frames_in(inner)]
        return [Scene(path.relative_to(folder).with_suffix("").as_posix(), "", "", (path,)) for path in paths]

    folders = split_folders(root)
    by_split = {name: below(folder) for name, folder in folders.items()}
    if not folders:
        by_split = split_by_name(below(root))
    if not any(by_split.values()):
        raise UserError(f"{root} has no images: put images into it ({READABLE}).")
    images = [scene.frames[0] for scene in choose_split(by_split, split, root)]
    if not images:
        raise UserError(
            f"{root} has no image for the {split} split: add some, or make a folder named {split}."
        )
    return images


def open_store(folder: Path, root: Path, paths: list[Path], side: int, *, whole: bool) -> ImageStore:
    """Open the store of some images; decode them if there is none, or their files have changed.

    Args:
        folder: Folder of stores.
        root: The images' folder, for their names.
        paths: The image files.
        side: Pixels of the longer side that images are stored at.
        whole: Keep each image whole; else crop it to its opaque pixels.

    Raises:
        UserError: An image cannot be read, or the store cannot be written.
    """
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    digest = hashlib.blake2b(
        repr((_VERSION, side, whole, states)).encode("utf-8", "surrogateescape"), digest_size=12
    )
    file = folder / f"layers-{digest.hexdigest()}.rgba"
    entries = _load(file)
    if entries is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{file.stem}.lock"):
                entries = _load(file)  # another process may have been faster
                if entries is None:
                    entries = _build(file, root.expanduser(), paths, side, whole)
        except OSError as error:
            raise UserError(
                f"The frame store {folder} cannot be written ({error.strerror or error}): "
                "make room, or choose another folder with cache_dir."
            ) from None
    return ImageStore(file, entries)


def _load(file: Path) -> list[Entry] | None:
    """The images of a store, or None where it is missing or damaged."""
    try:
        index = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        if file.stat().st_size != index["bytes"]:
            return None
        return [
            Entry(name, opaque, tuple((int(o), int(h), int(w)) for o, h, w in levels))
            for name, opaque, levels in index["entries"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _build(file: Path, root: Path, paths: list[Path], side: int, whole: bool) -> list[Entry]:
    entries: list[Entry] = []
    offset = 0

    def decode(path: Path) -> list[Texture]:
        return _levels(read_layers(path), side, whole)

    with (
        whole_file(file, durable=False) as out,
        ThreadPoolExecutor(cores()) as pool,
        tqdm(total=len(paths), desc="Reading images", unit="image", delay=1) as bar,
    ):
        # in batches, which bounds memory, and the work left once an image has failed
        parts = (paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE))
        for path, levels in chain.from_iterable(
            zip(part, pool.map(decode, part), strict=True) for part in parts
        ):
            bar.update()
            if not levels:
                log.warning("%s is nearly empty: left out.", path)
                continue
            places = []
            for level in levels:
                out.write(level.data)
                places.append((offset, *level.shape[:2]))
                offset += level.size
            opaque = float(np.mean(levels[0][..., 3] > 250)) >= _OPAQUE
            entries.append(Entry(path.relative_to(root).as_posix(), opaque, tuple(places)))
    index = {"bytes": offset, "entries": [[e.name, e.opaque, e.levels] for e in entries]}
    write_whole(file.with_suffix(".json"), json.dumps(index).encode(), durable=False)
    return entries


def _levels(layers: Layers, side: int, whole: bool) -> list[Texture]:
    """An image shrunk to the stored size, and its mipmaps; empty if it has next to no opaque pixels."""
    color, opacity = layers.color, layers.opacity
    if opacity is None:
        opacity = np.full(color.shape[:2], 255, np.uint8)
    if not whole:
        left, top, width, height = cv2.boundingRect((opacity > _SEEN).astype(np.uint8))
        color, opacity = (part[top : top + height, left : left + width] for part in (color, opacity))
        if max(height, width) < _SMALLEST:
            return []
    # premultiplied, so that colours of transparent pixels do not bleed into opaque ones
    multiplied = cv2.multiply(color, cv2.merge([opacity] * 3), scale=1 / 255)
    texture = np.dstack([multiplied, opacity])
    share = side / max(texture.shape[:2])
    if share < 1:
        height, width = (max(round(length * share), 1) for length in texture.shape[:2])
        texture = cv2.resize(texture, (width, height), interpolation=cv2.INTER_AREA)
    levels = [np.ascontiguousarray(texture)]
    while min(levels[-1].shape[:2]) >= 2 * _SMALLEST:
        height, width = (length // 2 for length in levels[-1].shape[:2])
        levels.append(cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_AREA))
    return levels
