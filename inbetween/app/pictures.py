"""The pictures of one user, as files in a folder that is theirs alone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from torch import Tensor

from inbetween.app.limits import MAX_PIXELS
from inbetween.data.keyframes import BACKGROUND, as_stored, with_opacity
from inbetween.data.shots import thumbnail
from inbetween.errors import UserError
from inbetween.io.files import write_whole
from inbetween.io.frames import encode_png, to_image
from inbetween.io.images import Pixels, WideLayers, composited, read_layers
from inbetween.io.png import Chunks, appearance, fits, without_profile
from inbetween.io.sequences import SourceImage, SourceImageReader, find_clip

THUMBNAIL = 240  # pixels of its longer side


class Look(NamedTuple):
    """How pixels are stored.

    Args:
        grey: Without colour.
        transparent: With an alpha channel.
        depth: Bits a channel, 8 or 16.
        chunks: Colour profile and resolution.
    """

    grey: bool
    transparent: bool
    depth: int = 8
    chunks: Chunks = ()


@dataclass(frozen=True)
class Picture:
    """A picture on disk.

    Args:
        name: Of its files, without suffix; a hash of its content.
        folder: Where they are: `NAME.png` is the picture, `NAME.webp` a small one.
        size: Height and width in pixels.
        look: How it is stored.
    """

    name: str
    folder: Path
    size: tuple[int, int]
    look: Look

    @property
    def path(self) -> Path:
        """The PNG file."""
        return self.folder / f"{self.name}.png"

    def read(self) -> Tensor:
        """The picture (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity."""
        return with_opacity(SourceImageReader().read(SourceImage(self.path)))

    def glance(self) -> Pixels:
        """A small copy on white, by which cuts are found."""
        return thumbnail(composited(read_layers(self.path), BACKGROUND))


def common_look(looks: Sequence[Look], palette: bool) -> Look:
    """The look of a sequence, as `interpolate` has it.

    Args:
        looks: Of all that is given, the first keyframe's first.
        palette: Whether it keeps to flat colours, which are of 8 bits.
    """
    grey = all(look.grey for look in looks)
    chunks = looks[0].chunks
    depth = 8 if palette else max(look.depth for look in looks)
    transparent = any(look.transparent for look in looks)
    return Look(grey, transparent, depth, chunks if fits(chunks, grey) else without_profile(chunks))


class Pictures:
    """Pictures in a folder; none is in memory.

    Args:
        folder: It exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, image: Tensor, look: Look) -> Picture:
        """Write a picture, and a small one of it.

        Args:
            image: (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity.
            look: How it is stored.
        """
        shown = as_stored(image, look.grey, look.transparent)
        content = encode_png(shown, look.depth, look.chunks)
        name = hashlib.blake2b(content, digest_size=12).hexdigest()
        write_whole(self.folder / f"{name}.png", content)
        small = to_image(shown).convert("RGBA" if look.transparent else "RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        small.save(self.folder / f"{name}.webp", quality=85, exact=True)
        return Picture(name, self.folder, (image.shape[1], image.shape[2]), look)

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
            found = find_clip([str(path)]).images
            chunks = () if found[0].of_video else appearance(path)
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
                depth = 16 if isinstance(layers, WideLayers) else 8
                look = Look(layers.grey, layers.opacity is not None, depth, chunks)
                yield self.add(with_opacity(layers), look)
        except UserError as error:  # users know the name of their file, not where it has been put
            raise UserError(str(error).replace(str(path), path.name)) from None
