"""The pictures of one user, as files in a folder that is theirs alone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from inbetween.app.limits import MAX_PIXELS
from inbetween.data.keyframes import BACKGROUND, as_stored, with_opacity
from inbetween.data.shots import thumbnail
from inbetween.errors import UserError
from inbetween.io.files import write_whole
from inbetween.io.frames import encode_png, to_image
from inbetween.io.images import Pixels, composited, read_layers
from inbetween.io.sequences import SourceImageReader, find_images

THUMBNAIL = 240  # pixels of its longer side


@dataclass(frozen=True)
class Picture:
    """A picture on disk.

    Args:
        name: Of its files, without suffix; a hash of its pixels.
        folder: Where they are: `NAME.png` is the picture, `NAME.webp` a small one.
        size: Height and width in pixels.
        grey: It has no colour.
        transparent: It has an alpha channel.
    """

    name: str
    folder: Path
    size: tuple[int, int]
    grey: bool
    transparent: bool

    @property
    def path(self) -> Path:
        """The PNG file."""
        return self.folder / f"{self.name}.png"

    def read(self) -> Tensor:
        """The picture (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity."""
        return with_opacity(read_layers(self.path))

    def glance(self) -> Pixels:
        """A small copy on white, by which cuts are found."""
        return thumbnail(composited(read_layers(self.path), BACKGROUND))


class Pictures:
    """Pictures in a folder; none is in memory.

    Args:
        folder: It exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, image: Tensor, grey: bool, transparent: bool) -> Picture:
        """Write a picture, and a small one of it.

        Args:
            image: (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity.
            grey: Store it without colour.
            transparent: Store its opacity.
        """
        shown = as_stored(image, grey, transparent)
        content = encode_png(shown)
        name = hashlib.blake2b(content, digest_size=12).hexdigest()
        write_whole(self.folder / f"{name}.png", content)
        small = to_image(shown)
        small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        small.convert("RGBA" if transparent else "RGB").save(
            self.folder / f"{name}.webp", quality=85, exact=True
        )
        return Picture(name, self.folder, (image.shape[1], image.shape[2]), grey, transparent)

    def keep(self, names: Collection[str]) -> None:
        """Remove all pictures but these."""
        for path in self.folder.iterdir():
            if path.stem not in names and path.suffix in (".png", ".webp"):
                path.unlink(missing_ok=True)

    def read_file(self, path: Path, most: int, size: tuple[int, int] | None) -> Iterator[Picture]:
        """Read the images of a file that a user gave.

        Args:
            path: The file, named as the user has it.
            most: How many images it may hold.
            size: Height and width that they must have; None for any.

        Raises:
            UserError: It cannot be read, or holds too many images, or some that are too large or of another
                size.
        """
        reader = SourceImageReader()
        try:
            found = find_images([str(path)])
            if len(found) > most:
                raise UserError(f"{path} holds {len(found)} images and there is room for {most}: give fewer.")
            for source_image in found:
                own = reader.size(source_image)
                if own[0] * own[1] > MAX_PIXELS:
                    raise UserError(
                        f"{path} has {own[1]}x{own[0]} pixels, and {MAX_PIXELS // 1_000_000} million are the"
                        " most that this page takes: give a smaller one."
                    )
                if size not in (None, own):
                    assert size is not None
                    raise UserError(
                        f"{path} has {own[1]}x{own[0]} pixels and the keyframes have {size[1]}x{size[0]}:"
                        " give one of the same size."
                    )
                size = own
                layers = reader.read(source_image)
                yield self.add(with_opacity(layers), layers.grey, layers.opacity is not None)
        except UserError as error:  # users know the name of their file, not where it has been put
            raise UserError(str(error).replace(str(path), path.name)) from None
