"""Makes the README's moving image, `docs/images/inbetween.webp`: `python examples/readme_animation.py`.

Side by side the keyframes in `examples/keyframes` and what spacing flow makes between them, forward and back.
Below each a timeline: squares are keyframes, dots are interpolated.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

import inbetween

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "docs" / "images" / "inbetween.webp"
FRAMES = 9  # of each sequence, keyframes among them
SHOWN = ("sketch", "flat_colour", "finished_scene", "transparent")
SIDE, GAP, STRIP = 384, 16, 44  # pixels: of an image, between images, of the timeline below
SCALE = 0.65  # of all this in the file
MILLISECONDS = 90
BACKGROUND, KEY, DOT = "#ffffff", "#e4572e", "#b8bcc4"


def sequence(model: inbetween.Interpolator, name: str) -> tuple[list[Image.Image], int]:
    """Frames of one example, and the distance of keyframes in them."""
    keyframes = [Image.open(path) for path in sorted((HERE / "keyframes" / name).glob("*.png"))]
    step = (FRAMES - 1) // (len(keyframes) - 1)
    return inbetween.interpolate(keyframes, between=step - 1, method=model), step


def panel(frame: Image.Image, number: int, step: int) -> Image.Image:
    """One frame with its timeline."""
    canvas = Image.new("RGB", (SIDE, SIDE + STRIP), BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    if frame.mode == "RGBA":
        for y in range(0, SIDE, 16):  # what transparency is shown on
            for x in range((y // 16 % 2) * 16, SIDE, 32):
                pen.rectangle((x, y, x + 15, y + 15), "#dfe3e8")
        frame = frame.crop((0, 0, SIDE, SIDE))
        canvas.paste(frame, (0, 0), frame)
    else:
        canvas.paste(frame, (0, 0))
    is_keyframe = number % step == 0
    pen.rectangle(
        (0, 0, SIDE - 1, SIDE - 1), outline=KEY if is_keyframe else DOT, width=4 if is_keyframe else 1
    )
    for place in range(FRAMES):
        x, y = SIDE * (place + 0.5) / FRAMES, SIDE + STRIP / 2
        is_now, half = place == number, 9 if place % step == 0 else 5
        color = KEY if place % step == 0 else DOT
        shape = pen.rectangle if place % step == 0 else pen.ellipse
        if is_now:
            shape((x - half - 5, y - half - 5, x + half + 5, y + half + 5), outline="#22252b", width=3)
        shape((x - half, y - half, x + half, y + half), fill=color)
    return canvas


def main() -> None:
    """Interpolate and write the file."""
    model = inbetween.load("spacing_flow", device="cpu", precision="32-true")
    sequences = [sequence(model, name) for name in SHOWN]
    order = [*range(FRAMES), *range(FRAMES - 2, 0, -1)]
    images = []
    for number in order:
        image = Image.new("RGB", (len(SHOWN) * (SIDE + GAP) - GAP, SIDE + STRIP), BACKGROUND)
        for place, (frames, step) in enumerate(sequences):
            image.paste(panel(frames[number], number, step), (place * (SIDE + GAP), 0))
        size = round(image.width * SCALE), round(image.height * SCALE)
        images.append(image.resize(size, Image.Resampling.LANCZOS))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(
        OUTPUT, save_all=True, append_images=images[1:], duration=MILLISECONDS, loop=0, quality=78, method=6
    )


if __name__ == "__main__":
    main()
