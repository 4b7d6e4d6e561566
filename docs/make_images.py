"""Makes the images of the manual and of README: `python docs/make_images.py`, in a checkout.

Every method's image shows the same two windows of the synthetic test split, a sketch and a coloured one: both
keyframes, and between them what the method makes of t = 1/4, 1/2 and 3/4. `examples.webp` plays what spacing
flow makes of the keyframes in `examples/`.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

import inbetween
from inbetween.data import SyntheticAnimation, WindowSpec

IMAGES = Path(__file__).parent / "images"
EXAMPLES = Path(__file__).parents[1] / "examples/keyframes"
SIDE, GAP = 200, 6  # pixels
SHOWN = (9, 22)  # of the test split
SHEET = (0, 33, 22, 34, 5, 17)  # two of each kind: sketch, color, composition
METHODS = {
    "repeat": "repeat",
    "cross_fade": "cross_fade",
    "optical_flow": "optical_flow",
    "dis": "dis",
    "spacing_flow": "spacing_flow",
    "latent_slerp": "latent_slerp",
    "keyframe_diffusion": "keyframe_diffusion",
    "temporal_encoding": "exp1",
    "weighted_cross_attention": "exp2",
}
BETWEEN = 7  # in-betweens of the animation
PLAYED, BAR = 224, 6  # pixels: side of an example, and the bar below it
KEYFRAME, IN_BETWEEN = (230, 90, 40), (215, 215, 222)  # colours of the bar


def main() -> None:
    """Write every image."""
    windows = SyntheticAnimation().dataset("test", WindowSpec(between=3, size=(SIDE, SIDE)))
    chosen = [windows[0, index] for index in SHOWN]
    save("truth", [[w["first"], *w["targets"], w["last"]] for w in chosen])
    for name, method in METHODS.items():
        model = inbetween.load(method, device="cpu", precision="32-true")
        rows = []
        for window in chosen:
            first, last = window["first"], window["last"]
            rows.append([first, *model.interpolate(first, last, window["t"].tolist()), last])
        save(name, rows)
    wide = SyntheticAnimation().dataset("test", WindowSpec(between=1, size=(SIDE, 3 * SIDE // 2)))
    sheet = [wide[0, index]["first"] for index in SHEET]
    save("synthetic", [sheet[0::2], sheet[1::2]])
    save_examples()


def save(name: str, rows: list[list[Tensor]]) -> None:
    """Rows of images (3, H, W) in [0, 1], as a WebP file."""
    height, width = rows[0][0].shape[-2:]
    size = len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP
    sheet = Image.new("RGB", size, "white")
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            sheet.paste(Image.fromarray(pixels), (column * (width + GAP), row * (height + GAP)))
    sheet.save(IMAGES / f"{name}.webp", quality=80, method=6)


def save_examples() -> None:
    """All examples side by side, there and back, as an animated WebP file."""
    played = [there_and_back(folder) for folder in sorted(EXAMPLES.iterdir())]
    frames = []
    for number in range(max(map(len, played))):
        row = Image.new("RGB", (len(played) * (PLAYED + GAP) - GAP, PLAYED + BAR), "white")
        for column, images in enumerate(played):
            row.paste(images[number % len(images)], (column * (PLAYED + GAP), 0))
        frames.append(row)
    file = IMAGES / "examples.webp"
    frames[0].save(
        file, save_all=True, append_images=frames[1:], duration=1000 // 12, loop=0, quality=60, method=6
    )


def there_and_back(folder: Path) -> list[Image.Image]:
    """A sequence and its way back; an orange bar below marks keyframes."""
    keyframes = [Image.open(path) for path in sorted(folder.glob("*.png"))]
    sequence = inbetween.interpolate(keyframes, between=BETWEEN, device="cpu")
    shown = []
    for number, image in enumerate(sequence):
        layer = image.convert("RGBA").resize((PLAYED, PLAYED), Image.Resampling.LANCZOS)
        ground = Image.fromarray(checkerboard()).convert("RGBA")
        frame = Image.new("RGB", (PLAYED, PLAYED + BAR), "white")
        frame.paste(Image.alpha_composite(ground, layer).convert("RGB"), (0, 0))
        colour = KEYFRAME if number % (BETWEEN + 1) == 0 else IN_BETWEEN
        ImageDraw.Draw(frame).rectangle((0, PLAYED + 1, PLAYED, PLAYED + BAR), fill=colour)
        shown.append(frame)
    return [*shown, *shown[-2:0:-1]]


def checkerboard() -> np.ndarray:
    """What is seen through transparent pixels, (PLAYED, PLAYED, 3) uint8."""
    row, column = np.indices((PLAYED, PLAYED)) // 16
    return np.where((row + column) % 2, 255, 225).astype(np.uint8)[..., None].repeat(3, axis=-1)


if __name__ == "__main__":
    main()
