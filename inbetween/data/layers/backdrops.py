"""Backgrounds that are generated, or composed of many images: plain colours, gradients, noise, patterns."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.layers.store import Texture
from inbetween.data.layers.textures import Color, mirrored

Size = tuple[int, int]


def color(rng: np.random.Generator) -> Color:
    """A colour, from grey to vivid, from dark to light."""
    hue, saturation, value = rng.uniform(0, 6), rng.random() ** 1.5, 1 - 0.8 * rng.random() ** 1.7
    ramp = np.clip(np.abs((hue - np.array([3.0, 2.0, 4.0]) + 3) % 6 - 3) - 1, 0, 1)
    return np.asarray(255 * value * (1 - saturation * ramp))


def background_color(rng: np.random.Generator) -> Color:
    """White in half of all cases, else nearly white."""
    if rng.random() < 0.5:
        return np.full(3, 255.0)
    return np.asarray(255 - rng.uniform(0, 22) * rng.uniform(0.3, 1, 3))


def plain(size: Size, shade: Color) -> Texture:
    """One colour."""
    texture = np.empty((*size, 4), np.uint8)
    texture[:] = (*(int(v) for v in shade), 255)
    return texture


def gradient(size: Size, rng: np.random.Generator) -> Texture:
    """A linear or radial gradient between two colours."""
    first, last = color(rng), color(rng)
    y, x = np.linspace(-1, 1, size[0])[:, None], np.linspace(-1, 1, size[1])[None, :]
    angle, ring = rng.uniform(0, 2 * np.pi), rng.random() < 0.3
    level = np.hypot(x, y) / 1.41 if ring else (x * np.cos(angle) + y * np.sin(angle)) / 2.8 + 0.5
    return _between(level.astype(np.float32), first, last)


def clouds(size: Size, rng: np.random.Generator) -> Texture:
    """Fractal noise between two colours, like a sky, a wall or grass."""
    noise = np.zeros(size, np.float32)
    stretch, rough = 2 ** rng.uniform(-1.5, 1.5), rng.uniform(0.4, 0.9)
    for octave in range(6):
        cells = 2.0 ** (octave + 1)
        count = (max(int(cells * stretch), 2), max(int(cells / stretch), 2))
        coarse = rng.standard_normal(count).astype(np.float32)
        noise += rough**octave * cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    noise = (noise - noise.min()) / max(float(np.ptp(noise)), 1e-6)
    if rng.random() < 0.3:  # in flat patches
        steps = int(rng.integers(3, 7))
        noise = np.floor(noise * steps) / steps
    return _between(noise, color(rng), color(rng))


def pattern(size: Size, rng: np.random.Generator) -> Texture:
    """Stripes, checks or dots, turned at random."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), max(size) * rng.uniform(0.02, 0.12)
    along = (x * np.cos(angle) + y * np.sin(angle)) * np.float32(2 * np.pi / period)
    across = (y * np.cos(angle) - x * np.sin(angle)) * np.float32(2 * np.pi / period)
    kinds = [
        lambda: np.sin(along),
        lambda: np.sin(along) * np.sin(across),
        lambda: np.sin(along) + np.sin(across) - 1,
    ]
    wave = kinds[int(rng.integers(3))]()
    # edges one pixel wide
    level = np.clip(wave * np.float32(period / 6) + 0.5, 0, 1)
    return _between(level, color(rng), color(rng))


def scatter(
    below: Texture, pick: Callable[[float], Texture], count: int, rng: np.random.Generator
) -> Texture:
    """Images scattered over a background.

    Args:
        below: The background.
        pick: Returns a random image whose longer side has at most the given number of pixels.
        count: Number of images.
        rng: Source of randomness.
    """
    texture = below.copy()
    height, width = texture.shape[:2]
    for _ in range(count):
        image = pick(float(max(height, width) * rng.uniform(0.08, 0.35)))
        if rng.random() < 0.5:
            image = mirrored(image)
        h, w = image.shape[:2]
        top, left = (
            int(rng.integers(-(h // 2), height - h // 2)),
            int(rng.integers(-(w // 2), width - w // 2)),
        )
        rows, columns = slice(max(top, 0), top + h), slice(max(left, 0), left + w)
        part = texture[rows, columns]
        visible = image[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
        transparency = cv2.merge([255 - np.ascontiguousarray(visible[..., 3])] * 4)
        texture[rows, columns] = cv2.add(
            cv2.multiply(part, transparency, scale=1 / 255), np.ascontiguousarray(visible)
        )
    texture[..., 3] = 255
    return texture


def _between(level: NDArray[np.float32], first: Color, last: Color) -> Texture:
    """Each pixel's colour between two, from its level in [0, 1]."""
    ramp = np.full((1, 256, 4), 255, np.uint8)
    ramp[..., :3] = first + np.linspace(0, 1, 256)[:, None] * (last - first)
    index = cv2.convertScaleAbs(level, alpha=255)
    return np.asarray(cv2.LUT(cv2.merge([index] * 4), ramp), np.uint8)
