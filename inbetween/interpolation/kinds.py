"""Conversion of PIL images, numpy arrays and tensors to the methods' tensors and back."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from inbetween.data.keyframes import BACKGROUND, as_stored, in_unit_range, with_opacity
from inbetween.data.shots import thumbnail
from inbetween.data.transitions import Transitions, find_transitions
from inbetween.errors import UserError
from inbetween.interpolation.keep_palette import flat_palettes
from inbetween.interpolation.palette import FlatColours, PaletteMode
from inbetween.io.frames import to_bytes, to_image, to_words
from inbetween.io.images import GREY_16_BITS, Layers, check_image, composited, decoded_layers

ImageOrArray: TypeAlias = Image.Image | NDArray[np.uint8] | NDArray[np.uint16] | Tensor
KINDS = (
    "PIL images, numpy arrays (H, W, 3 or 4) uint8 or uint16, or tensors (3 or 4, H, W) of floats in [0, 1]"
)


@dataclass(frozen=True)
class Images:
    """Images of one kind and size.

    Args:
        layers: Each as (4, H, W) float32 in [0, 1] on the CPU: RGB, not multiplied by opacity, then opacity.
        originals: Each in the form that is returned.
        transparent: At least one of them has an alpha channel.
        give: Converts a frame (4, H, W) in [0, 1] to an image of the kind.
        joined: Combines images of the kind into one result.
    """

    layers: list[Tensor]
    originals: list[Any]
    transparent: bool
    give: Callable[[Tensor], Any]
    joined: Callable[[list[Any]], Any]

    def transitions(self) -> Transitions:
        """Cuts, fades and flashes between the images."""
        shown = (to_bytes(layers) for layers in self.layers)
        seen = (Layers(pixels[..., :3], pixels[..., 3], grey=False) for pixels in shown)
        return find_transitions(thumbnail(composited(layers, BACKGROUND)) for layers in seen)

    def palettes(
        self, palette: PaletteMode, names: Sequence[str] = (), held: Container[int] = ()
    ) -> list[FlatColours]:
        """The flat colours of each; see `flat_palettes`.

        Raises:
            UserError: `palette` is unknown, or an image is not flat-coloured.
        """
        names = names or [f"image {number}" for number in range(len(self.layers))]
        return flat_palettes(self.layers, palette, names, held)


def of_one_kind(images: Iterable[ImageOrArray] | ImageOrArray, names: Sequence[str] = ()) -> Images:
    """Two or more images that belong together.

    Args:
        images: See `KINDS`; as an array or a tensor, its first dimension counts them.
        names: What each is called in messages; `image 0` and so on by default.

    Raises:
        UserError: They differ in kind, size or channels, or are none.
    """
    if isinstance(images, np.ndarray | Tensor) and images.ndim != 4:
        shape = tuple(images.shape)
        raise UserError(f"images has the shape {shape}: give an array (K, H, W, C) or a tensor (K, C, H, W).")
    if not isinstance(images, Iterable | Image.Image):
        raise UserError(f"images is a {type(images).__name__}: give a list of keyframes in order.")
    found: list[ImageOrArray] = [images] if isinstance(images, Image.Image) else list(images)
    if len(found) < 2:
        raise UserError("Two images are needed at least: give a list of keyframes in order.")
    names = names or [f"image {number}" for number in range(len(found))]
    kinds = [next((kind for kind in READERS if isinstance(image, kind)), None) for image in found]
    for name, image, kind in zip(names, found, kinds, strict=True):
        if kind is None:
            raise UserError(f"{name} is a {type(image).__name__}: give {KINDS}.")
        if kind is not kinds[0]:
            raise UserError(
                f"{names[0]} is a {type(found[0]).__name__} and {name} a {type(image).__name__}: give all of"
                " one kind."
            )
    assert kinds[0] is not None
    return READERS[kinds[0]](found, names)


def _pil_images(images: Sequence[Image.Image], names: Sequence[str]) -> Images:
    found = []
    for image, name in zip(images, names, strict=True):
        check_image(image, name)
        if image.size != images[0].size:
            sizes = [f"{width}x{height}" for width, height in (images[0].size, image.size)]
            raise UserError(
                f"{names[0]} has {sizes[0]} pixels and {name} {sizes[1]}: give images of one size."
            )
        # Pillow converts grey with premultiplied opacity to nothing but LA
        found.append(decoded_layers(image.convert("LA") if image.mode == "La" else image, name))
    grey = all(layers.grey for layers in found)
    transparent = any(layers.opacity is not None for layers in found)
    # the only images of 16 bits that Pillow has
    wide = grey and not transparent and any(image.mode in GREY_16_BITS for image in images)
    layers = [
        _wide_grey(image) if wide and image.mode in GREY_16_BITS else with_opacity(layer)
        for image, layer in zip(images, found, strict=True)
    ]

    def give(frame: Tensor) -> Image.Image:
        stored = as_stored(frame, grey, transparent)
        return Image.fromarray(to_words(stored)[..., 0]) if wide else to_image(stored)

    return Images(layers, [give(layer) for layer in layers], transparent, give, list)


def _wide_grey(image: Image.Image) -> Tensor:
    """A grey image of 16 bits as (4, H, W) in [0, 1]."""
    grey = in_unit_range(np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16))
    return torch.cat([grey.expand(3, *grey.shape), torch.ones_like(grey)[None]])


def _arrays(images: Sequence[NDArray[Any]], names: Sequence[str]) -> Images:
    for image, name in zip(images, names, strict=True):
        if image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
            raise UserError(f"{name} has the shape {image.shape}: give an array (H, W, 3) or (H, W, 4).")
        if image.dtype not in (np.uint8, np.uint16):
            raise UserError(
                f"{name} is of {image.dtype}: give an array of uint8, from 0 to 255, or uint16, from 0"
                " to 65535."
            )
        if image.dtype != images[0].dtype:
            raise UserError(
                f"{names[0]} is of {images[0].dtype} and {name} of {image.dtype}: give one dtype."
            )
    _check_same([image.shape for image in images], names)
    channels, stored = images[0].shape[2], to_words if images[0].dtype == np.uint16 else to_bytes
    layers = [_with_opacity(in_unit_range(np.array(image)).permute(2, 0, 1)) for image in images]
    return Images(
        layers,
        list(images),
        channels == 4,
        lambda frame: stored(frame[:channels]),
        np.stack,
    )


def _tensors(images: Sequence[Tensor], names: Sequence[str]) -> Images:
    for image, name in zip(images, names, strict=True):
        if image.ndim != 3 or image.shape[0] not in (3, 4) or not image.numel():
            raise UserError(
                f"{name} has the shape {tuple(image.shape)}: give a tensor (3, H, W) or (4, H, W)."
            )
        if not image.is_floating_point():
            raise UserError(f"{name} is of {image.dtype}: give a tensor of floats in [0, 1].")
        low, high = (float(value) for value in image.detach().aminmax())
        if not (low >= 0 and high <= 1):
            raise UserError(f"{name} has values from {low:g} to {high:g}: give a tensor of floats in [0, 1].")
    _check_same([tuple(image.shape) for image in images], names)
    like, channels = images[0], len(images[0])
    originals = [image.detach().to(like) for image in images]
    return Images(
        [_with_opacity(image.float().cpu()) for image in originals],
        originals,
        channels == 4,
        lambda frame: frame[:channels].to(like),
        torch.stack,
    )


READERS: dict[type, Callable[..., Images]] = {
    Image.Image: _pil_images,
    np.ndarray: _arrays,
    Tensor: _tensors,
}


def _with_opacity(image: Tensor) -> Tensor:
    """An image (3 or 4, H, W) with opacity as its fourth channel."""
    return image if len(image) == 4 else torch.cat([image, torch.ones_like(image[:1])])


def _check_same(shapes: Sequence[tuple[int, ...]], names: Sequence[str]) -> None:
    for name, shape in zip(names, shapes, strict=True):
        if shape != shapes[0]:
            raise UserError(
                f"{names[0]} has the shape {shapes[0]} and {name} {shape}: give images of one size, with"
                " as many channels."
            )
