"""Windows of sources that render their frames instead of reading them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from inbetween.data.augment import recolor
from inbetween.data.source import WindowSpec
from inbetween.functional.seeds import sample_seed
from inbetween.io.images import Pixels
from inbetween.types import Window


def rendered_window(
    images: Pixels, times: Sequence[float], spec: WindowSpec, key: tuple[int, int], animation: str, seed: int
) -> Window:
    """A window of rendered frames, colour-jittered if the specification says so.

    Args:
        images: (N + 2, H, W, 3) uint8: first keyframe, the N targets, last keyframe.
        times: Positions of the targets in (0, 1), ascending.
        spec: Its seed and colour augmentation are used.
        key: Epoch and index of the window.
        animation: Its name; the window is all of it.
        seed: Of the colour jitter.
    """
    epoch, index = key
    if spec.augment and spec.augment.color:
        amounts = np.random.default_rng(seed).uniform(-spec.augment.color, spec.augment.color, 3)
        images = recolor(images, amounts)
    count, height, width, channels = images.shape
    frames = np.empty((count, channels, height, width), np.float32)
    np.divide(images.transpose(0, 3, 1, 2), np.float32(255), out=frames)
    tensor = torch.from_numpy(frames)
    return {
        "first": tensor[0],
        "last": tensor[-1],
        "targets": tensor[1:-1],
        "t": torch.tensor(times, dtype=torch.float32),
        "box": torch.tensor([0, 0, height, width]),
        "index": torch.tensor(index),
        "seed": torch.tensor(sample_seed(spec.seed, epoch, index)),
        "name": f"{animation}/0-1",
        "animation": animation,
    }
