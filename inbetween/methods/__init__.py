"""Every way to draw in-betweens, one file each."""

from inbetween.methods.autoencoder import LatentInterpolation
from inbetween.methods.base import Method, TrainableMethod
from inbetween.methods.cross_fade import CrossFade
from inbetween.methods.hold import Hold
from inbetween.methods.optical_flow import OpticalFlow
from inbetween.methods.temporal_encoding import TemporalEncodingDiffusion

__all__ = [
    "CrossFade",
    "Hold",
    "LatentInterpolation",
    "Method",
    "OpticalFlow",
    "TemporalEncodingDiffusion",
    "TrainableMethod",
]
