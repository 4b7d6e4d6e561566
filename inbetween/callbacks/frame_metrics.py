"""Metrics of the frames that validation and test interpolate."""

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torchmetrics import MetricCollection

from inbetween.callbacks.first_validation import is_check_alone
from inbetween.errors import UserError
from inbetween.metrics import frame_metrics, load_lpips, window_scores
from inbetween.types import StepOutput, WindowBatch

LPIPS_METRICS = (
    "lpips",
    "temporal_coherence",
    "temporal_coherence_gap",
)  # measured where LPIPS has its weights


class FrameMetrics(L.Callback):
    """Evaluates the interpolated frames and logs `val/ssim`, `val/lpips` and so on, in test `test/...`.

    `val/windows` is the number of windows that were evaluated. A metric that is undefined (coherence
    with one frame, everything on LPIPS without its weights) is not logged. The metrics and the LPIPS
    network belong to this callback and not to the model, so that they stay out of checkpoints.

    Args:
        lpips_network: File with AlexNet's weights for LPIPS: safetensors with torchvision's names, or
            torchvision's .pth. None searches the caches of inbetween and torchvision. Nothing is downloaded:
            `fetch-weights lpips` does that.
    """

    def __init__(self, lpips_network: Path | None = None) -> None:
        self.lpips_network = lpips_network
        self.metrics: MetricCollection | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Build the metrics.

        Raises:
            UserError: `lpips_network` cannot be used, or a callback's `monitor` is a metric without it.
        """
        if self.metrics is not None or stage == "predict":
            return
        network = load_lpips(self.lpips_network)
        # Metrics gather from all processes: without the weights on one machine, none measures LPIPS.
        everywhere = trainer.strategy.reduce_boolean_decision(network is not None, all=True)
        if network is not None and not everywhere:
            rank_zero_warn("LPIPS is left out: another machine of this run does not have AlexNet's weights.")
            network = None
        self.metrics = frame_metrics(network)
        if stage == "fit":
            self._check_monitors(trainer)

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Reset the metrics."""
        self._start(pl_module)

    def on_test_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Reset the metrics."""
        self._start(pl_module)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: WindowBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Update the metrics, if the batch was interpolated."""
        if not is_check_alone(trainer):
            self._update(outputs, batch)

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: WindowBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Update the metrics, if the batch was interpolated."""
        self._update(outputs, batch)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the metrics."""
        if not is_check_alone(trainer):
            self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the metrics."""
        self._log(pl_module, "test")

    def per_window(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Scores and window indices of the last epoch; see `window_scores`."""
        assert self.metrics is not None
        return window_scores(self.metrics)

    def _check_monitors(self, trainer: L.Trainer) -> None:
        """Refuse a `monitor` that needs LPIPS where it is not measured; other keys may be a method's own."""
        assert self.metrics is not None
        missing = {f"val/{name}" for name in LPIPS_METRICS if name not in self.metrics}
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # not declared there
        for callback in callbacks:
            name = getattr(callback, "monitor", None)
            if name in missing:
                known = sorted(f"val/{metric}" for metric in (*self.metrics, "windows"))
                raise UserError(
                    f"{type(callback).__name__} monitors {name}, which is not measured: get LPIPS' weights"
                    f" with fetch-weights lpips, or give a monitor among {', '.join(known)}, or a loss."
                )

    def _start(self, pl_module: L.LightningModule) -> None:
        assert self.metrics is not None
        self.metrics.reset()
        self.metrics.to(pl_module.device)

    def _update(self, outputs: StepOutput | None, batch: WindowBatch) -> None:
        assert self.metrics is not None
        if outputs and "frames" in outputs:
            self.metrics.update(outputs["frames"], batch)

    def _log(self, pl_module: L.LightningModule, stage: str) -> None:
        found = self.per_window()
        metrics = {name: float(scores.mean()) for name, (scores, _) in found.items()}
        if found:
            metrics["windows"] = float(max(len(scores) for scores, _ in found.values()))
        # Numbers, not tensors: they are already reduced over processes, and Lightning must not do it again.
        pl_module.log_dict({f"{stage}/{name}": value for name, value in metrics.items()}, batch_size=1)
