"""Interpolation methods: a file for each small one, a package for each family."""

from inbetween.methods.autoencoder import LatentInterpolation
from inbetween.methods.base import Method, TrainableMethod
from inbetween.methods.cross_fade import CrossFade
from inbetween.methods.diffusion import DiffusionMethod
from inbetween.methods.image_variation import ImageVariation
from inbetween.methods.keyframe_diffusion import KeyframeDiffusion
from inbetween.methods.latent_slerp import LatentSlerp
from inbetween.methods.optical_flow import OpticalFlow
from inbetween.methods.repeat import Repeat
from inbetween.methods.rife import Rife, SpacingRife
from inbetween.methods.spacing_flow import SpacingFlow
from inbetween.methods.temporal_encoding import TemporalEncodingDiffusion
from inbetween.methods.weighted_cross_attention import WeightedCrossAttention

__all__ = [
    "CrossFade",
    "DiffusionMethod",
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
