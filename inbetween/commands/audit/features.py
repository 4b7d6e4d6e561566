"""Deep features of images, in which distances follow what people find similar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.functional.constants import constant
from inbetween.methods.diffusion.backbone import CLIP_MEAN, CLIP_STD
from inbetween.metrics.feature_network import find_alexnet, lpips_network, read_alexnet
from inbetween.metrics.perceptual import PerceptualDistance


class DeepFeatures(ABC):
    """A network whose features are compared.

    Args:
        device: Where it computes.
    """

    #: As it is named in reports.
    name: ClassVar[str]
    #: Largest distance of a copy from its original.
    threshold: ClassVar[float]

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Vectors (K, D) float32, on its device, of images (K, 3, H, W) in [0, 1].

        What is compared are their squared distances.
        """


class AlexNetFeatures(DeepFeatures):
    """Features in which the squared distance is LPIPS (alex, version 0.1, arXiv 1801.03924).

    LPIPS is `sum_l mean_hw w_l (a_l - b_l)^2`: a squared Euclidean distance of features that are multiplied
    by `sqrt(w_l / hw)`, so that distances to many images are a matrix product.

    Args:
        network: LPIPS as made by `load_lpips`.
        device: Where it computes.
    """

    name = "LPIPS"
    threshold = 0.04

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__(device)
        self.distance = PerceptualDistance(network.to(device))
        heads = network.get_submodule("lins").children()
        self.weights = [next(head.parameters()).clamp(min=0).sqrt() for head in heads]

    def embed(self, images: Tensor) -> Tensor:
        """See `DeepFeatures.embed`."""
        layers = self.distance.features(images.to(self.device))
        return torch.cat(
            [
                (layer * weight / (layer.shape[-2] * layer.shape[-1]) ** 0.5).flatten(1)
                for layer, weight in zip(layers, self.weights, strict=True)
            ],
            dim=1,
        )


class CLIPFeatures(DeepFeatures):
    """CLIP's image embeddings; half the squared distance of unit vectors is one minus their cosine.

    Args:
        pretrained: Hub id, or a folder as `save_pretrained` writes it.
        device: Where it computes.

    Raises:
        UserError: It cannot be loaded.
    """

    name = "CLIP"
    threshold = 0.02

    def __init__(self, pretrained: str, device: torch.device) -> None:
        super().__init__(device)
        from transformers import CLIPVisionModelWithProjection

        try:
            encoder = CLIPVisionModelWithProjection.from_pretrained(pretrained)
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise UserError(
                f"The CLIP {pretrained} cannot be loaded ({type(error).__name__}): give --features a hub id,"
                " or a folder with config.json and weights as transformers' save_pretrained writes them."
            ) from error
        self.encoder = encoder.eval().requires_grad_(False).to(device)

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """See `DeepFeatures.embed`."""
        side = int(self.encoder.config.image_size)
        square = F.interpolate(
            images.to(self.device), size=(side, side), mode="bicubic", antialias=True
        ).clamp(0, 1)
        mean, std = (constant(square, *value).view(1, 3, 1, 1) for value in (CLIP_MEAN, CLIP_STD))
        embedding: Tensor = self.encoder(pixel_values=(square - mean) / std).image_embeds
        return F.normalize(embedding.float(), dim=1) / 2**0.5


def find_features(clip: str | None, alexnet: Path | None, device: torch.device) -> DeepFeatures | None:
    """CLIP's features where one is given, else AlexNet's; None where neither is on this machine.

    Args:
        clip: Hub id or folder.
        alexnet: File with AlexNet's weights; None searches the caches of inbetween and torchvision.
        device: Where they compute.

    Raises:
        UserError: What is given cannot be loaded.
    """
    if clip is not None:
        return CLIPFeatures(clip, device)
    path = alexnet.expanduser() if alexnet is not None else find_alexnet()
    return None if path is None else AlexNetFeatures(lpips_network(read_alexnet(path)), device)


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """Squared distances (n, m) of vectors (n, D) and (m, D)."""
    lengths = one.square().sum(1)[:, None] + other.square().sum(1)
    return (lengths - 2 * one @ other.T).clamp(min=0)
