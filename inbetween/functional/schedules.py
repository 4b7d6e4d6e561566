"""Learning-rate schedules."""

import math


def cosine_after_warmup(step: int, warmup_steps: int, total_steps: int | None) -> float:
    """Factor on the learning rate: linear warm-up, then half a cosine to zero at `total_steps`.

    Args:
        step: Optimiser steps taken, from 0.
        warmup_steps: Length of the warm-up; 0 starts at the full rate.
        total_steps: Where the factor reaches zero; None keeps it at 1 after the warm-up.

    Returns:
        A factor in [0, 1].
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if total_steps is None:
        return 1.0
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
