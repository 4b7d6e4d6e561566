"""RIFE 4.26 as it is published, and made ours."""

from inbetween.methods.rife.rife import Rife
from inbetween.methods.rife.spacing_rife import SpacingRife

__all__ = ["Rife", "SpacingRife"]
