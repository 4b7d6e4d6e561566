"""`benchmark`: training and inference speed of methods on this machine, and their memory."""

from inbetween.commands.benchmark.command import benchmark

__all__ = ["benchmark"]
