"""Methods with distance indexing: a spacing map gives how far each pixel has moved along its path."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from inbetween.methods.base import Generators, Method
from inbetween.types import WindowBatch


class SpacedMethod(Method):
    """A method that takes a spacing map (how far each pixel has moved along its path) instead of one `t`.

    That is distance indexing (arXiv 2311.08007).

    List it before `TrainableMethod`: `class SpacingFlow(SpacedMethod, TrainableMethod)`.
    """

    #: Mean expected error of a frame up to which it is `easy`, and up to which it is `check`; beyond it is
    #: `redraw`. None for no labels.
    review_thresholds: tuple[float, float] | None = None
    #: Number of deterministic candidates for each frame.
    candidates: ClassVar[int] = 1
    #: Motion can run through keyframes: what `spaced_interpolator` returns has
    #: `run_through(before, after)`, which takes those of the neighbouring pairs of keyframes, or None; and
    #: `paths(points, t)`, where points of the first keyframe go.
    runs_through: ClassVar[bool] = False

    @abstractmethod
    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Interpolate the frames at a spacing map.

        Args:
            first: (B, 3, H, W) in [0, 1], any H and W.
            last: (B, 3, H, W) in [0, 1].
            spacing: (B, N, 1, H, W) in [0, 1] at the in-betweens' own pixels: how far the point at a pixel
                has moved from its position in `first`, 0, to that in `last`, 1.
            candidate: Index from 0, the most likely one, to `candidates` - 1.

        Returns:
            The frames (B, N, 3, H, W) float32 in [0, 1], and the expected absolute error of each pixel
            (B, N, 1, H, W).
        """

    def spaced_interpolator(
        self, first: Tensor, last: Tensor, candidate: int = 0
    ) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """See `Method.interpolator`: a function from a spacing map to the result of `interpolate_spaced`."""
        return lambda spacing: self.interpolate_spaced(first, last, spacing, candidate)

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`: with a constant spacing map."""
        return self.interpolate_spaced(first, last, even_spacing(first, t))[0]

    def interpolate_with_uncertainty(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        """Frames (B, N, 3, H, W) of a batch, and each pixel's expected absolute error (B, N, 1, H, W)."""
        first, last = batch["first"], batch["last"]
        return self.interpolate_spaced(first, last, even_spacing(first, batch["t"]))


def even_spacing(images: Tensor, t: Tensor) -> Tensor:
    """The constant spacing map (B, N, 1, H, W) of t (B, N), for images (B, C, H, W)."""
    return t.float()[:, :, None, None, None].expand(-1, -1, 1, *images.shape[-2:])
