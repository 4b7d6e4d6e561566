"""Interpolation methods: a file for each small method, a package for each family."""

from inbetween.methods.base import Method, TrainableMethod
from inbetween.methods.cross_fade import CrossFade
from inbetween.methods.diffusion import (
    DiffusionMethod,
    FirstLastVideo,
    ImageVariation,
    KeyframeDiffusion,
    LatentInterpolation,
    LatentSlerp,
    TemporalEncodingDiffusion,
    WeightedCrossAttention,
)
from inbetween.methods.optical_flow import OpticalFlow
from inbetween.methods.repeat import Repeat
from inbetween.methods.rife import Rife, SpacingRife
from inbetween.methods.spacing_flow import SpacingFlow

__all__ = [
    "CrossFade",
    "DiffusionMethod",
    "FirstLastVideo",
    "ImageVariation",
    "KeyframeDiffusion",
    "LatentInterpolation",
    "LatentSlerp",
    "Method",
    "OpticalFlow",
    "Repeat",
    "Rife",
    "SpacingFlow",
    "SpacingRife",
    "TemporalEncodingDiffusion",
    "TrainableMethod",
    "WeightedCrossAttention",
]
