"""Makes the moving comparison of the manual: `python docs/make_comparison.py SCENE ...`, in a checkout.

A scene is a folder of drawings in order. Every second one is a keyframe, and each method draws those
between: the animations show them side by side, with the true drawings on the left. The manual's are cartoon
characters by GameArt2D (CC0).
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import inbetween

IMAGES = Path(__file__).parent / "images"
SIDE, GAP, LABEL = 176, 8, 20  # pixels
DURATION = 140  # ms of a frame
METHODS = {"DIS": "dis", "spacing flow": "spacing_flow", "RIFE 4.26": "rife", "spacing RIFE": "spacing_rife"}


def main() -> None:
    """Write an animation and a still sheet of each scene."""
    for folder in map(Path, sys.argv[1:]):
        drawings = [on_white(path) for path in sorted(folder.glob("*.png"))]
        drawings = drawings[: len(drawings) - (len(drawings) + 1) % 2]
        columns = {"true drawings": drawings}
        for label, name in METHODS.items():
            model = inbetween.load(name, device="cpu", precision="32-true")
            columns[label] = list(drawings)
            for k in range(1, len(drawings), 2):
                [columns[label][k]] = model.interpolate(drawings[k - 1], drawings[k + 1], t=[0.5])
        frames = [row(columns, k) for k in range(len(drawings))]
        name = "_".join(folder.parts[-3::2])  # character and scene
        save = {"quality": 80, "method": 6}
        frames[0].save(
            IMAGES / f"compare_{name}.webp",
            save_all=True,
            append_images=frames[1:],
            duration=DURATION,
            loop=0,
            **save,
        )
        between = frames[1::2][:3]
        sheet = Image.new("RGB", (frames[0].width, sum(frame.height for frame in between)), "white")
        for place, frame in enumerate(between):
            sheet.paste(frame, (0, place * frame.height))
        sheet.save(IMAGES / f"compare_{name}_sheet.webp", **save)


def on_white(path: Path) -> Image.Image:
    """A drawing on white paper, fitted into the square."""
    image = Image.open(path).convert("RGBA")
    paper = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(paper, image).convert("RGB")
    image.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (2 * SIDE, 2 * SIDE), "white")
    square.paste(image, ((2 * SIDE - image.width) // 2, (2 * SIDE - image.height) // 2))
    return square


def row(columns: dict[str, list[Image.Image]], number: int) -> Image.Image:
    """One frame of all columns, with their labels above."""
    width = len(columns) * (SIDE + GAP) - GAP
    frame = Image.new("RGB", (width, SIDE + LABEL), "white")
    draw, font = ImageDraw.Draw(frame), ImageFont.load_default(12)
    for place, (label, images) in enumerate(columns.items()):
        left = place * (SIDE + GAP)
        draw.text((left + SIDE / 2, LABEL / 2), label, "black", font, "mm")
        frame.paste(images[number].resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, LABEL))
    return frame


if __name__ == "__main__":
    main()
