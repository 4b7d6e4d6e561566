"""Frames as files: 8-bit PNGs, each whole or absent."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import cv2
from torch import Tensor


def write_image(path: Path, image: Tensor) -> None:
    """Write a picture as an 8-bit RGB PNG; the file appears at once or not at all.

    Args:
        path: The file; its folder is made.
        image: (3, H, W) in [0, 1]; values are rounded to the nearest of 256.
    """
    pixels = (image.detach().float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    # imwrite does not open every path with letters beyond ASCII, so the bytes are written here
    partial.write_bytes(encoded.tobytes())
    partial.replace(path)


def write_frames(folder: Path, frames: Iterable[Tensor]) -> None:
    """Write a clip as `0000.png`, `0001.png` and so on; numbered frames left over from a longer one go.

    Args:
        folder: Where to; made if needed.
        frames: Pictures (3, H, W) in [0, 1], in order.
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
