"""Cross-fade: a dissolve from one keyframe to the other."""

from torch import Tensor

from inbetween.methods.base import Generators, Method


class CrossFade(Method):
    """(1 - t) first + t last. Moving lines are doubled, which pixel metrics hardly penalise."""

    exact_endpoints = True
    time_symmetric = True
    supports_alpha = True

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        weight = t[:, :, None, None, None].to(first)
        return (1 - weight) * first[:, None] + weight * last[:, None]
