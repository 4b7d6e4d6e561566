"""Sprites taken apart into a body and limbs that swing at their joints, as cut-out animation has it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inbetween.data.layers.looks import faded
from inbetween.data.layers.motion import Motion, Pose
from inbetween.data.layers.moves import Mover
from inbetween.data.layers.scene import Layer

_OVERLAP = 0.2  # share of a limb's width that it and the body have in common
_LEAST = 60  # opaque pixels of a limb that is worth cutting off


def taken_apart(layer: Layer, mover: Mover, rng: np.random.Generator) -> list[Layer]:
    """A layer and up to three limbs cut out of it, from the farthest to the nearest.

    A limb is what lies beyond a joint inside a strip; it turns about the joint, with a spacing of its own,
    while it follows the body. What it uncovers is what lies behind the sprite, or the sprite as it was.

    Args:
        layer: The sprite.
        mover: Says how far things move.
        rng: Decides everything.
    """
    height, width = layer.texture.shape[:2]
    side = max(height, width) / layer.density
    solid = np.argwhere(layer.texture[::4, ::4, 3] > 200)
    behind: list[Layer] = []
    before: list[Layer] = []
    left = layer.texture
    if not len(solid):
        return [layer]
    for _ in range(int(rng.integers(1, 4))):
        row, column = solid[int(rng.integers(len(solid)))] * 4
        # outwards, as limbs grow
        away = np.arctan2(row - height / 2, column - width / 2) + rng.normal(0, 0.4)
        half = rng.uniform(0.05, 0.16) * max(height, width)
        along, across = _axes((height, width), row, column, away)
        limb = _ramp(along + _OVERLAP * half) * _ramp(half - np.abs(across))
        if float((limb * (layer.texture[..., 3] > 200)).sum()) < _LEAST:
            continue
        part = faded(layer.texture, limb)
        if rng.random() < 0.5:
            # a pixel less than the limb, or what lies behind would shine through the cut
            left = faded(left, 1 - _ramp(along - _OVERLAP * half) * _ramp(half - 1 - np.abs(across)))
        pivot = ((column - (width - 1) / 2) / layer.density, (row - (height - 1) / 2) / layer.density)
        rim = 1.5 * mover.amount / (0.3 * side)
        first, last = np.clip(rng.normal(0, 0.5, 2) * min(rim, 1.0), -0.9, 0.9)
        swing = Motion(Pose(turn=float(first)), Pose(turn=float(last)), mover.ease(), pivot=pivot)
        moved = replace(layer, texture=part, motion=swing, carriers=(layer.motion, *layer.carriers))
        (behind if rng.random() < 0.5 else before).append(moved)
    return [*behind, replace(layer, texture=left), *before]


def _axes(
    size: tuple[int, int], row: int, column: int, angle: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixels along and across a direction, from a place, (h, w) each."""
    y = (np.arange(size[0], dtype=np.float32) - row)[:, None]
    x = (np.arange(size[1], dtype=np.float32) - column)[None]
    c, d = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * c + y * d, y * c - x * d


def _ramp(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 inside, 0 outside, a pixel wide between."""
    return np.asarray(np.clip(distance + 0.5, 0, 1), np.float32)
