"""Sample images for the loggers and the run's folder."""

from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor

from inbetween.callbacks.first_validation import is_check_alone
from inbetween.callbacks.run_folder import log_image
from inbetween.errors import check_at_least
from inbetween.functional.grid import error_map, image_grid, stacked
from inbetween.functional.seeds import sample_seed
from inbetween.io.frames import rounded
from inbetween.types import StepOutput, WindowBatch


@dataclass(frozen=True)
class _Sample:
    """One window as it is shown, 8 bits, without padding."""

    index: int
    name: str
    t: list[float]
    true: Tensor  # (N + 2, 3, h, w) uint8: first, targets, last
    predicted: Tensor  # (N, 3, h, w) uint8


def window_grid(
    title: str, t: list[float], true: Tensor, predicted: Tensor, before: Tensor | None = None
) -> Tensor:
    """One window as an image grid: the true frames, the predicted ones, and their difference.

    The predicted row repeats the keyframes, so that it reads as a clip.

    Args:
        title: Written above.
        t: Position of each in-between, N numbers in (0, 1).
        true: (N + 2, 3, h, w) in [0, 1]: first, targets, last.
        predicted: (N, 3, h, w) in [0, 1].
        before: (N, 3, h, w) in [0, 1], those predicted before training, shown above.

    Returns:
        (3, H, W) float32 in [0, 1].
    """
    first, last = true[0], true[-1]
    rows: dict[str, list[Tensor | None]] = {"target": list(true)}
    if before is not None:
        rows["before"] = [first, *before, last]
    rows["prediction"] = [first, *predicted, last]
    rows["error"] = [None, *error_map(predicted, true[1:-1]), None]
    columns = ["first", *(f"t = {position:.3g}" for position in t), "last"]
    return image_grid(list(rows.values()), columns, list(rows), title)


class SampleGrid(L.Callback):
    """Shows a few windows, the same ones every epoch, as `samples/val` and in test `samples/test`.

    For each window: first, targets and last; the predicted frames below their targets; below those the
    error, white where they agree, red to black where they differ. After a validation before the first step
    (`FirstValidation`) its frames stay in every later grid, as a row `before`. Shown by every logger that
    takes images, and written as PNG files to the run's folder: see `log_image`. With several processes the
    windows are the same as with one.

    Args:
        windows: How many of the sampled windows are shown, chosen from all of them by a hash of their
            index; or the indices of the ones to show, of which those that are sampled appear.
        every_n_epochs: Images are made in training epochs 0, n, 2n and so on.
    """

    def __init__(self, windows: list[int] | int = 4, every_n_epochs: int = 1) -> None:
        check_at_least(1, every_n_epochs=every_n_epochs)
        if isinstance(windows, int):
            check_at_least(0, windows=windows)
        self.windows = windows
        self.every_n_epochs = every_n_epochs
        self._samples: dict[int, _Sample] = {}
        self._before: dict[int, Tensor] = {}  # frames predicted before the first step, by window

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Reset."""
        self._samples = {}

    def on_test_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Reset."""
        self._samples = {}

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: WindowBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep what is to be shown."""
        if not is_check_alone(trainer) and trainer.current_epoch % self.every_n_epochs == 0:
            self._keep(outputs, batch)

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: WindowBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep what is to be shown."""
        self._keep(outputs, batch)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the windows."""
        if not is_check_alone(trainer) and trainer.current_epoch % self.every_n_epochs == 0:
            self._show(trainer, "samples/val")

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the windows."""
        self._show(trainer, "samples/test")

    def _chosen(self, samples: dict[int, _Sample]) -> dict[int, _Sample]:
        """The samples to show. Applied to each process's samples first, the result is the same."""
        if isinstance(self.windows, int):
            kept = sorted(samples, key=sample_seed)[: self.windows]
        else:
            kept = [index for index in self.windows if index in samples]
        return {index: samples[index] for index in kept}

    def _keep(self, outputs: StepOutput | None, batch: WindowBatch) -> None:
        if not outputs or "frames" not in outputs:
            return
        for row, index in enumerate(batch["index"].tolist()):
            top, left, height, width = batch["box"][row].tolist()
            true = [batch["first"][row][None], batch["targets"][row], batch["last"][row][None]]
            area = (..., slice(top, top + height), slice(left, left + width))
            self._samples[index] = _Sample(
                index,
                batch["name"][row],
                batch["t"][row].tolist(),
                rounded(torch.cat(true)[area]),
                rounded(outputs["frames"][row][area]),
            )
        self._samples = self._chosen(self._samples)

    def _show(self, trainer: L.Trainer, tag: str) -> None:
        samples = self._samples
        if trainer.world_size > 1:
            parts: list[dict[int, _Sample]] = [{} for _ in range(trainer.world_size)]
            torch.distributed.all_gather_object(parts, samples)
            samples = {index: sample for part in parts for index, sample in part.items()}
        shown = sorted(self._chosen(samples).values(), key=lambda sample: sample.index)
        if not shown or not trainer.is_global_zero:
            return
        grids = []
        for sample in shown:
            before = self._before.get(sample.index) if tag == "samples/val" else None
            title, true, predicted = (
                f"{sample.index}: {sample.name}",
                sample.true / 255,
                sample.predicted / 255,
            )
            grids.append(
                window_grid(title, sample.t, true, predicted, None if before is None else before / 255)
            )
        log_image(trainer, tag, stacked(grids))
        if trainer.sanity_checking:
            self._before = {sample.index: sample.predicted for sample in shown}
