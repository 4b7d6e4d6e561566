"""A metric of your own, the amount of line that is missing or too much, and a callback that logs it."""

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torchmetrics import Metric

from inbetween.functional.lines import soft_lines
from inbetween.types import StepOutput, WindowBatch


class LineDensityError(Metric):
    """Relative difference of the amount of line; 0 is best. Methods that fade or double lines score badly."""

    higher_is_better = False
    full_state_update = False

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add frames (B, 3, H, W) in [0, 1] and the true ones."""
        predicted, true = (soft_lines(images.float()).flatten(1).mean(1) for images in (preds, target))
        self.total += ((predicted - true).abs() / true.clamp(min=1e-4)).sum()
        self.count += len(preds)

    def compute(self) -> Tensor:
        """The mean over all frames."""
        return self.total / self.count


class LogLineDensity(L.Callback):
    """Logs `val/line_density_error` and `test/line_density_error`."""

    def __init__(self) -> None:
        self.metric = LineDensityError()

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
            self.metric.to(pl_module.device)
            self.metric.update(outputs["frames"].flatten(0, 1), batch["targets"].flatten(0, 1))

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log it; torchmetrics gathers it from all processes."""
        if self.metric.update_called:
            pl_module.log("val/line_density_error", self.metric.compute())
        self.metric.reset()

    def on_test_batch_end(self, *given: Any) -> None:  # noqa: ANN401 - as in validation
        """Measure the frames of the batch."""
        self.on_validation_batch_end(*given)

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log it."""
        pl_module.log("test/line_density_error", self.metric.compute())
        self.metric.reset()
