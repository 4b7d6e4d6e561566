"""Image operations on textures: recolouring, outlining, line extraction, painting, shadows."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.layers.store import Texture

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Color = NDArray[np.float64]  # (3,) RGB in [0, 255]

_SIGMA_RATIO = 1.6  # of the difference of Gaussians that finds lines


def resized(texture: Texture, longer: float) -> Texture:
    """A texture shrunk to a longer side in pixels; a smaller one stays as it is."""
    share = longer / max(texture.shape[:2])
    if share >= 1:
        return texture
    height, width = (max(round(length * share), 1) for length in texture.shape[:2])
    return np.asarray(cv2.resize(texture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def mirrored(texture: Texture) -> Texture:
    """A texture flipped horizontally."""
    return np.asarray(cv2.flip(texture, 1), np.uint8)


def recolored(texture: Texture, rng: np.random.Generator, strength: float) -> Texture:
    """Change hue, brightness and contrast at random, by a strength in [0, 1]; greys stay grey."""
    hue, brightness, contrast = rng.uniform(-strength, strength, 3) * (np.pi, 0.4, 0.4)
    cosine, sine = np.cos(hue), np.sin(hue)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = cosine * np.eye(3) + (1 - cosine) / 3 + sine * cross
    matrix = np.eye(4)
    matrix[:3, :3] = turn * (1 + brightness) * (1 + contrast)
    matrix[:3, 3] = -0.5 * contrast  # of the opacity, which the colours are multiplied by
    changed = cv2.transform(texture, matrix.astype(np.float32))
    return np.asarray(cv2.min(changed, cv2.merge([changed[..., 3]] * 4)), np.uint8)


def lines(texture: Texture, width: float, gain: float) -> NDArray[np.float32]:
    """The lines of an image, (h, w) in [0, 1]: dark strokes, the dark side of edges, and the silhouette.

    They are where a narrow blur is darker than a wider one (extended difference of Gaussians, Winnemoeller
    2011), of the image on white and of its opacity.

    Args:
        texture: The image.
        width: Standard deviation of the narrow blur, in pixels.
        gain: Contrast factor: larger values keep fainter lines.
    """
    opacity = texture[..., 3].astype(np.float32)
    grey = cv2.cvtColor(texture, cv2.COLOR_RGBA2GRAY) + (255 - opacity)
    ink = cv2.GaussianBlur(grey, (0, 0), width * _SIGMA_RATIO) - cv2.GaussianBlur(grey, (0, 0), width)
    edge = cv2.GaussianBlur(opacity, (0, 0), width) - cv2.GaussianBlur(opacity, (0, 0), width * _SIGMA_RATIO)
    strong = (np.maximum(ink, edge) * (gain / 255) - 0.15) * 1.6
    return np.asarray(np.clip(strong, 0, 1), np.float32)


def inked(texture: Texture, ink: NDArray[np.float32], color: Color) -> Texture:
    """A texture with coloured lines on it, where it is not transparent."""
    strength = ink * (texture[..., 3:4] / np.float32(255))[..., 0]
    rest = cv2.merge([1 - strength] * 3)
    result = texture.copy()
    result[..., :3] = texture[..., :3] * rest + strength[..., None] * color.astype(np.float32) + 0.5
    return result


def filled(texture: Texture, color: Color, share: float) -> Texture:
    """A texture whose colours are mixed with one colour, by its share in [0, 1]."""
    opacity = texture[..., 3:4] / np.float32(255)
    result = texture.copy()
    result[..., :3] = texture[..., :3] * np.float32(1 - share) + opacity * (share * color).astype(np.float32)
    return result


def faded(texture: Texture, share: NDArray[np.float32]) -> Texture:
    """A texture whose opacity is multiplied by a share (h, w) in [0, 1]."""
    return np.asarray(cv2.multiply(texture, cv2.merge([share] * 4), dtype=cv2.CV_8U), np.uint8)


def painted(texture: Texture, size: int) -> Texture:
    """A texture in flat strokes of about `size` pixels (3 or 5): a median filter."""
    return np.asarray(cv2.medianBlur(texture, size), np.uint8)


def out_of_focus(texture: Texture, sigma: float) -> Texture:
    """A blurred texture."""
    return np.asarray(cv2.GaussianBlur(texture, (0, 0), sigma), np.uint8)


def shadow_of(texture: Texture, sigma: float, darkness: float) -> Texture:
    """The soft shadow of a texture, of the same size and less than half opaque."""
    shade = np.zeros_like(texture)
    opacity = cv2.GaussianBlur(texture[..., 3], (0, 0), sigma)
    shade[..., 3] = cv2.convertScaleAbs(opacity, alpha=min(darkness, 0.49))
    return shade


def cut_out(image: Texture, shape: Texture) -> Texture:
    """The centre of an image, masked by the opacity of a shape; as large as the smaller of both."""
    height, width = (min(a, b) for a, b in zip(image.shape[:2], shape.shape[:2], strict=True))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    part = image[top : top + height, left : left + width]
    opacity = cv2.resize(shape[..., 3], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.multiply(part, cv2.merge([opacity] * 4), scale=1 / 255), np.uint8)


def degraded(frames: list[Image], rng: np.random.Generator) -> list[Image]:
    """Video degradation at random: some windows are shrunk and enlarged, some JPEG-compressed."""
    images: list[Any] = list(frames)
    kind, share, quality, method = rng.random(4)
    height, width = images[0].shape[:2]
    if kind < 0.12:
        small = tuple(max(round(length * (0.45 + 0.45 * share)), 1) for length in (width, height))
        back = cv2.INTER_CUBIC if method < 0.5 else cv2.INTER_LINEAR
        images = [cv2.resize(p, small, interpolation=cv2.INTER_AREA) for p in images]
        images = [cv2.resize(p, (width, height), interpolation=back) for p in images]
    if 0.07 < kind < 0.25:
        options = [cv2.IMWRITE_JPEG_QUALITY, int(35 + 60 * quality)]
        coded = [cv2.imencode(".jpg", p, options)[1] for p in images]
        images = [cv2.imdecode(code, cv2.IMREAD_COLOR) for code in coded]
    return [np.asarray(image, np.uint8) for image in images]
