"""The cycle loss: in-betweens of in-betweens give the frame between them back."""

from collections.abc import Callable

import torch
from torch import Tensor

from inbetween.methods.spacing_flow.crops import CroppedSample


def cycle_estimate(interpolate: Callable[[Tensor, Tensor, Tensor], Tensor], sample: CroppedSample) -> Tensor:
    """The target, estimated from in-betweens alone (after Reda et al. 2019, arXiv 1906.05928).

    With I(x, y, s) the in-between of x and y at the spacing s,

        target' = I(I(first, target, 1/2), I(target, last, 1/2), s),

    where s is the target's own spacing between first and last. A point that has moved by s of its path in the
    target is at s / 2 and (1 + s) / 2 in the two in-betweens. These are 1/2 apart, and s lies at
    (s - s / 2) / (1/2) = s between them: 1/2 for evenly spaced frames, as in the paper.

    Args:
        interpolate: I, for images (M, 3, H, W) and spacing (M, 1, H, W).
        sample: Of B windows.

    Returns:
        (B, 3, H, W), about in [0, 1].
    """
    halfway = torch.full_like(sample.spacing, 0.5)
    early, late = interpolate(
        torch.cat([sample.first, sample.target]),
        torch.cat([sample.target, sample.last]),
        torch.cat([halfway, halfway]),
    ).chunk(2)
    return interpolate(early, late, sample.spacing)
