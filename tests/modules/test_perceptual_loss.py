from importlib.resources import files

import lpips
import pytest
import torch
from safetensors.torch import save_file

from inbetween.errors import UserError
from inbetween.modules.perceptual import LAYERS, PerceptualLoss, cached_vgg

SHAPES = {
    0: (64, 3),
    2: (64, 64),
    5: (128, 64),
    7: (128, 128),
    10: (256, 128),
    12: (256, 256),
    14: (256, 256),
}


def random_vgg() -> dict[str, torch.Tensor]:
    """Weights of VGG16's first layers, by torchvision's names."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for number, (outputs, inputs) in SHAPES.items():
        scale = (2 / (9 * inputs)) ** 0.5
        state[f"features.{number}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * scale
        state[f"features.{number}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    return state


@pytest.fixture(scope="module")
def weights():
    return random_vgg()


@pytest.fixture
def loss(weights, tmp_path):
    save_file(weights, tmp_path / "vgg.safetensors")
    return PerceptualLoss(tmp_path / "vgg.safetensors")


def test_agrees_with_the_lpips_package_on_its_first_three_layers(loss, weights):
    a, b = torch.rand(2, 2, 3, 40, 48)
    scaling = lpips.lpips.ScalingLayer()
    heads = torch.load(
        str(files("lpips") / "weights" / "v0.1" / "vgg.pth"), map_location="cpu", weights_only=True
    )
    expected, x, y = torch.zeros(()), scaling(a * 2 - 1), scaling(b * 2 - 1)
    for place, numbers in enumerate(LAYERS):
        if place:
            x, y = (torch.nn.functional.max_pool2d(z, 2) for z in (x, y))
        for number in numbers:
            weight, bias = weights[f"features.{number}.weight"], weights[f"features.{number}.bias"]
            x, y = (torch.conv2d(z, weight, bias, padding=1).relu() for z in (x, y))
        difference = (lpips.normalize_tensor(x) - lpips.normalize_tensor(y)) ** 2
        expected = expected + torch.conv2d(difference, heads[f"lin{place}.model.1.weight"]).mean()
    torch.testing.assert_close(loss(a, b), expected, rtol=1e-4, atol=1e-6)


def test_gradient_reaches_the_picture_and_nothing_else(loss):
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)
    loss(picture, torch.rand(1, 3, 32, 32)).backward()
    assert picture.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_file_of_something_else_is_named(tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"other.safetensors does not hold VGG16"):
        PerceptualLoss(tmp_path / "other.safetensors")
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"broken.pth is not a readable weights file"):
        PerceptualLoss(tmp_path / "broken.pth")


def test_cache_is_looked_at_first(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached_vgg().parent.mkdir()
    save_file(weights, cached_vgg())
    assert float(PerceptualLoss()(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))) == 0
