"""Augmentation of a training window, from a seed alone."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.source import Augment
from inbetween.io.images import Pixels, resize


def augment_images(
    images: Pixels, height: int, width: int, augment: Augment, seed: int
) -> tuple[Pixels, bool]:
    """Crop, flip, colour-jitter and time-reverse the frames of one window, all in the same way.

    Args:
        images: (F, h, w, 3), with a margin for the crop where the source is large enough.
        height: Pixels given out; a crop is resized to them.
        width: Pixels given out.
        augment: Strength of each augmentation.
        seed: Seed of all random choices.

    Returns:
        (F, height, width, 3), and whether the order was reversed.
    """
    random = np.random.default_rng(seed)
    # all numbers are sampled in any case: switching one augmentation off leaves the others as they were
    keep, down, right, flip, reverse, *color = random.random(8)
    share = 1 - keep * (1 - augment.crop)
    rows, columns = (max(round(side * share), 1) for side in images.shape[1:3])
    top = round(down * (images.shape[1] - rows))
    left = round(right * (images.shape[2] - columns))
    images = images[:, top : top + rows, left : left + columns]
    images = np.stack([resize(image, height, width) for image in images])
    if augment.color:
        images = recolor(images, augment.color * (2 * np.asarray(color) - 1))
    if flip < augment.flip:
        images = images[:, :, ::-1]
    backwards = bool(reverse < augment.reverse)
    return (images[::-1] if backwards else images), backwards


def recolor(images: Pixels, amounts: NDArray[np.float64]) -> Pixels:
    """Change brightness, contrast and hue of (F, H, W, 3) by amounts (3,) in [-1, 1].

    Brightness and contrast are multiplied by 1 + amount, the latter about mid-grey; an amount of 1
    turns hues by half the circle. Greys keep their hue: white paper stays grey to white.
    """
    brightness, contrast, hue = amounts
    # a rotation about the grey axis, by Rodrigues' formula
    cosine, sine = np.cos(np.pi * hue), np.sin(np.pi * hue)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = cosine * np.eye(3) + (1 - cosine) / 3 + sine * cross
    scale = (1 + brightness) * (1 + contrast)
    offset = -127.5 * contrast * (1 + brightness)
    matrix = np.concatenate([scale * turn, np.full((3, 1), offset)], axis=1).astype(np.float32)
    flat = images.reshape(1, -1, 3)
    # OpenCV rounds and clips to [0, 255] in one pass
    return np.asarray(cv2.transform(flat, matrix), dtype=np.uint8).reshape(images.shape)
