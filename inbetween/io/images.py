"""Image files: opened, checked, decoded and resized."""

import struct
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from inbetween.errors import UserError

Pixels = NDArray[np.uint8]

# Supported formats, by Pillow's names: those with a fixed appearance, decoded without an external program.
_SUFFIXES_OF = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),  # Pillow 11.3 and later
    "TGA": (".tga",),  # last: it has no signature
}
SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES_OF.values() for suffix in suffixes)
READABLE = "PNG, JPEG, WebP, TIFF, GIF, BMP, PPM, AVIF or TGA"  # in words
PIXEL_LIMIT = 64_000_000  # 8000 x 8000; a larger image is a mistake or a decompression bomb

ORIENTATION = 0x0112  # the EXIF tag
_SUBFILE = 254  # the TIFF tag of a page's kind
_SUBSTITUTE = 0b101  # its bits for a smaller copy and a mask
_UNFIT = {"CMYK": "CMYK colours", "LAB": "Lab colours", "F": "floating-point pixels"}
GREY_16_BITS = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes; also "I", of any depth, is read as such

# What Pillow raises for truncated or invalid files.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, struct.error)


@cache
def _formats() -> tuple[str, ...]:
    """The supported formats that this Pillow reads."""
    Image.init()
    return tuple(name for name in _SUFFIXES_OF if name in Image.OPEN)


def open_image(path: Path, content: bytes | None = None) -> Image.Image:
    """Read the header and refuse what must not or cannot be decoded.

    Args:
        path: The file.
        content: Its bytes, where there is no such file on disk.

    Raises:
        UserError: No image, too many pixels, or a colour model other than RGB, grey or a palette.
    """
    try:
        image = Image.open(path if content is None else BytesIO(content), formats=_formats())
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except (UnidentifiedImageError, SyntaxError, ValueError, EOFError):
        raise UserError(f"{path} is not an image that can be read: replace it or remove it.") from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror or error}): replace it or remove it."
        ) from None
    try:
        check_image(image, path)
    except UserError:
        image.close()
        raise
    return image


def check_image(image: Image.Image, name: Path | str) -> None:
    """Check that an opened image is supported.

    Args:
        image: It is not decoded.
        name: Its name in messages.

    Raises:
        UserError: It has more than `PIXEL_LIMIT` pixels, or CMYK, Lab or floating-point pixels.
    """
    if image.width * image.height > PIXEL_LIMIT:
        raise _too_large(name)
    if kind := _UNFIT.get(image.mode):
        raise UserError(f"{name} has {kind}, which have no fixed appearance on a screen: save it as RGB.")


def _too_large(path: Path | str) -> UserError:
    return UserError(
        f"{path} has more than {PIXEL_LIMIT // 1_000_000} million pixels: "
        "shrink it, or leave it out of the scene."
    )


def frames_of(image: Image.Image, path: Path) -> list[int]:
    """Numbers of the images in an opened file, in order, as Pillow counts them; for most files [0].

    An animation's fallback image, thumbnails, masks and second views are left out.

    Raises:
        UserError: The file is truncated.
    """
    try:
        count = getattr(image, "n_frames", 1)
        if count == 1 or image.format == "MPO":
            return [0]
        if image.format != "TIFF":
            return list(range(int(bool(image.info.get("default_image"))), count))
        frames = []
        for frame in range(count):
            image.seek(frame)
            if not image.tag_v2.get(_SUBFILE, 0) & _SUBSTITUTE:  # type: ignore[attr-defined]
                frames.append(frame)
        image.seek(0)
        return frames or [0]
    except BROKEN:
        raise damaged(path) from None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width in pixels of an opened file, from the header alone, after EXIF rotation."""
    # a PNG may have EXIF after the pixels, which would be decoded; EXIF before them is in `info`
    has_header = image.format != "PNG" or "exif" in image.info
    turned = has_header and image.getexif().get(ORIENTATION, 1) >= 5
    return (image.width, image.height) if turned else (image.height, image.width)


def image_size(path: Path) -> tuple[int, int]:
    """`upright_size` of a file that holds one image.

    Raises:
        UserError: As for `read_image`, except for what only decoding can find; or the file holds several
            images, of which `read_image` would take the first alone.
    """
    with open_image(path) as image:
        frames = frames_of(image, path)
        if frames != [0]:
            raise UserError(
                f"{path} holds {frames[-1] + 1} images where one is expected: save each as a file of its"
                " own, or remove it."
            )
        return upright_size(image)


def go_to(image: Image.Image, frame: int, path: Path) -> None:
    """Seek to one of an opened file's images.

    Raises:
        UserError: The file is truncated, or a later page has more than `PIXEL_LIMIT` pixels.
    """
    try:
        image.seek(frame)
    except BROKEN:
        raise damaged(path) from None
    check_image(image, path)


def damaged(path: Path | str) -> UserError:
    """The error for a truncated file."""
    return UserError(f"{path} is damaged or cut short: export it again or remove it.")


class Layers(NamedTuple):
    """A decoded image, its colours apart from its transparency."""

    color: Pixels  # (H, W, 3) RGB, not multiplied by opacity
    opacity: Pixels | None  # (H, W), 255 is opaque; None where the file has no transparency
    grey: bool  # stored without colour


class WideLayers(NamedTuple):
    """`Layers` in 16 bits a channel, from 0 to 65535."""

    color: NDArray[np.uint16]
    opacity: NDArray[np.uint16] | None
    grey: bool


def in_8_bits(layers: Layers | WideLayers) -> Layers:
    """A decoded image, rounded to 8 bits a channel."""
    if isinstance(layers, Layers):
        return layers
    opacity = None if layers.opacity is None else _rounded(layers.opacity)
    return Layers(_rounded(layers.color), opacity, layers.grey)


def _rounded(wide: NDArray[Any]) -> Pixels:
    """From 16 bits to the nearest of 256 values."""
    return ((wide.astype(np.int64).clip(0, 65535) + 128) // 257).astype(np.uint8)


def read_layers(path: Path, content: bytes | None = None) -> Layers:
    """Decode an image: palette, grey, 16-bit, with or without alpha; of several the first.

    Args:
        path: The file; its name may hold any characters.
        content: Its bytes, where there is no such file on disk.

    Returns:
        The image in 8 bits, rotated by its EXIF orientation.

    Raises:
        UserError: The file is no image, is truncated, has more than `PIXEL_LIMIT` pixels, or holds
            CMYK, Lab or floating-point pixels.
    """
    with open_image(path, content) as image:
        return decoded_layers(image, path)


def decoded_layers(image: Image.Image, path: Path | str) -> Layers:
    """`read_layers` of an opened file, at its current frame."""
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
    except BROKEN:
        raise damaged(path) from None
    if upright.mode in ("I", *GREY_16_BITS):
        # Pillow's own conversion clips at 255 instead of scaling.
        return Layers(np.repeat(_rounded(np.asarray(upright))[..., None], 3, axis=2), None, grey=True)
    grey = upright.mode in ("1", "L", "LA", "La")
    if upright.has_transparency_data:
        rgba = np.asarray(upright.convert("RGBA"))
        return Layers(rgba[..., :3], rgba[..., 3], grey)
    return Layers(np.asarray(upright.convert("RGB")), None, grey)


def read_image(path: Path, background: tuple[int, int, int], content: bytes | None = None) -> Pixels:
    """Decode an image and composite it over a background.

    Args:
        path: See `read_layers`.
        background: RGB in [0, 255] to composite over.
        content: See `read_layers`.

    Returns:
        (H, W, 3) RGB, rotated by its EXIF orientation.

    Raises:
        UserError: As for `read_layers`.
    """
    return composited(read_layers(path, content), background)


def composited(layers: Layers, background: tuple[int, int, int]) -> Pixels:
    """The image (H, W, 3) composited over a background, RGB in [0, 255]."""
    if layers.opacity is None:
        return layers.color
    alpha = layers.opacity[..., None].astype(np.uint16)
    mixed = layers.color * alpha + np.asarray(background, np.uint16) * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def resize(image: Pixels, height: int, width: int) -> Pixels:
    """Resize (H, W, 3) to (height, width, 3): by area when it shrinks, bicubic when it grows."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)
