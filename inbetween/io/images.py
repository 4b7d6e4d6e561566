"""Image files: opened, checked, decoded and resized."""

import struct
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from inbetween.errors import UserError

Pixels = NDArray[np.uint8]

# What is read, by Pillow's name: what keeps pixels as they look, and runs no program to be decoded.
_SUFFIXES_OF = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),  # Pillow 11.3 and later
    "TGA": (".tga",),  # last: nothing at its beginning tells it
}
SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES_OF.values() for suffix in suffixes)
READABLE = "PNG, JPEG, WebP, TIFF, GIF, BMP, PPM, AVIF or TGA"  # in words
PIXEL_LIMIT = 64_000_000  # 8000 x 8000; a larger image is a mistake or a decompression bomb

_ORIENTATION = 0x0112  # the EXIF tag
_SUBFILE = 254  # the TIFF tag that says what a page is
_SUBSTITUTE = 0b101  # of it: a smaller copy, a mask
_UNFIT = {"CMYK": "CMYK colours", "LAB": "Lab colours", "F": "floating-point pixels"}
_GREY_16 = ("I", "I;16", "I;16L", "I;16B", "I;16N")

# What Pillow raises where a file ends too soon or makes no sense.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, struct.error)


@cache
def _formats() -> tuple[str, ...]:
    """What of it this Pillow reads."""
    Image.init()
    return tuple(name for name in _SUFFIXES_OF if name in Image.OPEN)


def open_image(path: Path) -> Image.Image:
    """Read the header and refuse what must not or cannot be decoded.

    Raises:
        UserError: No image, too many pixels, or a colour model other than RGB, grey or a palette.
    """
    try:
        image = Image.open(path, formats=_formats())
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
    """Make sure that an opened image is one that is read.

    Args:
        image: It is not decoded.
        name: What it is called in the message.

    Raises:
        UserError: It has more than `PIXEL_LIMIT` pixels, or CMYK, Lab or floating-point pixels.
    """
    if image.width * image.height > PIXEL_LIMIT:
        raise _too_large(name)
    if kind := _UNFIT.get(image.mode):
        raise UserError(f"{name} has {kind}, which have no fixed look on a screen: save it as RGB.")


def _too_large(path: Path | str) -> UserError:
    return UserError(
        f"{path} has more than {PIXEL_LIMIT // 1_000_000} million pixels: "
        "shrink it, or leave it out of the scene."
    )


def frames_of(image: Image.Image, path: Path) -> list[int]:
    """Numbers of the images in an opened file, in order, as Pillow counts them; for most files [0].

    What an animation shows where it cannot be played, thumbnails, masks and second views are none.

    Raises:
        UserError: The file is cut short.
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
    except _BROKEN:
        raise damaged(path) from None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width in pixels of an opened file, from the header alone, the right way up."""
    # PNG looks for EXIF behind the pixels and would decode them; the one before them is in `info`.
    has_header = image.format != "PNG" or "exif" in image.info
    turned = has_header and image.getexif().get(_ORIENTATION, 1) >= 5
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
        UserError: The file is cut short, or a later page has more than `PIXEL_LIMIT` pixels.
    """
    try:
        image.seek(frame)
    except _BROKEN:
        raise damaged(path) from None
    check_image(image, path)


def damaged(path: Path | str) -> UserError:
    """What to say of a file that ends too soon."""
    return UserError(f"{path} is damaged or cut short: export it again or remove it.")


class Layers(NamedTuple):
    """A decoded image, its colours apart from its transparency."""

    color: Pixels  # (H, W, 3) RGB, not multiplied by opacity
    opacity: Pixels | None  # (H, W), 255 is opaque; None where the file knows no transparency
    grey: bool  # stored without colour


def read_layers(path: Path) -> Layers:
    """Decode an image: palette, grey, 16-bit, with or without alpha; of several the first.

    Args:
        path: The file; its name may hold any characters.

    Returns:
        The image in 8 bits, rotated as its EXIF orientation says.

    Raises:
        UserError: The file is no image, is truncated, has more than `PIXEL_LIMIT` pixels, or holds
            CMYK, Lab or floating-point pixels.
    """
    with open_image(path) as image:
        return decoded_layers(image, path)


def decoded_layers(image: Image.Image, path: Path | str) -> Layers:
    """`read_layers` of an opened file, at the image it stands at."""
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
    except _BROKEN:
        raise damaged(path) from None
    if upright.mode in _GREY_16:
        # Pillow's own conversion clips at 255 instead of scaling.
        wide = (np.asarray(upright).astype(np.int64).clip(0, 65535) + 128) // 257
        return Layers(np.repeat(wide.astype(np.uint8)[..., None], 3, axis=2), None, grey=True)
    grey = upright.mode in ("1", "L", "LA", "La")
    if upright.has_transparency_data:
        rgba = np.asarray(upright.convert("RGBA"))
        return Layers(rgba[..., :3], rgba[..., 3], grey)
    return Layers(np.asarray(upright.convert("RGB")), None, grey)


def read_image(path: Path, background: tuple[int, int, int]) -> Pixels:
    """Decode an image and composite it over a background.

    Args:
        path: See `read_layers`.
        background: RGB in [0, 255] to composite over.

    Returns:
        (H, W, 3) RGB, turned as its EXIF orientation says.

    Raises:
        UserError: As for `read_layers`.
    """
    return composited(read_layers(path), background)


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
