"""The keyframes of one sequence: found, checked, and read one at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from inbetween.data.shots import find_cuts, thumbnail
from inbetween.errors import UserError
from inbetween.io.images import Layers, Pixels, composited
from inbetween.io.sequences import SourceImage, SourceImageReader, find_images

BACKGROUND = (255, 255, 255)  # that transparent images are composited over to detect cuts


@dataclass(frozen=True)
class Keyframes:
    """An ordered sequence of images of one size.

    Args:
        source_images: The images' files, two or more.
        size: Height and width in pixels.
        grey: All files are stored without colour.
        transparent: At least one of the files has transparency.
        cuts: Indices of the keyframes after a cut.
        reader: Reads them.
    """

    source_images: tuple[SourceImage, ...]
    size: tuple[int, int]
    grey: bool
    transparent: bool
    cuts: frozenset[int]
    reader: SourceImageReader = field(default_factory=SourceImageReader, repr=False, compare=False)

    def __str__(self) -> str:
        mode = ("grey" if self.grey else "RGB") + (" with transparency" if self.transparent else "")
        return f"{len(self.source_images)} keyframes of {self.size[1]}x{self.size[0]} in {mode}"

    def read(self, number: int) -> Tensor:
        """A keyframe (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity."""
        return with_opacity(self.reader.read(self.source_images[number]))

    def as_stored(self, image: Tensor) -> Tensor:
        """An image (..., 4, H, W) reduced to the keyframes' channels."""
        return as_stored(image, self.grey, self.transparent)


def with_opacity(layers: Layers) -> Tensor:
    """A decoded image (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity."""
    opaque = np.full(layers.color.shape[:2], 255, np.uint8)
    opacity = opaque if layers.opacity is None else layers.opacity
    return in_unit_range(np.dstack([layers.color, opacity])).permute(2, 0, 1)


def as_stored(image: Tensor, grey: bool, transparent: bool) -> Tensor:
    """An image (..., 4, H, W) as L, LA, RGB or RGBA: (..., 1 to 4, H, W)."""
    color, opacity = image[..., :3, :, :], image[..., 3:, :, :]
    if grey:
        color = color.mean(-3, keepdim=True)
    return torch.cat([color, opacity], -3) if transparent else color


def read_keyframes(
    entries: Sequence[str], progress: Callable[[Iterable[SourceImage]], Iterable[SourceImage]] = iter
) -> Keyframes:
    """Check every keyframe once, so that errors are found before interpolation starts.

    Args:
        entries: See `find_images`.
        progress: Wraps the iteration over the images, for a progress bar.

    Raises:
        UserError: There are fewer than two keyframes, one cannot be read, or their sizes differ.
    """
    source_images, reader = find_images(entries), SourceImageReader()
    if len(source_images) < 2:
        found = "is 1 keyframe" if source_images else "are no keyframes"
        raise UserError(f"There {found} and two are needed: give --keyframes a.png b.png, or a folder.")
    size = one_size(source_images, "Keyframes", reader)
    grey, transparent = True, False

    def thumbnails() -> Iterator[Pixels]:
        nonlocal grey, transparent
        for source_image in progress(source_images):
            layers = reader.read(source_image)
            grey, transparent = grey and layers.grey, transparent or layers.opacity is not None
            yield thumbnail(composited(layers, BACKGROUND))

    cuts = frozenset(find_cuts(thumbnails()))
    return Keyframes(source_images, size, grey, transparent, cuts, reader)


def read_spacing_map(source_image: SourceImage, reader: SourceImageReader) -> Tensor:
    """Read a spacing map from a grey image: black is 0, white is 1.

    Returns:
        (1, H, W) in [0, 1].

    Raises:
        UserError: The image cannot be read, or has colour or transparency.
    """
    layers = reader.read(source_image)
    if layers.opacity is not None or np.ptp(layers.color, axis=2).any():
        raise UserError(
            f"The spacing map {source_image} is not grey: save it without colour and transparency."
        )
    return in_unit_range(layers.color[..., 0].copy())[None]


def one_size(source_images: Sequence[SourceImage], what: str, reader: SourceImageReader) -> tuple[int, int]:
    """The common height and width of images in pixels.

    Args:
        source_images: The images.
        what: Their name in the message.
        reader: Reads them.

    Raises:
        UserError: Sizes differ, or a header cannot be read.
    """
    sizes = [reader.size(source_image) for source_image in source_images]
    for source_image, size in zip(source_images, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{what} differ in size: {source_images[0]} has {sizes[0][1]}x{sizes[0][0]} pixels,"
                f" {source_image} has {size[1]}x{size[0]}: make them the same size."
            )
    return sizes[0]


def in_unit_range(pixels: Pixels) -> Tensor:
    """Pixels from 0 to 255 as float32 in [0, 1]."""
    return torch.from_numpy(pixels).float() / 255
