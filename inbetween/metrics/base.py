"""What all metrics share: one score per sample of (preds, target), and their mean."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from inbetween.errors import UserError


class SampleMetric(Metric, ABC):
    """A metric with one score per sample; its value is the mean over samples.

    Used like torchmetrics' own: `metric(preds, target)`, or `update` and `compute`, on any device and in any
    number of processes. Samples for which a metric is undefined, such as images that are too small for it, do
    not count. `inbetween.metrics.WindowMetric` measures the windows of a data module.

    Args:
        **options: See `torchmetrics.Metric`.
    """

    is_differentiable = False
    full_state_update = False

    #: Dimensions of `preds` and `target`, for error messages.
    shape: ClassVar[tuple[str, ...]] = ("B", "3", "H", "W")
    #: Whether clips include both keyframes.
    with_keyframes: ClassVar[bool] = False

    total: Tensor
    count: Tensor

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - torchmetrics'
        super().__init__(**options)
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    @abstractmethod
    def scores(self, preds: Tensor, target: Tensor) -> Tensor:
        """The score of each sample (B,) float32, NaN where it is undefined; see `update`."""

    @abstractmethod
    def clip_score(self, preds: Tensor, target: Tensor) -> Tensor:
        """The score () of one clip: preds (N, 3, H, W) and target (N, 3, H, W) in [0, 1], float32."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Score samples.

        Args:
            preds: Of the metric's `shape`, in [0, 1], any float dtype.
            target: The same.

        Raises:
            UserError: Their shapes do not fit `shape`, or differ.
        """
        self.check(preds, target)
        scores = self.scores(preds.float(), target.float())
        defined = ~scores.isnan()
        self.total += scores[defined].sum()
        self.count += defined.sum()

    def compute(self) -> Tensor:
        """The mean over samples, () float32; NaN when no sample has a score."""
        return self.total / self.count

    def check(self, preds: Tensor, target: Tensor) -> None:
        """Check the shapes of `preds` and `target` against `shape`."""
        if not self._fits(preds) or preds.shape != target.shape:
            raise self.misfit(preds, target)

    def _fits(self, images: Tensor) -> bool:
        channels = int(self.shape[-3])
        return images.ndim == len(self.shape) and images.shape[-3] == channels

    def misfit(self, preds: Tensor, target: Tensor) -> UserError:
        """The error for inputs of wrong shapes."""
        return UserError(
            f"preds has the shape {tuple(preds.shape)} and target {tuple(target.shape)}:"
            f" {type(self).__name__} takes both as ({', '.join(self.shape)})."
        )


class ImageMetric(SampleMetric):
    """A metric of images: `preds` (B, 3, H, W) and `target` (B, 3, H, W) in [0, 1]."""

    def clip_score(self, preds: Tensor, target: Tensor) -> Tensor:
        """The mean over the images of a clip."""
        return self.scores(preds, target).mean()


class ClipMetric(SampleMetric):
    """A metric of clips: `preds` (B, N, 3, H, W) and `target` (B, N, 3, H, W) in [0, 1]."""

    shape = ("B", "N", "3", "H", "W")

    def scores(self, preds: Tensor, target: Tensor) -> Tensor:
        """The score (B,) of each clip."""
        return torch.stack([self.clip_score(*clips) for clips in zip(preds, target, strict=True)])
