"""Layers: moving scenes made of still images, an endless source of windows with known motion."""

from inbetween.data.layers.source import LayeredImages

__all__ = ["LayeredImages"]
