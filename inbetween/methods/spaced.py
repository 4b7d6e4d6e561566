"""Methods that follow a spacing map: how far the motion of each pixel has gone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from inbetween.methods.base import Generators, Method
from inbetween.types import WindowBatch


class SpacedMethod(Method):
    """A method that takes how far each pixel's motion has gone, where others take one `t` for all.

    List it before `TrainableMethod`: `class SpacingFlow(SpacedMethod, TrainableMethod)`.
    """

    #: Mean expected error of a drawing up to which it is `easy`, and up to which it is to be checked; one
    #: beyond is to be redrawn. None says nothing.
    review_thresholds: tuple[float, float] | None = None
    #: How many drawings it knows for one place, without chance.
    candidates: ClassVar[int] = 1

    @abstractmethod
    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Draw the frames where the motion has gone as far as `spacing` says.

        Args:
            first: (B, 3, H, W) in [0, 1], any H and W.
            last: (B, 3, H, W) in [0, 1].
            spacing: (B, N, 1, H, W) in [0, 1] at the drawn frames' own pixels: 0 shows what is there as in
                `first`, 1 as in `last`.
            candidate: Which of its drawings, from 0, the likeliest, to `candidates` - 1.

        Returns:
            The frames (B, N, 3, H, W) float32 in [0, 1], and the expected absolute error of each pixel
            (B, N, 1, H, W).
        """

    def spaced_interpolator(
        self, first: Tensor, last: Tensor, candidate: int = 0
    ) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """See `Method.interpolator`: takes a spacing, gives what `interpolate_spaced` does."""
        return lambda spacing: self.interpolate_spaced(first, last, spacing, candidate)

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`: everything has gone as far as `t`."""
        return self.interpolate_spaced(first, last, even_spacing(first, t))[0]

    def interpolate_with_uncertainty(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        """Frames (B, N, 3, H, W) of a batch, and each pixel's expected absolute error (B, N, 1, H, W)."""
        first, last = batch["first"], batch["last"]
        return self.interpolate_spaced(first, last, even_spacing(first, batch["t"]))


def even_spacing(images: Tensor, t: Tensor) -> Tensor:
    """The spacing map (B, N, 1, H, W) that says t (B, N) everywhere, for pictures (B, C, H, W)."""
    return t.float()[:, :, None, None, None].expand(-1, -1, 1, *images.shape[-2:])
