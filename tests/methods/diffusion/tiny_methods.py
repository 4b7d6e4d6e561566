"""Diffusion methods on tiny backbones."""

import torch

from inbetween.methods import (
    KeyframeDiffusion,
    LatentSlerp,
    TemporalEncodingDiffusion,
    WeightedCrossAttention,
)
from inbetween.methods.diffusion import Sampling
from tests.tiny import tiny_backbone

METHODS = [LatentSlerp, KeyframeDiffusion, TemporalEncodingDiffusion, WeightedCrossAttention]


def make(cls=KeyframeDiffusion, prediction_type="epsilon", **options):
    torch.manual_seed(0)
    return cls(tiny_backbone(prediction_type), **{"sampling": Sampling(4, 0.5)} | options)


def spy(method, name="denoise"):
    """Arguments of the calls of a method of the backbone, as they come."""
    calls, original = [], getattr(method.backbone, name)

    def call(*arguments):
        calls.append(arguments)
        return original(*arguments)

    setattr(method.backbone, name, call)
    return calls


def row(batch, index):
    return {key: value[index : index + 1] for key, value in batch.items()}
