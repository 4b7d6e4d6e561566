"""Spherical linear interpolation."""

import torch
from torch import Tensor


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Interpolate along the great circle through `a` and `b`, per sample.

    slerp(a, b, t) = sin((1-t)θ)/sin θ · a + sin(tθ)/sin θ · b with cos θ = a·b / (|a||b|) over all
    dimensions but the first (Shoemake, 1985). Nearly parallel samples (cosine > 0.9995), where sin θ
    vanishes, are interpolated linearly.

    Args:
        a: (B, ...), any range.
        b: (B, ...), a's shape.
        t: (B,) in [0, 1]; 0 gives a, 1 gives b.

    Returns:
        (B, ...) in a's dtype; computed in float32 or better.
    """
    dtype = a.dtype
    a, b = (x if x.dtype == torch.float64 else x.float() for x in (a, b))
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    cosine = (flat_a * flat_b).sum(1) / (flat_a.norm(dim=1) * flat_b.norm(dim=1)).clamp_min(1e-12)
    t = t.to(a)
    parallel = cosine > 0.9995
    theta = torch.acos(torch.where(parallel, torch.zeros_like(cosine), cosine).clamp(-1, 1))
    sine = torch.sin(theta).clamp_min(1e-6)
    weight_a = torch.where(parallel, 1 - t, torch.sin((1 - t) * theta) / sine)
    weight_b = torch.where(parallel, t, torch.sin(t * theta) / sine)
    shape = (-1,) + (1,) * (a.ndim - 1)
    return (weight_a.view(shape) * a + weight_b.view(shape) * b).to(dtype)
