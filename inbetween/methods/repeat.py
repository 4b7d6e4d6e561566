"""Repeat: the first keyframe stays until the last one, as in an animation without in-betweens."""

from torch import Tensor

from inbetween.methods.base import Generators, Method


class Repeat(Method):
    """Repeats the first keyframe. The lower baseline: a method below it is worse than no interpolation."""

    supports_alpha = True

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        return first[:, None].expand(-1, t.shape[1], -1, -1, -1).clone()
