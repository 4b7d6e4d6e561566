"""Spacing of a guide of its own: which share of its path is done at t."""

from typing import Literal

import numpy as np

NamedTiming = Literal["even", "ease_in", "ease_out", "ease_in_out"]
#: A named chart; or positions at evenly spaced times between the keyframes, which are at 0 and 1.
Timing = NamedTiming | tuple[float, ...]


def position(timing: Timing, t: float) -> float:
    """The position in [0, 1] at t in [0, 1].

    With a list of n numbers, t = k / (n + 1) gives the k-th, and other t what lies between, linearly.
    """
    if timing == "ease_in":
        return t**2
    if timing == "ease_out":
        return 1 - (1 - t) ** 2
    if timing == "ease_in_out":
        return t**2 * (3 - 2 * t)
    if timing == "even":
        return t
    return float(np.interp(t, np.linspace(0, 1, len(timing) + 2), [0.0, *timing, 1.0]))
