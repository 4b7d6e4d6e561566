"""Spacing flow: intermediate flow learned on animation, with distance indexing."""

from inbetween.methods.spacing_flow.method import SpacingFlow

__all__ = ["SpacingFlow"]
