"""Metrics of windows: a score for each, cropped to the image, safe under several processes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor
from torchmetrics import Metric

from inbetween.metrics.base import SampleMetric
from inbetween.types import WindowBatch

T = TypeVar("T")


class Clip(NamedTuple):
    """A window's true frames without their padding, float32 in [0, 1]."""

    sequence: Tensor  # (N + 2, 3, h, w): keyframes and targets
    targets: Tensor  # (N, 3, h, w): without the keyframes


class Kept(Generic[T]):
    """Values of tensors, each computed once and kept while its tensor lives.

    Args:
        compute: Returns the value for a tensor, which must not be modified afterwards.
    """

    def __init__(self, compute: Callable[[Tensor], T]) -> None:
        self.compute = compute
        self._found: dict[int, tuple[weakref.ref[Tensor], T]] = {}

    def __call__(self, tensor: Tensor) -> T:
        """`compute(tensor)`, or what it gave before."""
        key = id(tensor)
        if key not in self._found:
            value = self.compute(tensor)
            self._found[key] = weakref.ref(tensor, lambda _: self._found.pop(key, None)), value
        return self._found[key][1]

    def __getstate__(self) -> dict[str, Any]:
        return {"compute": self.compute, "_found": {}}  # what is kept belongs to this process's tensors


class Crops:
    """The windows of a batch, each cut to its `box`: padding must not flatter a metric.

    Shared by all metrics that measure the same batches, so that what they keep of a frame, and of the true
    frames while several predictions are measured, is found again.
    """

    def __init__(self) -> None:
        self._truth: tuple[weakref.ref[Tensor], list[Clip]] | None = None
        self._frames: tuple[weakref.ref[Tensor], list[Tensor]] | None = None

    def truth(self, batch: WindowBatch) -> list[Clip]:
        """The true frames of each window."""
        if self._truth is None or self._truth[0]() is not batch["targets"]:
            whole = torch.cat([batch["first"][:, None], batch["targets"], batch["last"][:, None]], dim=1)
            clips = [Clip(sequence, sequence[1:-1]) for sequence in cropped(whole, batch)]
            # weak, so that the last batch does not stay in memory until the next validation
            self._truth = weakref.ref(batch["targets"], self._forget_truth), clips
        return self._truth[1]

    def frames(self, frames: Tensor, batch: WindowBatch) -> list[Tensor]:
        """What was predicted for each window, (N, C, h, w)."""
        if self._frames is None or self._frames[0]() is not frames:
            self._frames = weakref.ref(frames, self._forget_frames), cropped(frames, batch)
        return self._frames[1]

    def _forget_truth(self, _: object) -> None:
        self._truth = None

    def _forget_frames(self, _: object) -> None:
        self._frames = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_truth": None, "_frames": None}  # they belong to this process's tensors


def cropped(frames: Tensor, batch: WindowBatch) -> list[Tensor]:
    """Frames (B, N, C, H, W) of each window cut to its box: copies (N, C, h, w), float32."""
    return [
        frames[row, ..., top : top + height, left : left + width].float().clone()
        for row, (top, left, height, width) in enumerate(batch["box"].tolist())
    ]


class WindowMetric(Metric):
    """A metric of windows: one score per window, and their mean.

    Scores are kept with their window's index, so that they come out in one order whatever the number
    of processes, and a window counts once even where a distributed sampler repeats it to even out the
    processes. Windows for which the metric is undefined have no score.

    Args:
        metric: What is measured of each window's frames; see `SampleMetric.clip_score`.
        crops: Shared by the metrics of a collection.
    """

    full_state_update = False
    is_differentiable = False

    score: list[Tensor]
    # float32, because a process without windows contributes an empty float32 tensor to the gathering;
    # exact up to 2**24 windows
    index: list[Tensor]

    def __init__(self, metric: SampleMetric, crops: Crops | None = None) -> None:
        super().__init__()
        self.metric, self.crops = metric, crops or Crops()
        self.add_state("score", [], dist_reduce_fx="cat")
        self.add_state("index", [], dist_reduce_fx="cat")

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor]:
        """The score of each window of a batch, () float32; NaN where it is undefined."""
        found = []
        for predicted, true in zip(self.crops.frames(frames, batch), self.crops.truth(batch), strict=True):
            if self.metric.with_keyframes:
                ends = true.sequence[:1], true.sequence[-1:]
                found.append(self.metric.clip_score(torch.cat([ends[0], predicted, ends[1]]), true.sequence))
            else:
                found.append(self.metric.clip_score(predicted, true.targets))
        return found

    def update(self, frames: Tensor, batch: WindowBatch) -> None:
        """Score the windows of a batch.

        Args:
            frames: (B, N, 3, H, W) in [0, 1], predicted; any float dtype.
            batch: The windows they were predicted for.
        """
        pairs = zip(self.scores(frames, batch), batch["index"].tolist(), strict=True)
        defined = [(score, index) for score, index in pairs if not score.isnan()]
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


class WindowFlowMetric(WindowMetric):
    """A metric of the flows that frames are warped along; undefined where the true ones are unknown."""

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor]:
        """The score of each window of a batch, the mean of both keyframes' flows.

        Args:
            frames: Flows (B, N, 4, H, W) in pixels, from each frame to first (x, y) and to last (x, y).
            batch: With `flow_t0` and `flow_t1`.
        """
        true = torch.cat([batch["flow_t0"], batch["flow_t1"]], dim=2).to(frames.device)
        pairs = zip(cropped(frames, batch), cropped(true, batch), strict=True)
        return [
            self.metric.clip_score(*(torch.cat(flows.chunk(2, dim=1)) for flows in pair)) for pair in pairs
        ]
