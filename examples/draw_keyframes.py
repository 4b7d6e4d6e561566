"""Renders `examples/keyframes` with the synthetic source: `python examples/draw_keyframes.py`.

Each scene is a pure function of its seed and number.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inbetween.data.synthetic.pen import Kind
from inbetween.data.synthetic.scene import SyntheticScene

SEED = 20261127
FOLDER = Path(__file__).parent / "keyframes"


class Example(NamedTuple):
    """A sequence of keyframes."""

    number: int  # of the scene under the seed
    kind: Kind
    amount: float  # of motion, in (0, 1.5]
    times: tuple[float, ...]  # of the keyframes, in [0, 1]
    size: tuple[int, int] = (384, 384)  # height and width in pixels
    transparent: bool = False


EXAMPLES = {
    "sketch": Example(38, "sketch", 0.5, (0.0, 0.4)),
    "flat_colour": Example(97, "color", 0.57, (0.0, 0.5, 1.0)),
    "finished_scene": Example(210, "composition", 0.5, (0.0, 0.33, 0.67)),
    "transparent": Example(3, "color", 0.45, (0.0, 1.0), (432, 384), transparent=True),
}


def scene_of(example: Example, background: tuple[int, int, int] | None = None) -> SyntheticScene:
    """The example's scene, on its own background or on another colour."""
    scene = SyntheticScene(SEED, example.number, example.kind, example.amount)
    if background is not None:
        scene.scenery.paper = background
    return scene


def keyframes(example: Example) -> list[Image.Image]:
    """All keyframes of an example: RGB, or RGBA without background."""
    if not example.transparent:
        scene = scene_of(example)
        return [Image.fromarray(scene.draw(t, example.size)) for t in example.times]
    on_white, on_black = (scene_of(example, (level,) * 3) for level in (255, 0))
    return [
        Image.fromarray(without_background(on_white.draw(t, example.size), on_black.draw(t, example.size)))
        for t in example.times
    ]


def without_background(on_white: NDArray[np.uint8], on_black: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Recover RGBA (H, W, 4) from renderings on white and on black (H, W, 3), from 0 to 255.

    On white it is `opacity color + (1 - opacity) 255`, on black `opacity color`.
    """
    opacity = 1 - (on_white.astype(float) - on_black).mean(axis=2, keepdims=True) / 255
    color = on_black / np.maximum(opacity, 1e-6)
    return np.concatenate([color, 255 * opacity], axis=2).round().clip(0, 255).astype(np.uint8)


def main() -> None:
    """Write all keyframes."""
    for name, example in EXAMPLES.items():
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(keyframes(example)):
            image.save(folder / f"{number:02d}.png", optimize=True)


if __name__ == "__main__":
    main()
