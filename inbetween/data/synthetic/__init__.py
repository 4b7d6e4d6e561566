"""Synthetic cels: an endless source of drawn animation that knows its own motion."""

from inbetween.data.synthetic.scene import SyntheticScene
from inbetween.data.synthetic.source import SyntheticAnimation

__all__ = ["SyntheticAnimation", "SyntheticScene"]
