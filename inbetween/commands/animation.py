"""A sequence of images as one animated file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from PIL import Image

from inbetween.errors import UserError

Animation = Literal["webp", "gif", "none"]
FPS = 12.0  # frames a second: hand-drawn animation is mostly shown "on twos", at half of film's 24
LONGEST_SIDE = {"webp": 16383, "gif": 65535}  # pixels
SHORTEST = 0.02  # seconds: players show shorter frames of a GIF slowly


def check_animation(animation: Animation, fps: float, size: tuple[int, int]) -> None:
    """Check that an animation can be written.

    Args:
        animation: Its format.
        fps: Frames a second.
        size: Height and width in pixels.

    Raises:
        UserError: It cannot.
    """
    if not 0.1 <= fps <= 1 / SHORTEST:
        raise UserError(f"fps is {fps:g}: give 0.1 to {1 / SHORTEST:g} frames a second.")
    if max(size) > LONGEST_SIDE.get(animation, max(size)):
        raise UserError(
            f"Images of {size[1]}x{size[0]} are too large for {animation}: give smaller ones, or --animation"
            " none."
        )


def encode_animation(paths: Iterable[Path], animation: Animation, seconds: float) -> bytes:
    """Images as one animated file that plays forever; one at a time is in memory.

    Args:
        paths: At least one.
        animation: `webp` or `gif`.
        seconds: How long each is shown.
    """

    def opened() -> Iterator[Image.Image]:
        for path in paths:
            with Image.open(path) as image:
                # GIF has 256 colours and opacity of all or nothing
                yield image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB")

    images = opened()
    first, encoded = next(images), io.BytesIO()
    options = {"quality": 90, "method": 4} if animation == "webp" else {"disposal": 2}
    first.save(
        encoded,
        animation,
        save_all=True,
        append_images=images,
        duration=round(1000 * seconds),
        loop=0,
        **options,
    )
    return encoded.getvalue()
