"""Makes the still images of the manual: `python docs/make_images.py`, in a checkout.

Every method's image shows the same two windows of the synthetic test split, a sketch and a coloured one: both
keyframes, and between them the method's frames at t = 1/4, 1/2 and 3/4.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import inbetween
from inbetween.data import SyntheticAnimation, WindowSpec
from inbetween.io.sheet import contact_sheet

IMAGES = Path(__file__).parent / "images"
SIDE, GAP = 200, 6  # pixels
SHOWN = (9, 22)  # of the test split
SAMPLES = (0, 33, 22, 34, 5, 17)  # two of each kind: sketch, color, composition
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
    grid = [wide[0, index]["first"] for index in SAMPLES]
    save("synthetic", [grid[0::2], grid[1::2]])
    save_sheet()
    steering()


def steering() -> None:
    """The images of guides: without and with all of them, and one kind each."""
    model = inbetween.load("spacing_flow", device="cpu", precision="32-true")
    folder = Path(__file__).parents[1] / "examples" / "guides"
    pixels = [np.asarray(Image.open(folder / "keyframes" / f"{number}.png")) for number in (0, 1)]
    first, last = (torch.from_numpy(each.copy()).permute(2, 0, 1) / 255 for each in pixels)

    def row(guides: Path | None) -> list[Tensor]:
        return [first, *model.interpolate(first, last, [0.25, 0.5, 0.75], guides=guides), last]

    save("steering", [row(None), row(folder / "all.json")])
    save("steering_kinds", [row(folder / f"{kind}.json") for kind in ("path", "points", "bones", "spacing")])


def save_sheet() -> None:
    """The contact sheet of an example's sequence, as `interpolate --write sheet` makes it."""
    folder = Path(__file__).parents[1] / "examples" / "keyframes" / "flat_colour"
    keyframes = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))]
    frames = inbetween.interpolate(keyframes, between=3, spacing="ease_in_out", method="spacing_flow")
    sheet = contact_sheet(frames, range(0, len(frames), 4), range(len(frames)))
    sheet.save(IMAGES / "sheet.webp", quality=80, method=6)


def save(name: str, rows: list[list[Tensor]]) -> None:
    """Rows of images (3, H, W) in [0, 1], as a WebP file."""
    height, width = rows[0][0].shape[-2:]
    size = len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP
    grid = Image.new("RGB", size, "white")
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            grid.paste(Image.fromarray(pixels), (column * (width + GAP), row * (height + GAP)))
    grid.save(IMAGES / f"{name}.webp", quality=80, method=6)


if __name__ == "__main__":
    main()
