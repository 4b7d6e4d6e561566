from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from inbetween.metrics.feature_network import SHAPES, lpips_network
from inbetween.types import WindowBatch


@pytest.fixture(scope="session")
def random_alexnet() -> dict[str, torch.Tensor]:
    """Weights of AlexNet's shapes, so that LPIPS can be compared without the real ones."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator) / max(1, torch.Size(shape[1:]).numel()) ** 0.5
        for name, shape in SHAPES.items()
    }


@pytest.fixture(scope="session")
def alexnet_file(random_alexnet: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "alexnet.safetensors"
    save_file(random_alexnet, path)
    return path


@pytest.fixture(scope="session")
def network(random_alexnet: dict[str, torch.Tensor]) -> nn.Module:
    return lpips_network(random_alexnet)


@pytest.fixture
def make_batch() -> Callable[..., WindowBatch]:
    """Windows of noise, smoothed so that neighbouring pixels are alike."""

    def make(
        count: int = 2, between: int = 3, height: int = 40, width: int = 48, start: int = 0
    ) -> WindowBatch:
        frames = []
        for index in range(start, start + count):
            generator = torch.Generator().manual_seed(index)
            noise = torch.rand(between + 2, 3, height + 4, width + 4, generator=generator)
            frames.append(torch.nn.functional.avg_pool2d(noise, 5, stride=1))
        clips = torch.stack(frames)
        return {
            "first": clips[:, 0],
            "last": clips[:, -1],
            "targets": clips[:, 1:-1],
            "t": torch.linspace(0, 1, between + 2)[1:-1].expand(count, -1),
            "box": torch.tensor([[0, 0, height, width]] * count),
            "index": torch.arange(start, start + count),
            "seed": torch.arange(count),
            "name": [f"animation/scene/{index}" for index in range(start, start + count)],
        }

    return make
