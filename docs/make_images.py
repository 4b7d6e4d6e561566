"""Makes the pictures of the manual: `python docs/make_images.py`, in a checkout. The same on every run.

Every method's picture shows the same two windows of the synthetic test split, a sketch and a coloured one:
both keyframes, and between them what the method makes of t = 1/4, 1/2 and 3/4.
"""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from inbetween.commands.methods import load_method, placed
from inbetween.data import SyntheticAnimation, WindowSpec
from inbetween.methods.base import Method
from inbetween.paths import find_checkpoint, find_config
from inbetween.types import Window

IMAGES = Path(__file__).parent / "images"
SIDE, GAP = 200, 6  # pixels
SHOWN = (9, 22)  # of the test split
SHEET = (0, 33, 22, 34, 5, 17)  # two of each kind: sketch, color, composition
METHODS = {
    "repeat": ("repeat.yaml", None),
    "cross_fade": ("cross_fade.yaml", None),
    "optical_flow": ("optical_flow.yaml", None),
    "dis": ("dis.yaml", None),
    "spacing_flow": ("spacing_flow.yaml", "spacing_flow/weights.safetensors"),
    "latent_slerp": ("latent_slerp.yaml", None),
    "keyframe_diffusion": ("keyframe_diffusion.yaml", "keyframe_diffusion/weights.safetensors"),
    "temporal_encoding": ("exp1.yaml", "exp1/weights.safetensors"),
    "weighted_cross_attention": ("exp2.yaml", "exp2/weights.safetensors"),
}


def main() -> None:
    """Write every picture."""
    torch.manual_seed(0)
    spec = WindowSpec(between=3, size=(SIDE, SIDE))
    windows = SyntheticAnimation().dataset("test", spec)
    chosen = [windows[0, index] for index in SHOWN]
    save("truth", [[w["first"], *w["targets"], w["last"]] for w in chosen])
    for name, (config, weights) in METHODS.items():
        checkpoint = find_checkpoint(weights) if weights else None
        method = placed(load_method(find_config(config), checkpoint), torch.device("cpu"))
        save(name, [[w["first"], *frames(method, w), w["last"]] for w in chosen])
    wide = SyntheticAnimation().dataset("test", WindowSpec(between=1, size=(SIDE, 3 * SIDE // 2)))
    sheet = [wide[0, index]["first"] for index in SHEET]
    save("synthetic", [sheet[0::2], sheet[1::2]])


@torch.no_grad()
def frames(method: Method, window: Window) -> Tensor:
    """What a method draws between the keyframes of a window: (N, 3, H, W)."""
    generator = torch.Generator().manual_seed(0)
    return method.interpolate(window["first"][None], window["last"][None], window["t"][None], generator)[0]


def save(name: str, rows: list[list[Tensor]]) -> None:
    """Rows of pictures (3, H, W) in [0, 1], as a WebP file."""
    height, width = rows[0][0].shape[-2:]
    size = len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP
    sheet = Image.new("RGB", size, "white")
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            pixels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            sheet.paste(Image.fromarray(pixels), (column * (width + GAP), row * (height + GAP)))
    sheet.save(IMAGES / f"{name}.webp", quality=80, method=6)


if __name__ == "__main__":
    main()
