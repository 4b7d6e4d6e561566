"""A contact sheet: all images of a sequence on one, in order and numbered."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from inbetween.io.animation import opened, to_8_bits

LONGEST = 4096  # pixels of a sheet's side
WIDEST = 320  # pixels of an image's longer side on it
BORDER = 3  # pixels of the frame around an image
GAP = 6  # pixels between images
LEAST_NUMBERED = 24  # pixels of an image's width, below which a number has no room
PAPER, INK, KEYFRAME, IN_BETWEEN = "white", (60, 60, 60), (214, 69, 65), (215, 215, 215)


class _Grid(NamedTuple):
    columns: int
    rows: int
    width: int  # of an image on the sheet
    height: int
    label: int  # height of a number's line


def contact_sheet(
    images: Sequence[Path | Image.Image], keyframes: Container[int], numbers: Sequence[int]
) -> Image.Image:
    """All images on one sheet, several in a row, keyframes framed in red.

    The sheet is roughly square, and images get smaller where they are many: no side is longer than 4096
    pixels.

    Args:
        images: At least one, all of one size: files or Pillow's images. Transparent ones are on white.
        keyframes: Indices of those that are keyframes.
        numbers: What is written below each.

    Returns:
        An RGB image.
    """
    with opened(images[0]) as first:
        grid = _grid(len(images), first.width, first.height)
    step = grid.width + 2 * BORDER + GAP, grid.height + 2 * BORDER + GAP + grid.label
    sheet = Image.new("RGB", (grid.columns * step[0] + GAP, grid.rows * step[1] + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(max(grid.label - 4, 8))
    for index, image in enumerate(images):
        x, y = (
            GAP + place * length
            for place, length in zip((index % grid.columns, index // grid.columns), step, strict=True)
        )
        color = KEYFRAME if index in keyframes else IN_BETWEEN
        draw.rectangle(
            (x, y, x + grid.width + 2 * BORDER - 1, y + grid.height + 2 * BORDER - 1), PAPER, color, BORDER
        )
        with opened(image) as shown:
            small = to_8_bits(shown).resize(
                (grid.width, grid.height), Image.Resampling.LANCZOS, reducing_gap=3
            )
        sheet.paste(small, (x + BORDER, y + BORDER), small if small.mode == "RGBA" else None)
        if grid.label:
            below = x + BORDER, y + grid.height + 2 * BORDER + 1
            draw.text(below, str(numbers[index]), KEYFRAME if index in keyframes else INK, font)
    return sheet


def _grid(count: int, width: int, height: int) -> _Grid:
    """The largest images, up to `WIDEST`, of which all have room."""
    scale = min(WIDEST / max(width, height), 1.0)
    while True:
        w, h = max(round(width * scale), 1), max(round(height * scale), 1)
        label = 16 if w >= LEAST_NUMBERED else 0
        across, down = w + 2 * BORDER + GAP, h + 2 * BORDER + GAP + label
        columns = min(max(round(math.sqrt(count * down / across)), 1), count)
        columns = min(columns, max((LONGEST - GAP) // across, 1))
        rows = math.ceil(count / columns)
        fits = max(columns * across, rows * down) + GAP <= LONGEST
        if fits or (w == 1 and h == 1):
            return _Grid(columns, rows, w, h, label)
        scale *= 0.95
