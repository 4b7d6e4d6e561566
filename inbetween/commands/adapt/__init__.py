"""`adapt`: better weights for one's own drawings, and an honest answer whether they are better."""

from inbetween.commands.adapt.command import adapt

__all__ = ["adapt"]
