"""Weights before and after, measured on drawings that training has not seen, and the decision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import lightning as L
import torch
from tqdm import tqdm

from inbetween.commands.compare.cycle import cycled
from inbetween.commands.compare.summary import METRICS, Row
from inbetween.data import WindowDataModule
from inbetween.methods.base import Method
from inbetween.methods.loading import placed
from inbetween.metrics import WindowMetrics, bootstrap_interval, window_scores

FEWEST_GROUPS = 5  # of an interval that can tell anything
LPIPS = ("lpips", "cycle_lpips")  # which decides alone
# What decides without it: the first that was measured; the other must not get worse.
DECIDING = ("ssim", "line_chamfer_distance", "cycle_line_chamfer_distance")
_BARS = {"before": "measuring before", "after": "measuring after"}


def measured(
    name: str, method: Method, data: WindowDataModule, fabric: L.Fabric, metrics: WindowMetrics, cycle: bool
) -> tuple[Row, dict[int, str]]:
    """A method's scores on the held-out windows, and the windows' names.

    Args:
        name: `before` or `after`.
        method: Anywhere.
        data: Set up for `test`.
        fabric: The device.
        metrics: Shared, so that the true drawings pass LPIPS's network once.
        cycle: Measure cycle consistency instead: a window is three keyframes.
    """
    row, names = Row(name, name, None), dict[int, str]()
    found = (metrics.of_cycles() if cycle else metrics.of_frames()).to(fabric.device)
    method = placed(method, fabric.device).eval()
    for batch in tqdm(data.test_dataloader(), desc=_BARS[name], unit="batch", leave=False, disable=None):
        batch = fabric.to_device(batch)
        names |= dict(zip(batch["index"].tolist(), batch["name"], strict=True))
        with fabric.autocast(), torch.no_grad():
            found.update(cycled(method, batch) if cycle else method.interpolate_batch(batch), batch)
    row.scores = {
        key: dict(zip(index.tolist(), score.tolist(), strict=True))
        for key, (score, index) in window_scores(found).items()
    }
    return row, names


@dataclass(frozen=True)
class Change:
    """The mean paired change of a metric, after minus before.

    Args:
        metric: Its name in `METRICS`.
        before: Mean before.
        change: Mean change.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
    """

    metric: str
    before: float
    change: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """Whether the whole interval is on the good side of 0."""
        return self.low > 0 if METRICS[self.metric][1] else self.high < 0

    @property
    def worse(self) -> bool:
        """Whether the whole interval is on the bad side of 0."""
        return self.high < 0 if METRICS[self.metric][1] else self.low > 0

    def __str__(self) -> str:
        digits = METRICS[self.metric][0] + 1
        share = f" ({self.change / self.before:+.1%})" if self.before else ""
        return (
            f"{self.metric} {'↑' if METRICS[self.metric][1] else '↓'} {self.before:.{digits}f} before,"
            f" {self.before + self.change:.{digits}f} after: {self.change:+.{digits}f}"
            f" [{self.low:+.{digits}f}, {self.high:+.{digits}f}]{share}"
        )


@dataclass(frozen=True)
class Verdict:
    """Whether the new weights are better.

    Args:
        changes: Of the metric that decides, then of the others.
        windows: Held-out windows.
        groups: Groups of windows that the interval resamples.
    """

    changes: tuple[Change, ...]
    windows: int
    groups: int

    @property
    def better(self) -> bool:
        """The deciding metric is better for certain; nothing else that can decide is worse."""
        enough = self.groups >= FEWEST_GROUPS
        return enough and self.changes[0].better and not any(change.worse for change in self.changes[1:])

    @property
    def reason(self) -> str:
        """Why the new weights are not better, in words."""
        first = self.changes[0]
        if self.groups < FEWEST_GROUPS:
            return f"too few drawings are held out to tell: {self.groups} groups, of {FEWEST_GROUPS} needed"
        if math.isnan(first.change):
            return "the new weights draw nothing on some windows"
        if first.worse:
            return f"{first.metric} got worse"
        if not first.better:
            return f"the interval of {first.metric} has 0 in it, so that this may be chance"
        return f"{next(change.metric for change in self.changes[1:] if change.worse)} got worse"


def decide(before: Row, after: Row, groups: Mapping[int, str]) -> Verdict:
    """Compare scores window by window.

    LPIPS decides alone where it was measured, else SSIM and the distance of lines together.

    Args:
        before: Scores of the old weights.
        after: Scores of the new ones, on the same windows.
        groups: Of windows, by their index: whole groups are resampled.
    """
    keys = [key for key in LPIPS if key in before.scores] or [key for key in DECIDING if key in before.scores]
    changes = []
    for key in keys:
        indices = sorted(before.scores[key])
        old = torch.tensor([before.scores[key][index] for index in indices], dtype=torch.float64)
        new = [after.scores.get(key, {}).get(index, math.nan) for index in indices]
        gaps = torch.tensor(new, dtype=torch.float64) - old
        own = [groups[index] for index in indices]
        low, high = bootstrap_interval(gaps, groups=own)
        mean, wider = float(gaps.mean()), _for_few(len({*own}))
        bounds = mean - wider * (mean - low), mean + wider * (high - mean)
        changes.append(Change(key, float(old.mean()), mean, *bounds))
    measured_in = {groups[index] for index in before.scores[keys[0]]}  # not all windows are measured
    return Verdict(tuple(changes), len(before.scores[keys[0]]), len(measured_in))


def _for_few(groups: int) -> float:
    """By how much a percentile interval is too narrow: Student's t, and the variance of few groups."""
    if groups < 2:
        return 1.0
    z, n = NormalDist().inv_cdf(0.975), groups - 1
    # the quantile of t with n degrees of freedom, expanded in 1 / n
    t = z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n * n)
    return t / z * math.sqrt(groups / n)
