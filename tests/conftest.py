"""Small scenes drawn on disk, for all tests that need files."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

# Models here are tiny: a second thread would only wait for the first.
torch.set_num_threads(1)

DrawScene = Callable[..., list[Path]]


def drawing(number: int, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """A white sheet (height, width, 3) uint8 with a square that walks right by 3 pixels a drawing."""
    ink = np.random.default_rng(seed).integers(0, 160, 3)
    image = np.full((height, width, 3), 255, np.uint8)
    left = 2 + 3 * number
    image[12:28, left : left + 14] = ink
    image[16:20, left + 4 : left + 8] = 255 - ink
    return image


@pytest.fixture(scope="session")
def gpu() -> torch.device:
    """The device of tests marked `gpu`; INBETWEEN_TEST_DEVICE=cpu tries the tests themselves without one."""
    name = os.environ.get("INBETWEEN_TEST_DEVICE", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("This machine has no CUDA GPU, which the tests marked gpu need.")
    return torch.device(name)


@pytest.fixture
def draw_scene() -> DrawScene:
    """Writes drawings `numbers` (default 0 to 8) of one scene into a folder as 0001.png, ..."""

    def write(
        folder: Path,
        numbers: list[int] | int = 9,
        height: int = 48,
        width: int = 64,
        seed: int = 0,
        suffix: str = ".png",
    ) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = list(range(numbers)) if isinstance(numbers, int) else numbers
        paths = []
        for place, number in enumerate(numbers, start=1):
            paths.append(folder / f"{place:04d}{suffix}")
            Image.fromarray(drawing(number, height, width, seed)).save(paths[-1])
        return paths

    return write


@pytest.fixture
def scenes_root(tmp_path: Path, draw_scene: DrawScene) -> Path:
    """A folder with train and val: three and one animations of one scene each, 9 drawings of 48x64."""
    root = tmp_path / "scenes"
    for seed, name in enumerate(["train/cat", "train/dog", "train/hen", "val/fox"]):
        draw_scene(root / name / "walk", seed=seed)
    return root
