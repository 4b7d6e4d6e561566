"""The method with a tiny model."""

from pathlib import Path
from typing import Any

import torch

from inbetween.methods import FirstLastVideo
from inbetween.methods.diffusion import VideoSampling

SAMPLING = VideoSampling(steps=2)


def method_of(folder: Path, **options: Any) -> FirstLastVideo:
    torch.manual_seed(0)
    return FirstLastVideo(
        str(folder), **{"prompt": "a cat", "sampling": SAMPLING, "frozen_dtype": "float32", **options}
    )


def excite(method: FirstLastVideo) -> None:
    """Adapters that do something, as after a training."""
    generator = torch.Generator().manual_seed(5)
    for name, weight in method.named_parameters():
        if "lora_B" in name:
            weight.data = 0.1 * torch.randn(weight.shape, generator=generator)
