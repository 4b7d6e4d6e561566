"""Parts of networks that methods share."""

from inbetween.modules.backbone import Backbone, FreshBackbone, TextBackbone
from inbetween.modules.sampling import Sampling

__all__ = ["Backbone", "FreshBackbone", "Sampling", "TextBackbone"]
