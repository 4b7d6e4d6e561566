"""Interpolation with any method: the basis of the Python API and of `python -m inbetween interpolate`."""

from inbetween.interpolation.guides import Guides
from inbetween.interpolation.loading import load
from inbetween.interpolation.model import Interpolator
from inbetween.interpolation.sequence import interpolate

__all__ = ["Guides", "Interpolator", "interpolate", "load"]
