"""A metric of your own, the amount of line that is missing or too much, and a callback that logs it."""

from typing import Any

import lightning as L
from torch import Tensor

from inbetween.functional.lines import soft_lines
from inbetween.metrics import ImageMetric, WindowMetric
from inbetween.types import StepOutput, WindowBatch


class LineDensityError(ImageMetric):
    """Relative difference of the amount of line; 0 is best. Frames that fade or double lines score badly.

    Takes `preds` (B, 3, H, W) and `target` (B, 3, H, W) in [0, 1]; gives the mean over the batch.
    """

    higher_is_better = False

    def scores(self, preds: Tensor, target: Tensor) -> Tensor:
        """The error of each image (B,)."""
        predicted, true = (soft_lines(images).flatten(1).mean(1) for images in (preds, target))
        return (predicted - true).abs() / true.clamp(min=1e-4)


class LogLineDensity(L.Callback):
    """Logs `val/line_density_error` and `test/line_density_error`, of the frames that are sampled anyway."""

    def __init__(self) -> None:
        self.metric = WindowMetric(LineDensityError())  # leaves padding out, and counts each window once

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: StepOutput,
        batch: WindowBatch,
        *place: Any,  # noqa: ANN401 - the batch's and the loader's number
    ) -> None:
        """Measure the frames of the batches that were sampled."""
        if "frames" in outputs:
            self.metric.to(pl_module.device).update(outputs["frames"], batch)

    def on_test_batch_end(self, *given: Any) -> None:  # noqa: ANN401 - as in validation
        """Measure the frames of the batch."""
        self.on_validation_batch_end(*given)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log it, gathered from all processes."""
        self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log it, gathered from all processes."""
        self._log(pl_module, "test")

    def _log(self, pl_module: L.LightningModule, stage: str) -> None:
        pl_module.log(f"{stage}/line_density_error", self.metric.compute())
        self.metric.reset()
