"""Pictures inside a page: WebP as data URLs, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inbetween.io.images import Pixels, resize

BYTES = 6_500_000  # of a report's pictures; a third more as text, and numbers add 1.2 MB at most
LONGEST = 16_383  # pixels of a WebP's side


@dataclass(frozen=True)
class Level:
    """One way to encode pictures: of a share of their size, lossless or at a quality in [0, 100]."""

    scale: float
    quality: int | None

    def __str__(self) -> str:
        how = "lossless" if self.quality is None else f"at quality {self.quality}"
        return how if self.scale == 1 else f"{how}, {self.scale:.0%} of the size"


# from the best on; of line drawings in 256x256, a frame takes 4 to 40 kB, 3 to 13, 2 to 9, 1 to 3
LEVELS = (Level(1, None), Level(1, 90), Level(1, 75), Level(0.5, 75))


class Album:
    """Encodes groups of strips, each group alike, and stays within a budget.

    A group gets an even share of what earlier ones have left, and the best of `LEVELS` that fits into it. So
    groups become coarser, or, if nothing fits, are left out.

    Args:
        groups: How many are to come.
        budget: Bytes of all of them.
    """

    def __init__(self, groups: int, budget: int = BYTES) -> None:
        self.groups, self.left = groups, budget
        self.used: Counter[Level] = Counter()
        self.dropped = 0

    def add(self, strips: Sequence[Pixels | None]) -> list[str | None] | None:
        """Encode one group.

        Args:
            strips: Frames (n, h, w) grey, or (n, h, w, 3 or 4), uint8; or None for none.

        Returns:
            For each a data URL of its frames below each other, or None for none; None where the group did not
            fit.
        """
        share = self.left // max(self.groups, 1)
        self.groups -= 1
        for level in LEVELS:
            found = _encoded(strips, level, share)
            if found is not None:
                self.left -= sum(len(one) for one in found if one)
                self.used[level] += 1
                return [data_url(one) if one else None for one in found]
        self.dropped += 1
        return None

    def told(self, what: str) -> str:
        """How the groups were encoded, as a sentence about `what`."""
        parts = [f"{level} ({count})" for level, count in self.used.items()]
        text = f"Pictures are WebP, {', '.join(parts)}." if parts else ""
        if self.dropped:
            text += f" {self.dropped} {what} did not fit into {BYTES / 1e6:g} MB and are left out."
        return text.strip()


def _encoded(strips: Sequence[Pixels | None], level: Level, most: int) -> list[bytes | None] | None:
    found: list[bytes | None] = []
    for strip in strips:
        found.append(None if strip is None else encode_strip(strip, level))
        most -= len(found[-1] or b"")
        if most < 0:
            return None
    return found


def encode_strip(frames: Pixels, level: Level) -> bytes:
    """Frames below each other as WebP; at most `LONGEST` pixels high."""
    if level.scale != 1:
        frames = smaller(frames, max(round(level.scale * max(frames.shape[1:3])), 1))
    image = Image.fromarray(frames.reshape(-1, *frames.shape[2:]))
    encoded = io.BytesIO()
    if level.quality is None:
        # frames repeat each other, which lossless WebP finds; `exact` keeps colours under transparency
        image.save(encoded, "WEBP", lossless=True, quality=20, method=2, exact=True)
    else:
        image.save(encoded, "WEBP", quality=level.quality, method=2)
    return encoded.getvalue()


def data_url(webp: bytes) -> str:
    """A WebP picture as a URL that holds it."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def smaller(frames: Pixels, side: int) -> Pixels:
    """Frames (n, h, w) or (n, h, w, C), shrunk so that no side is longer than `side` pixels."""
    height, width = frames.shape[1:3]
    scale = side / max(height, width)
    if scale >= 1:
        return frames
    height, width = max(round(height * scale), 1), max(round(width * scale), 1)
    return np.stack([resize(frame, height, width) for frame in frames])


def error_levels(errors: NDArray[np.float32]) -> Pixels:
    """Errors in [0, 1] as grey levels, uint8, on a scale of square roots, which keeps small errors apart.

    What is no number counts as 1.
    """
    return np.asarray(np.rint(255 * np.sqrt(np.nan_to_num(errors, nan=1.0).clip(0, 1))), np.uint8)
