"""Synthetic cels: an endless source of drawn animation that knows its own motion."""

from inbetween.data.cels.scene import CelScene
from inbetween.data.cels.source import SyntheticCels

__all__ = ["CelScene", "SyntheticCels"]
