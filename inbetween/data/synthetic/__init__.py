"""Synthetic animation: an endless source of scenes with known motion."""

from inbetween.data.synthetic.scene import SyntheticScene
from inbetween.data.synthetic.source import SyntheticAnimation

__all__ = ["SyntheticAnimation", "SyntheticScene"]
