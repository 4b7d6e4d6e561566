"""`benchmark`: how fast methods train and interpolate on this machine, and the memory they need."""

from inbetween.commands.benchmark.command import benchmark

__all__ = ["benchmark"]
