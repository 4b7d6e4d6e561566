"""Latent diffusion: the backbone, and the methods that interpolate with it, one file each."""

from inbetween.methods.diffusion.autoencoder import LatentInterpolation
from inbetween.methods.diffusion.backbone import Backbone, TextBackbone, UntrainedBackbone
from inbetween.methods.diffusion.base import DiffusionMethod
from inbetween.methods.diffusion.first_last_video import FirstLastVideo
from inbetween.methods.diffusion.image_variation import ImageVariation
from inbetween.methods.diffusion.keyframe_diffusion import KeyframeDiffusion
from inbetween.methods.diffusion.latent_slerp import LatentSlerp
from inbetween.methods.diffusion.objectives import Denoising, ImageRefinement, Objective
from inbetween.methods.diffusion.sampling import Sampling
from inbetween.methods.diffusion.temporal_encoding import TemporalEncodingDiffusion
from inbetween.methods.diffusion.video.model import VideoSampling
from inbetween.methods.diffusion.weighted_cross_attention import WeightedCrossAttention

__all__ = [
    "Backbone",
    "Denoising",
    "DiffusionMethod",
    "FirstLastVideo",
    "ImageRefinement",
    "ImageVariation",
    "KeyframeDiffusion",
    "LatentInterpolation",
    "LatentSlerp",
    "Objective",
    "Sampling",
    "TemporalEncodingDiffusion",
    "TextBackbone",
    "UntrainedBackbone",
    "VideoSampling",
    "WeightedCrossAttention",
]
