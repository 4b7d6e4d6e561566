"""Parts of networks that methods share."""

from inbetween.modules.backbone import Backbone, FreshBackbone

__all__ = ["Backbone", "FreshBackbone"]
