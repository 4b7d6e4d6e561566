"""RIFE 4.26 as published, and as the network of spacing flow."""

from inbetween.methods.rife.rife import Rife
from inbetween.methods.rife.spacing_rife import SpacingRife

__all__ = ["Rife", "SpacingRife"]
