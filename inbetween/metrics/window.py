"""What all metrics share: one score per window, cropped to the picture, safe under several processes."""

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torchmetrics import Metric

from inbetween.types import WindowBatch

T = TypeVar("T")


class Cropped(NamedTuple):
    """One window's frames without their padding, float32 in [0, 1]."""

    frames: Tensor  # (N, 3, h, w) predicted
    targets: Tensor  # (N, 3, h, w)
    first: Tensor  # (3, h, w)
    last: Tensor  # (3, h, w)

    @property
    def side(self) -> int:
        """The shorter side in pixels."""
        return min(self.frames.shape[-2:])


def cropped(frames: Tensor, batch: WindowBatch) -> Iterator[Cropped]:
    """The windows of a batch, each cut to its `box`: padding must not flatter a figure.

    Args:
        frames: (B, N, 3, H, W) in [0, 1], predicted.
        batch: The windows they were predicted for.
    """
    for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
        area = (..., slice(top, top + height), slice(left, left + width))
        yield Cropped(
            frames[row][area].float(),
            batch["targets"][row][area].float(),
            batch["first"][row][area].float(),
            batch["last"][row][area].float(),
        )


class TruthCache:
    """What depends on a batch's true frames alone, kept while several predictions of it are measured.

    Shared by all metrics that measure the same batches. It forgets a batch when the next one comes, and
    does not keep the batch itself alive.
    """

    def __init__(self) -> None:
        self._targets: weakref.ref[Tensor] | None = None
        self._kept: dict[tuple[str, int], Any] = {}

    def __call__(self, batch: WindowBatch, what: str, row: int, compute: Callable[[], T]) -> T:
        """`compute()` for the row of the batch, or what it gave last time."""
        if self._targets is None or self._targets() is not batch["targets"]:
            self._targets, self._kept = weakref.ref(batch["targets"]), {}
        if (what, row) not in self._kept:
            self._kept[what, row] = compute()
        kept: T = self._kept[what, row]
        return kept


class WindowMetric(Metric, ABC):
    """A figure with one score per window; its value is the mean over windows.

    Scores are kept with their window's index, so that they come out in one order whatever the number
    of processes, and a window counts once even where a distributed sampler repeats it to even out the
    processes. Windows for which the figure is undefined have no score.
    """

    full_state_update = False
    is_differentiable = False

    score: list[Tensor]
    # float32, because a process without windows contributes an empty float32 tensor to the gathering;
    # exact up to 2**24 windows
    index: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("score", [], dist_reduce_fx="cat")
        self.add_state("index", [], dist_reduce_fx="cat")

    @abstractmethod
    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """The score of each window of a batch, () float32; None where it is undefined."""

    def update(self, frames: Tensor, batch: WindowBatch) -> None:
        """Score the windows of a batch.

        Args:
            frames: (B, N, 3, H, W) in [0, 1], predicted; any float dtype.
            batch: The windows they were predicted for.
        """
        pairs = zip(self.scores(frames, batch), batch["index"].tolist(), strict=True)
        defined = [(score, index) for score, index in pairs if score is not None]
        if defined:
            self.score.append(torch.stack([score.float().to(self.device) for score, _ in defined]))
            self.index.append(torch.tensor([index for _, index in defined]).float().to(self.device))

    def compute(self) -> Tensor:
        """The mean over windows, () float32; NaN when no window has a score."""
        return self._in_order()[0].mean()

    def per_window(self) -> tuple[Tensor, Tensor]:
        """Scores and indices of all windows of all processes, ordered by index.

        Every process must call it.

        Returns:
            scores (n,) float32 and indices (n,) int64.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self._in_order()

    def _in_order(self) -> tuple[Tensor, Tensor]:
        """`per_window` of a state that has been gathered."""
        score, index = (
            torch.cat([torch.empty(0, device=self.device), *states]) if isinstance(states, list) else states
            for states in (self.score, self.index)
        )
        order = index.argsort(stable=True)
        index = index[order]
        once = torch.ones_like(index, dtype=torch.bool)
        once[1:] = index[1:] != index[:-1]
        return score[order][once], index[once].long()
