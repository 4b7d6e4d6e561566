"""The command and the Python API give the same frames, and so does a GPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import inbetween
from inbetween.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "examples" / "keyframes"


def keyframes(name: str) -> list[Image.Image]:
    return [Image.open(path).resize((96, 96)) for path in sorted((EXAMPLES / name).glob("*.png"))]


@pytest.mark.parametrize(
    ("name", "method"),
    [("flat_colour", "spacing_flow"), ("transparent", "spacing_flow"), ("flat_colour", "exp1")],
)
def test_the_command_writes_what_the_api_gives(tmp_path: Path, name: str, method: str) -> None:
    images = keyframes(name)[:2]
    paths = [str(tmp_path / f"{number}.png") for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        image.save(path)
    out = tmp_path / "out"
    given = ["--keyframes", *paths, "--between", "2", "--spacing", "ease_in", "--output", str(out)]
    assert main(["interpolate", "--method", method, "--accelerator", "cpu", "--write", "none", *given]) == 0
    frames = inbetween.interpolate(images, between=2, spacing="ease_in", method=method, device="cpu")
    for number, frame in enumerate(frames):
        written = Image.open(out / f"{number:04d}.png")
        assert written.mode == frame.mode
        assert np.array_equal(np.asarray(written), np.asarray(frame))


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["dis", "spacing_flow", "exp1"])
def test_a_gpu_gives_what_a_processor_gives(gpu: torch.device, method: str) -> None:
    arrays = [np.asarray(image) for image in keyframes("transparent")]
    expected = inbetween.load(method, device="cpu", precision="32-true").interpolate(*arrays)
    model = inbetween.load(method, device=gpu, precision="32-true")
    assert next(iter(model.method.parameters()), torch.empty(0, device=gpu)).device.type == gpu.type
    found = model.interpolate(*arrays)
    assert np.abs(found.astype(int) - expected).mean() < 1.5
    # tensors stay where they are
    tensors = [torch.from_numpy(array).permute(2, 0, 1).float().to(gpu) / 255 for array in arrays]
    frames = model.interpolate(*tensors)
    assert frames.device == tensors[0].device
    difference = np.abs((frames * 255).cpu().permute(0, 2, 3, 1).numpy() - found)
    # a GPU sums splatted motion in any order, which may turn a choice between keyframes at a few pixels
    assert (difference > 0.51).mean() < 0.01
