"""`compare`: several methods on the same windows, with intervals and differences."""

from inbetween.commands.compare.command import compare

__all__ = ["compare"]
