"""Encoding of the position t as network input."""

import math

import torch
from torch import Tensor

TIME_CODE_SIZE = 8


def time_code(t: Tensor) -> Tensor:
    """phi(t) = [t, t², t³, t⁴, sin 2πt, cos 2πt, sin 4πt, cos 4πt].

    Args:
        t: (...,) in [0, 1].

    Returns:
        (..., 8) float32.
    """
    t = t.float()
    angle = 2 * math.pi * t
    powers = [t, t**2, t**3, t**4]
    waves = [torch.sin(angle), torch.cos(angle), torch.sin(2 * angle), torch.cos(2 * angle)]
    return torch.stack(powers + waves, dim=-1)
