"""Frames as PNG files, each complete or absent."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from inbetween.io.files import write_whole
from inbetween.io.png import Chunks, encode_pixels


def rounded(frames: Tensor) -> Tensor:
    """Frames in [0, 1] of any shape as uint8 on the CPU, rounded to the nearest of 256 values."""
    return (frames.detach().float().clamp(0, 1) * 255).round().byte().cpu()


def to_bytes(image: Tensor) -> np.ndarray:
    """An image (C, H, W) in [0, 1] as (H, W, C) uint8, `rounded`."""
    return rounded(image).permute(1, 2, 0).numpy()


def to_words(image: Tensor) -> NDArray[np.uint16]:
    """An image (C, H, W) in [0, 1] as (H, W, C) uint16, rounded to the nearest of 65536 values."""
    levels = (image.detach().float().clamp(0, 1) * 65535).round().cpu().permute(1, 2, 0)
    return levels.numpy().astype(np.uint16)


def to_image(image: Tensor) -> Image.Image:
    """An image (C, H, W) in [0, 1], `rounded`, for Pillow: L, LA, RGB or RGBA for C = 1, 2, 3, 4."""
    pixels = to_bytes(image)
    return Image.fromarray(pixels.squeeze(-1) if len(image) == 1 else pixels)


def encode_png(image: Tensor, depth: int = 8, chunks: Chunks = ()) -> bytes:
    """An image as a PNG.

    Args:
        image: (C, H, W) in [0, 1], rounded to the nearest value: grey, grey and opacity, RGB, or RGB and
            opacity for C = 1, 2, 3, 4. Colours are not multiplied by opacity.
        depth: Bits a channel, 8 or 16.
        chunks: Colour profile and resolution; see `appearance`.
    """
    return encode_pixels(to_words(image) if depth == 16 else to_bytes(image), chunks)


def write_image(path: Path, image: Tensor) -> None:
    """Write an image as an 8-bit PNG; atomically.

    Args:
        path: The file; its folder is made.
        image: See `encode_png`.
    """
    write_whole(path, encode_png(image))


def write_frames(folder: Path, frames: Iterable[Tensor]) -> None:
    """Write a clip as `0000.png`, `0001.png` and so on; frames of a longer, earlier clip are removed.

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
    """The folder below `directory` for a window's name, whatever its characters.

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
