"""Interpolation with any method: what the Python API and `python -m inbetween interpolate` stand on."""

from inbetween.interpolation.loading import load
from inbetween.interpolation.model import Interpolator
from inbetween.interpolation.sequence import interpolate

__all__ = ["Interpolator", "interpolate", "load"]
