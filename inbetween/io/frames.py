"""Frames as files: 8-bit PNGs, each whole or absent."""

import hashlib
import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from inbetween.io.files import write_whole


def rounded(frames: Tensor) -> Tensor:
    """Frames in [0, 1] of any shape as uint8 on the CPU, rounded to the nearest of 256 values."""
    return (frames.detach().float().clamp(0, 1) * 255).round().byte().cpu()


def to_bytes(image: Tensor) -> np.ndarray:
    """An image (C, H, W) in [0, 1] as (H, W, C) uint8, `rounded`."""
    return rounded(image).permute(1, 2, 0).numpy()


def to_image(image: Tensor) -> Image.Image:
    """An image (C, H, W) in [0, 1], `rounded`, for Pillow: L, LA, RGB or RGBA for C = 1, 2, 3, 4."""
    pixels = to_bytes(image)
    return Image.fromarray(pixels.squeeze(-1) if len(image) == 1 else pixels)


def encode_png(image: Tensor) -> bytes:
    """An image as an 8-bit PNG.

    Args:
        image: (C, H, W) in [0, 1], rounded to the nearest of 256 values: grey, grey and opacity, RGB, or
            RGB and opacity for C = 1, 2, 3, 4. Colours are not multiplied by opacity.
    """
    encoded = io.BytesIO()
    to_image(image).save(encoded, "PNG")
    return encoded.getvalue()


def write_image(path: Path, image: Tensor) -> None:
    """Write an image as an 8-bit PNG; the file appears at once or not at all.

    Args:
        path: The file; its folder is made.
        image: See `encode_png`.
    """
    write_whole(path, encode_png(image))


def write_frames(folder: Path, frames: Iterable[Tensor]) -> None:
    """Write a clip as `0000.png`, `0001.png` and so on; numbered frames left over from a longer one go.

    Args:
        folder: Where to; made if needed.
        frames: Images (3, H, W) in [0, 1], in order.
    """
    written = set()
    for number, frame in enumerate(frames):
        path = folder / f"{number:04d}.png"
        write_image(path, frame)
        written.add(path)
    for path in folder.glob("[0-9][0-9][0-9][0-9]*.png"):
        if path not in written and path.stem.isdigit():
            path.unlink()


def folder_for(directory: Path, name: str) -> Path:
    """The folder below `directory` for a window's name, whatever characters it is made of.

    Each part of the name becomes a folder. Letters of any alphabet, digits, `-`, `_`, `.` and spaces
    stay; a part that had to be changed gets a short hash of the original, so that two names never
    share a folder.

    Args:
        directory: The result is always below it.
        name: Such as `animation/scene/0001-0005`; may hold `..` or be absolute.
    """
    folder = directory
    for part in name.split("/"):
        clean = re.sub(r"[^\w\-. ]", "_", part).strip(". ")[:60]
        if clean != part or not clean:
            clean = f"{clean or '_'}-{hashlib.blake2b(part.encode(), digest_size=4).hexdigest()}"
        folder /= clean
    return folder
