"""Spacing flow: intermediate flow learned on animation, indexed by how far the motion has gone."""

from inbetween.methods.spacing_flow.method import SpacingFlow

__all__ = ["SpacingFlow"]
