"""The keyframes of one sequence: found, checked, and read one at a time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inbetween.data.images import Pixels, image_size, laid_on, read_layers
from inbetween.data.scenes import frames_in
from inbetween.data.shots import find_shots, thumbnail
from inbetween.errors import UserError

PAPER = (255, 255, 255)  # what cuts are looked for on


@dataclass(frozen=True)
class Keyframes:
    """An ordered sequence of drawings of one size.

    Args:
        paths: The files, two or more.
        size: Height and width in pixels.
        grey: All files are stored without colour.
        transparent: One of the files at least knows transparency.
        cuts: Numbers of the keyframes that begin another shot.
    """

    paths: tuple[Path, ...]
    size: tuple[int, int]
    grey: bool
    transparent: bool
    cuts: frozenset[int]

    def __str__(self) -> str:
        mode = ("grey" if self.grey else "RGB") + (" with transparency" if self.transparent else "")
        return f"{len(self.paths)} keyframes of {self.size[1]}x{self.size[0]} in {mode}"

    def read(self, number: int) -> Tensor:
        """A keyframe (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity."""
        layers = read_layers(self.paths[number])
        opaque = np.full(self.size, 255, np.uint8)
        opacity = opaque if layers.opacity is None else layers.opacity
        return _in_unit_range(np.dstack([layers.color, opacity])).permute(2, 0, 1)

    def as_stored(self, pictures: Tensor) -> Tensor:
        """Pictures (..., 4, H, W) with the channels that the keyframes have: L, LA, RGB or RGBA."""
        color, opacity = pictures[..., :3, :, :], pictures[..., 3:, :, :]
        if self.grey:
            color = color.mean(-3, keepdim=True)
        return torch.cat([color, opacity], -3) if self.transparent else color


def find_pictures(entries: Sequence[str]) -> tuple[Path, ...]:
    """Files in the order given; a folder stands for the pictures in it, in natural order.

    Raises:
        UserError: An entry is not there, or a folder holds no picture.
    """
    found: list[Path] = []
    for entry in entries:
        path = Path(entry).expanduser()
        inside = frames_in(path) if path.is_dir() else (path,)
        if not path.exists():
            raise UserError(f"There is no picture or folder {path}: check the path.")
        if not inside:
            raise UserError(f"{path} holds no picture: give a folder of PNG, JPEG, WebP or TIFF files.")
        found += inside
    return tuple(found)


def read_keyframes(
    entries: Sequence[str], progress: Callable[[Iterable[Path]], Iterable[Path]] = iter
) -> Keyframes:
    """Look at every keyframe once, so that a mistake is found before anything is drawn.

    Args:
        entries: See `find_pictures`.
        progress: Wraps the paths while they are gone through.

    Raises:
        UserError: There are fewer than two keyframes, one cannot be read, or their sizes differ.
    """
    paths = find_pictures(entries)
    if len(paths) < 2:
        raise UserError(
            f"There are {len(paths)} keyframes and two are needed: give --keyframes a.png b.png, or a folder."
        )
    size = one_size(paths, "Keyframes")
    grey, transparent = True, False
    thumbnails = []
    for path in progress(paths):
        layers = read_layers(path)
        grey, transparent = grey and layers.grey, transparent or layers.opacity is not None
        thumbnails.append(thumbnail(laid_on(layers, PAPER)))
    return Keyframes(paths, size, grey, transparent, frozenset(find_shots(thumbnails)[1]))


def read_spacing_map(path: Path) -> Tensor:
    """How far each pixel's motion has gone, from a grey picture: black is 0, white is 1.

    Returns:
        (1, H, W) in [0, 1].

    Raises:
        UserError: The picture cannot be read, or has colour or transparency.
    """
    layers = read_layers(path)
    if layers.opacity is not None or np.ptp(layers.color, axis=2).any():
        raise UserError(f"The spacing map {path} is not grey: save it without colour and transparency.")
    return _in_unit_range(layers.color[..., 0].copy())[None]


def one_size(paths: Sequence[Path], what: str) -> tuple[int, int]:
    """Height and width in pixels of pictures that share them.

    Args:
        paths: The files.
        what: What they are called in the message.

    Raises:
        UserError: Sizes differ, or a header cannot be read.
    """
    sizes = [image_size(path) for path in paths]
    for path, size in zip(paths, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{what} differ in size: {paths[0]} has {sizes[0][1]}x{sizes[0][0]} pixels, {path} has "
                f"{size[1]}x{size[0]}: make them the same size."
            )
    return sizes[0]


def _in_unit_range(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels).float() / 255
