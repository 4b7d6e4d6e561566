"""Methods run on the same windows: their frames, metrics and times."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import lightning as L
import torch
from torch import Tensor
from tqdm import tqdm

from inbetween.commands.compare.cycle import cycled, keyframe_triplets
from inbetween.commands.compare.kept import KeptWindow, Output, WindowKeeper
from inbetween.commands.compare.summary import METRICS, Row, main_metric
from inbetween.commands.machine import synchronize
from inbetween.data import WindowDataModule
from inbetween.io.frames import rounded
from inbetween.methods.base import Method
from inbetween.methods.spaced import SpacedMethod
from inbetween.metrics import WindowMetrics, one_sided_shares, window_scores
from inbetween.types import WindowBatch, animation_in


@dataclass
class Windows:
    """The windows that methods were run on, by their index."""

    names: dict[int, str] = field(default_factory=dict)
    animations: dict[int, str] = field(default_factory=dict)
    one_sided: dict[int, float] = field(default_factory=dict)  # see `one_sided_shares`
    triplets: int = 0  # windows with `keyframe_triplets`
    truth: dict[int, Tensor] = field(default_factory=dict)  # (N + 2, 3, h, w), of those in the image alone
    kept: list[KeptWindow] = field(default_factory=list)  # for the report, worst first


class Evaluation:
    """A method and its metrics.

    Args:
        row: Where results are stored.
        method: On its device.
        fabric: Device and precision.
        metrics: Builds its metrics; shared by all methods.
        spacings: Frames for oracle timing; 0 leaves that out.
    """

    def __init__(
        self,
        row: Row,
        method: Method,
        fabric: L.Fabric,
        metrics: WindowMetrics,
        spacings: int,
    ) -> None:
        self.row, self.method, self.fabric, self.spacings = row, method, fabric, spacings
        self.metrics = metrics.of_frames().to(fabric.device)
        self.flow_metrics = metrics.of_flows().to(fabric.device)
        self.oracle_timing = metrics.of_oracle_timing().to(fabric.device)
        self.cycle_metrics = metrics.of_cycles().to(fabric.device)
        self.seconds = 0.0

    def update(self, batch: WindowBatch, triplets: WindowBatch | None = None) -> tuple[Tensor, Tensor | None]:
        """Evaluate a batch, and its `keyframe_triplets` if given.

        Returns:
            Its frames (B, N, 3, H, W), and each pixel's expected error (B, N, 1, H, W) if the method
            predicts it.
        """
        frames, errors, took = self.interpolate(batch)
        self.seconds += took
        if errors is not None:
            self.row.uncertainties |= uncertainties(errors, batch)
            self.row.frame_errors |= frame_errors(frames, errors, batch)
        self.metrics.update(frames, batch)
        with self.fabric.autocast(), torch.no_grad():
            flows = self.method.flows(batch) if "flow_t0" in batch else None
            dense = from_first_to_last(self.method, batch, self.spacings) if self.spacings else None
        if flows is not None:
            self.flow_metrics.update(flows, batch)
        if dense is not None:
            self.oracle_timing.update(dense, batch)
        if triplets is not None:
            self.fabric.seed_everything(0, verbose=False)  # see `interpolate`
            with self.fabric.autocast(), torch.no_grad():
                middle = cycled(self.method, triplets)
            self.cycle_metrics.update(middle, triplets)
        return frames, errors

    def badness(self, batch: WindowBatch) -> list[float | None]:
        """How bad each window of a batch is that has been evaluated, by `main_metric`.

        Returns:
            Higher is worse; None where the metric is undefined.
        """
        key = main_metric(list(map(str, self.metrics)))
        scores, indices = window_scores(self.metrics).get(key, (torch.empty(0), torch.empty(0)))
        sign = -1 if METRICS[key][1] else 1
        found = dict(zip(indices.tolist(), (sign * scores).tolist(), strict=True))
        return [found.get(index) for index in batch["index"].tolist()]

    def interpolate(self, batch: WindowBatch) -> tuple[Tensor, Tensor | None, float]:
        """Frames (B, N, 3, H, W), each pixel's expected error if the method predicts it, and seconds."""
        # methods that use torch's global generator get the same numbers, whatever the other methods
        self.fabric.seed_everything(0, verbose=False)
        synchronize(self.fabric.device)
        start = time.perf_counter()
        with self.fabric.autocast(), torch.no_grad():
            frames, errors = (
                self.method.interpolate_with_uncertainty(batch)
                if isinstance(self.method, SpacedMethod)
                else (self.method.interpolate_batch(batch), None)
            )
        synchronize(self.fabric.device)
        return frames, errors, time.perf_counter() - start

    def finish(self, count: int) -> None:
        """Write scores into the row, and the mean time of `count` in-betweens."""
        self.row.seconds_per_frame = self.seconds / count
        self.row.scores = {
            key: dict(zip(index.tolist(), score.tolist(), strict=True))
            for metrics in (self.metrics, self.flow_metrics, self.oracle_timing, self.cycle_metrics)
            for key, (score, index) in window_scores(metrics).items()
        }


def evaluate(
    evaluations: Sequence[Evaluation],
    data: WindowDataModule,
    fabric: L.Fabric,
    image_windows: int,
    cycle: bool = False,
    report_windows: int = 0,
    judge: int = 0,
) -> Windows:
    """Run all methods on all windows.

    Args:
        evaluations: Of the methods; results are stored in their rows.
        data: Set up for `test`.
        fabric: The device.
        image_windows: Windows whose frames are kept, evenly spaced.
        cycle: Whether to measure cycle consistency.
        report_windows: Windows kept for the report; see `WindowKeeper`.
        judge: Index of the method whose scores choose them.
    """
    split = data.test_split
    available = min(len(data.datasets[split]), data.val_windows or len(data.datasets[split]))
    shown = {k * available // image_windows for k in range(image_windows)}
    windows = Windows()
    keeper = None
    if report_windows:
        keeper = WindowKeeper(report_windows, available, len(evaluations), data.spec.between)
    # batch by batch for all methods, so that metrics compute the targets' features once
    for batch in tqdm(data.test_dataloader(), desc="compare", unit="batch", leave=False, disable=None):
        batch = fabric.to_device(batch)
        indices = batch["index"].tolist()
        shown_here = [n for n in range(len(indices)) if len(windows.names) + n in shown]
        if not windows.names:
            for evaluation in evaluations:  # a device's first inference loads kernels
                evaluation.interpolate(first_of(batch))
        windows.names |= dict(zip(indices, batch["name"], strict=True))
        in_names = [animation_in(name) for name in batch["name"]]
        windows.animations |= dict(zip(indices, batch.get("animation", in_names), strict=True))
        windows.one_sided |= dict(zip(indices, one_sided_shares(batch), strict=True))
        triplets = keyframe_triplets(batch, data.datasets[split]) if cycle else None
        windows.triplets += 0 if triplets is None else len(triplets["t"])
        outputs = []
        for evaluation in evaluations:
            frames, errors = evaluation.update(batch, triplets)
            if keeper is not None:
                outputs.append(Output(rounded(frames), None if errors is None else errors.cpu()))
            for number in shown_here:
                index = indices[number]
                windows.truth[index], evaluation.row.images[index] = images(frames, batch, number)
        if keeper is not None:
            keeper.offer(batch, outputs, evaluations[judge].badness(batch))
    for evaluation in evaluations:
        evaluation.finish(len(windows.names) * data.spec.between)
    if keeper is not None:
        windows.kept = keeper.windows()
    return windows


def first_of(batch: WindowBatch) -> WindowBatch:
    """A batch's first window, as a batch."""
    return cast(WindowBatch, {key: cast(Tensor, value)[:1] for key, value in batch.items()})


def from_first_to_last(method: Method, batch: WindowBatch, count: int) -> Tensor:
    """`count` frames (B, count, 3, H, W) from the first keyframe to the last, both included."""
    between = torch.linspace(0, 1, count)[1:-1].to(batch["t"]).expand(len(batch["t"]), -1)
    at_between: WindowBatch = {**batch, "t": between}
    return torch.cat(
        [batch["first"][:, None], method.interpolate_batch(at_between), batch["last"][:, None]], dim=1
    )


def uncertainties(errors: Tensor, batch: WindowBatch) -> dict[int, float]:
    """Mean expected error of each window's frames, by its index, from errors (B, N, 1, H, W)."""
    found = {}
    for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
        area = errors[row, ..., top : top + height, left : left + width]
        found[int(batch["index"][row])] = float(area.mean())
    return found


def frame_errors(frames: Tensor, errors: Tensor, batch: WindowBatch) -> dict[int, list[tuple[float, float]]]:
    """Mean expected and true absolute error of each frame of each window, by the window's index.

    Args:
        frames: (B, N, 3, H, W) in [0, 1].
        errors: (B, N, 1, H, W) in [0, 1], expected.
        batch: The windows.
    """
    found = {}
    true = (frames.float() - batch["targets"]).abs()
    for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
        area = (row, ..., slice(top, top + height), slice(left, left + width))
        expected, actual = (values[area].float().flatten(1).mean(1).tolist() for values in (errors, true))
        found[int(batch["index"][row])] = list(zip(expected, actual, strict=True))
    return found


def images(frames: Tensor, batch: WindowBatch, number: int) -> tuple[Tensor, Tensor]:
    """A window's true sequence (N + 2, 3, h, w) and its in-betweens (N, 3, h, w), without padding."""
    top, left, height, width = batch["box"][number].tolist()
    area = (..., slice(top, top + height), slice(left, left + width))
    true = torch.cat([batch["first"][number][None], batch["targets"][number], batch["last"][number][None]])
    return true[area].cpu(), frames[number][area].float().cpu()
