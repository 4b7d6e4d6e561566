"""Sprites cut into a body and limbs that swing at their joints, as in cut-out animation."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inbetween.data.layers.motion import Motion, Pose
from inbetween.data.layers.moves import Mover
from inbetween.data.layers.scene import Layer
from inbetween.data.layers.textures import faded

_OVERLAP = 0.2  # of a limb and the body, as a share of the limb's width
_LEAST = 60  # opaque pixels of a limb


def cut_limbs(layer: Layer, mover: Mover, rng: np.random.Generator) -> list[Layer]:
    """A layer and up to three limbs cut out of it, from the farthest to the nearest.

    A limb is the part of a strip beyond a joint. It turns about the joint with its own spacing, and follows
    the body. It uncovers either what lies behind the sprite, or the uncut sprite.

    Args:
        layer: The sprite.
        mover: Samples motion.
        rng: Source of all randomness.
    """
    height, width = layer.texture.shape[:2]
    side = max(height, width) / layer.density
    solid = np.argwhere(layer.texture[::4, ::4, 3] > 200)
    behind: list[Layer] = []
    before: list[Layer] = []
    body = layer.texture
    if not len(solid):
        return [layer]
    for _ in range(int(rng.integers(1, 4))):
        row, column = solid[int(rng.integers(len(solid)))] * 4
        # outwards, as limbs point
        away = np.arctan2(row - height / 2, column - width / 2) + rng.normal(0, 0.4)
        half = rng.uniform(0.05, 0.16) * max(height, width)
        along, across = _axes((height, width), row, column, away)
        limb = _ramp(along + _OVERLAP * half) * _ramp(half - np.abs(across))
        if float((limb * (layer.texture[..., 3] > 200)).sum()) < _LEAST:
            continue
        part = faded(layer.texture, limb)
        if rng.random() < 0.5:
            # a pixel less than the limb, or the background would show through the cut
            body = faded(body, 1 - _ramp(along - _OVERLAP * half) * _ramp(half - 1 - np.abs(across)))
        pivot = ((column - (width - 1) / 2) / layer.density, (row - (height - 1) / 2) / layer.density)
        rim = 1.5 * mover.amount / (0.3 * side)
        first, last = np.clip(rng.normal(0, 0.5, 2) * min(rim, 1.0), -0.9, 0.9)
        swing = Motion(Pose(turn=float(first)), Pose(turn=float(last)), mover.ease(), pivot=pivot)
        moved = replace(layer, texture=part, motion=swing, carriers=(layer.motion, *layer.carriers))
        (behind if rng.random() < 0.5 else before).append(moved)
    return [*behind, replace(layer, texture=body), *before]


def _axes(
    size: tuple[int, int], row: int, column: int, angle: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates along and across a direction, from a point, (h, w) each."""
    y = (np.arange(size[0], dtype=np.float32) - row)[:, None]
    x = (np.arange(size[1], dtype=np.float32) - column)[None]
    c, d = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * c + y * d, y * c - x * d


def _ramp(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 inside, 0 outside, a pixel wide between."""
    return np.asarray(np.clip(distance + 0.5, 0, 1), np.float32)
