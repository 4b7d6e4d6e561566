"""Images of noise."""

import numpy as np
import torch


def noise(channels: int = 3, number: int = 0, size: tuple[int, int] = (24, 40)) -> np.ndarray:
    """An image (H, W, channels) uint8 whose opacity, if any, has whole areas of none and of all."""
    stream = np.random.default_rng(number)
    image = stream.integers(0, 256, (*size, channels), np.uint8)
    if channels == 4:
        image[: size[0] // 2, :, 3] = 255
        image[:, : size[1] // 4, 3] = 0
    return image


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255
