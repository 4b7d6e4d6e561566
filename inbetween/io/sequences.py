"""Images in order, from files that hold one or many: found, and read one at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from inbetween.errors import UserError
from inbetween.io.images import (
    READABLE,
    SUFFIXES,
    Layers,
    decoded_layers,
    frames_of,
    go_to,
    open_image,
    read_layers,
    upright_size,
)
from inbetween.io.listing import files_beside, frames_in

# Other image and video formats, which Pillow may not recognise by their first bytes.
_OTHER = frozenset(
    {".psd", ".psb", ".xcf", ".kra", ".ora", ".clip", ".csp", ".sai", ".sai2", ".mdp", ".procreate", ".ai"}
    | {".afphoto", ".svg", ".svgz", ".eps", ".exr", ".hdr", ".dpx", ".heic", ".heif", ".jxl"}
    | {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
)


class SourceImage(NamedTuple):
    """A file, or one image of an animated or many-paged one."""

    path: Path
    frame: int | None = None  # as Pillow counts; None where the file holds one image

    def __str__(self) -> str:
        return str(self.path) if self.frame is None else f"{self.path} (image {self.frame + 1})"


def find_images(entries: Sequence[str]) -> tuple[SourceImage, ...]:
    """Images in the order given.

    A folder stands for the files in it, in natural order, and an animated or many-paged file for all of its
    images.

    Raises:
        UserError: An entry is not there, is of a kind that is not read, or a folder holds no image.
    """
    found: list[Path] = []
    for entry in entries:
        path = Path(entry).expanduser()
        inside = frames_in(path) if path.is_dir() else (path,)
        if not path.exists():
            raise UserError(f"There is no image or folder {path}: check the path.")
        if not inside:
            raise UserError(f"{path} holds no image: give a folder of {READABLE} files.")
        if path.suffix.lower() not in SUFFIXES and not path.is_dir():
            raise UserError(f"{path} is of a kind that is not read: save it as {READABLE}.")
        found += inside
    return tuple(source_image for path in found for source_image in _images_of(path))


def left_out(entries: Sequence[str]) -> list[Path]:
    """What lies in the folders among `entries` and looks like an image, of a kind that is not read."""
    folders = [path for path in (Path(entry).expanduser() for entry in entries) if path.is_dir()]
    return [path for folder in folders for path in files_beside(folder, SUFFIXES) if _looks_like_one(path)]


class SourceImageReader:
    """Reads images, best in order: the file stays open until another one is read.

    The next image of an animation then costs one image, where a fresh start would cost all before it.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._image: Image.Image | None = None

    def size(self, source_image: SourceImage) -> tuple[int, int]:
        """Height and width in pixels, the right way up.

        Raises:
            UserError: As for `image_size`.
        """
        if source_image.frame is None:
            with open_image(source_image.path) as image:
                return upright_size(image)
        image = self._opened(source_image.path, source_image.frame)
        if image.format == "TIFF":  # an animation has one size, and would have to be decoded
            go_to(image, source_image.frame, source_image.path)
        return upright_size(image)

    def read(self, source_image: SourceImage) -> Layers:
        """Decode an image.

        Raises:
            UserError: As for `read_layers`.
        """
        if source_image.frame is None:
            return read_layers(source_image.path)
        image = self._opened(source_image.path, source_image.frame)
        go_to(image, source_image.frame, source_image.path)
        layers = decoded_layers(image, source_image.path)
        # formats that can animate say that they know transparency whether or not anything is transparent
        opaque = layers.opacity is not None and bool((layers.opacity == 255).all())
        return layers._replace(opacity=None) if opaque else layers

    def _opened(self, path: Path, frame: int) -> Image.Image:
        # anew for an earlier image: Pillow rewinds an animated PNG once, and then finds it damaged
        if self._image is None or self._path != path or self._image.tell() > frame:
            if self._image is not None:
                self._image.close()
            self._path, self._image = path, open_image(path)
        return self._image


def _images_of(path: Path) -> list[SourceImage]:
    with open_image(path) as image:
        frames = frames_of(image, path)
    return [SourceImage(path)] if frames == [0] else [SourceImage(path, frame) for frame in frames]


def _looks_like_one(path: Path) -> bool:
    if path.suffix.lower() in _OTHER:
        return True
    try:
        with Image.open(path):
            return True
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return False
