"""`python -m inbetween.data.synthetic FILE`: the sample sheet that the README beside this file shows."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from inbetween.data.synthetic.scene import KINDS, SyntheticScene

SIDE = 176  # pixels of a frame
SCENES = 3  # in a row, one row for each half of a kind
POSITIONS = (0.0, 0.5, 1.0)
GAP, WIDE = 4, 12  # pixels between the frames of a scene, and between scenes


def sample_sheet() -> Image.Image:
    """Scenes of each kind, two rows a kind, with their first, middle and last frame."""
    strip = len(POSITIONS) * (SIDE + GAP) - GAP
    rows = 2 * len(KINDS)
    size = (SCENES * (strip + WIDE) + WIDE, rows * (SIDE + WIDE) + WIDE)
    sheet = Image.new("RGB", size, (236, 236, 236))
    for row in range(rows):
        for column in range(SCENES):
            number = row % 2 * SCENES + column
            scene = SyntheticScene(seed=2, index=number, kind=KINDS[row // 2])
            frames = [scene.draw(t, (SIDE, SIDE)) for t in POSITIONS]
            gap = np.full((SIDE, GAP, 3), 236, np.uint8)
            joined = np.hstack([frames[0], gap, frames[1], gap, frames[2]])
            place = (WIDE + column * (strip + WIDE), WIDE + row * (SIDE + WIDE))
            sheet.paste(Image.fromarray(joined), place)
    return sheet


if __name__ == "__main__":
    sample_sheet().save(Path(sys.argv[1]), quality=75, method=6)
