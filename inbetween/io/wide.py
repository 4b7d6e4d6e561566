"""Images of 16 bits a channel; Pillow decodes only grey ones in full."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inbetween.io.images import ORIENTATION, Layers, WideLayers

_DEPTH, _PHOTOMETRIC, _FORMAT, _EXTRA = 258, 262, 339, 338  # TIFF tags
_GREY_WITH_OPACITY = 4  # PNG's colour type
_ASSOCIATED = 1  # TIFF's opacity by which colours are multiplied


def is_wide(image: Image.Image, path: Path) -> bool:
    """Whether an opened file has 16 bits a channel and is decoded in full by `wide_layers`: PNG and TIFF."""
    if image.format == "PNG":
        return _png_header(path)[0] == 16
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        depths, formats = tags.get(_DEPTH, ()), tags.get(_FORMAT, (1,))
        # versions of OpenCV differ in how they turn a page on its side
        on_its_side = tags.get(ORIENTATION, 1) >= 5
        plain = set(depths) == {16} and set(formats) == {1} and tags.get(_PHOTOMETRIC) in (1, 2)
        return plain and not on_its_side
    return False


def wide_layers(image: Image.Image, path: Path, narrow: Layers, frame: int = 0) -> WideLayers | None:
    """Decode a file for which `is_wide` holds.

    Args:
        image: It, at that frame.
        path: Its path.
        narrow: What Pillow has decoded: the file is whole.
        frame: Number of the page of a TIFF.

    Returns:
        The image, upright, in 16 bits; None if OpenCV cannot read it.
    """
    content = np.fromfile(path, np.uint8)
    if image.format == "TIFF":
        pages = cv2.imdecodemulti(content, cv2.IMREAD_UNCHANGED, range=(frame, frame + 1))[1]
        pixels = pages[0] if pages else None
    else:
        pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        return None
    grey = pixels.ndim == 2
    if grey:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    opacity = pixels[..., 3] if pixels.shape[2] == 4 else None
    if narrow.opacity is None:
        opacity = None
    elif opacity is None:  # one colour that is transparent
        return None
    color = pixels[..., 2::-1]
    if image.format == "PNG":
        grey |= _png_header(path)[1] == _GREY_WITH_OPACITY
    elif opacity is not None and image.tag_v2.get(_EXTRA, (0,))[0] == _ASSOCIATED:  # type: ignore[attr-defined]
        color = _divided(color, opacity)
    orientation = image.getexif().get(ORIENTATION, 1) if image.format == "PNG" else 1  # OpenCV turns TIFF
    color, opacity = (None if part is None else _upright(part, orientation) for part in (color, opacity))
    assert color is not None
    return WideLayers(color, opacity, grey)


def _png_header(path: Path) -> tuple[int, int]:
    """Bits a channel, and the colour type."""
    with path.open("rb") as file:
        start = file.read(26)
    return (start[24], start[25]) if len(start) == 26 else (0, 0)


def _divided(color: NDArray[np.uint16], opacity: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Colours that were multiplied by opacity, without it."""
    share = np.maximum(opacity, 1)[..., None].astype(np.float64) / 65535
    return np.rint(color / share).clip(0, 65535).astype(np.uint16)


def _upright(pixels: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    """Pixels (H, W, ...) turned and flipped as EXIF says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
