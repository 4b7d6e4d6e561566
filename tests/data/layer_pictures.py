"""Pictures that layers are made of in tests."""

import cv2
import numpy as np


def smooth(seed: int, height: int, width: int) -> np.ndarray:
    """A picture (height, width, 3) without sharp edges."""
    noise = np.random.default_rng(seed).uniform(0, 255, (max(height // 8, 2), max(width // 8, 2), 3))
    picture = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return picture.clip(0, 255).astype(np.uint8)


def disc(seed: int, height: int, width: int) -> np.ndarray:
    """The same as an ellipse (height, width, 4)."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    opacity = np.where(np.hypot(x, y) < 0.97, 255, 0).astype(np.uint8)
    return np.dstack([smooth(seed, height, width), opacity])
