"""What a comparison says: means, intervals and differences of its figures, as text and as files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from inbetween.commands.reports import aligned
from inbetween.metrics import (
    REVIEW_LABELS,
    area_under_risk_coverage,
    bootstrap_interval,
    excess_area_under_risk_coverage,
    mean_at_coverage,
    review_label,
)

# How each figure is written: digits behind the point, and whether more is better.
METRICS = {
    "ssim": (3, True),
    "psnr": (2, True),
    "lpips": (3, False),
    "lpips_oracle_timing": (3, False),
    "temporal_coherence": (3, False),
    "temporal_coherence_gap": (3, False),
    "warping_error": (4, False),
    "line_chamfer_distance": (1, False),
    "end_point_error": (2, False),
}
PARTS = ("mean", "low", "high")
COVERAGE = 0.8  # share of windows kept when a method may hand back those it is least sure of


@dataclass
class Row:
    """What one method got."""

    name: str
    config: str
    checkpoint: str | None
    seconds_per_frame: float = 0.0
    scores: dict[str, dict[int, float]] = field(default_factory=dict)  # figure -> window index -> score
    uncertainties: dict[int, float] = field(default_factory=dict)  # window index -> expected absolute error
    review_thresholds: tuple[float, float] | None = None  # see `SpacedMethod`
    images: dict[int, Tensor] = field(default_factory=dict)  # window index -> (N, 3, h, w)


def summarise(row: Row, animations: dict[int, str]) -> dict[str, Any]:
    """Mean and interval of each of a row's figures, as it goes into JSON.

    Args:
        row: What one method got.
        animations: Of each window by its index: windows of one share drawing and motion, so animations are
            resampled, not windows.
    """
    metrics = {}
    for key, scores in row.scores.items():
        values = torch.tensor([scores[index] for index in sorted(scores)], dtype=torch.float64)
        groups = [animations[index] for index in sorted(scores)]
        low, high = bootstrap_interval(values, groups=groups)
        metrics[key] = {"mean": float(values.mean()), "low": low, "high": high, "n": len(values)}
    summary: dict[str, Any] = {
        "method": row.name,
        "config": row.config,
        "checkpoint": row.checkpoint,
        "seconds_per_frame": row.seconds_per_frame,
        "metrics": metrics,
    }
    key = "lpips" if "lpips" in metrics else "ssim"
    if row.uncertainties and metrics:
        got, expected = torch.tensor(
            [(score, row.uncertainties[index]) for index, score in row.scores[key].items()],
            dtype=torch.float64,
        ).unbind(1)
        risks = 1 - got if METRICS[key][1] else got  # 1 is the best SSIM
        half, most = expected.quantile(expected.new_tensor([0.5, COVERAGE])).tolist()
        summary["selective"] = {
            "metric": key,
            "coverage": COVERAGE,
            "mean": mean_at_coverage(got, expected, COVERAGE),
            "aurc": area_under_risk_coverage(risks, expected),
            "excess_aurc": excess_area_under_risk_coverage(risks, expected),
            "expected_error": [half, most],
        }
        if row.review_thresholds:
            found = [review_label(error, row.review_thresholds) for error in expected.tolist()]
            chosen = {word: [word == one for one in found] for word in REVIEW_LABELS}
            summary["selective"]["review"] = {
                word: {"windows": sum(rows), "mean": float(got[rows].double().mean())}
                for word, rows in chosen.items()
                if any(rows)
            }
    return summary


def selective_text(line: dict[str, Any]) -> str:
    """From a summary: how much better the windows are that a method is surest of, and by review label."""
    selective = line["selective"]
    key, share, (half, most) = selective["metric"], selective["coverage"], selective["expected_error"]
    text = (
        f"{line['method']}: {key} {line['metrics'][key]['mean']:.3f}, and {selective['mean']:.3f} on the"
        f" {share:.0%} of windows it is surest of (AURC {selective['aurc']:.4f}, of which"
        f" {selective['excess_aurc']:.4f} come of a wrong order); it expects errors below {half:.5f} of"
        f" half of them and below {most:.5f} of {share:.0%} (review_thresholds)"
    )
    labels = selective.get("review", {}).items()
    parts = [f"{word} {found['mean']:.3f} ({found['windows']} windows)" for word, found in labels]
    return "\n".join([text, *([f"{key} by review label: {', '.join(parts)}"] if parts else [])])


def table(summary: list[dict[str, Any]], windows: int, split: str) -> str:
    """The table for the terminal: each figure's mean, and below it the interval."""
    keys = [key for key in METRICS if any(key in line["metrics"] for line in summary)]
    heads = ["method", *(f"{key} {'↑' if METRICS[key][1] else '↓'}" for key in keys), "s/frame"]
    cells: list[list[str]] = [heads]
    for line in summary:
        means, intervals = [line["method"]], [""]
        for key in keys:
            digits, found = METRICS[key][0], line["metrics"].get(key)
            means.append(f"{found['mean']:.{digits}f}" if found else "-")
            intervals.append(f"{found['low']:.{digits}f}-{found['high']:.{digits}f}" if found else "")
        cells += [[*means, f"{line['seconds_per_frame']:.4f}"], [*intervals, ""]]
    note = f"{windows} windows of {split}; below each mean its 95 % bootstrap interval over animations"
    return "\n".join(["", *aligned(cells), "", note])


def markdown(summary: list[dict[str, Any]]) -> str:
    """The table for a README or an issue: each figure's mean and interval."""
    keys = [key for key in METRICS if any(key in line["metrics"] for line in summary)]
    heads = ["method", *(f"{key} {'↑' if METRICS[key][1] else '↓'}" for key in keys)]
    lines: list[list[str]] = [heads, ["---"] * len(heads)]
    for line in summary:
        cells = [line["method"]]
        for key in keys:
            digits, found = METRICS[key][0], line["metrics"].get(key)
            written = [f"{found[part]:.{digits}f}" for part in PARTS] if found else []
            cells.append("{} [{}, {}]".format(*written) if written else "-")
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def summary_csv(summary: list[dict[str, Any]]) -> str:
    """A line per method and figure."""
    lines = [["method", "metric", "mean", "low", "high", "n"]]
    for line in summary:
        lines += [[line["method"], key, *map(str, found.values())] for key, found in line["metrics"].items()]
    return _csv(lines)


def differences_csv(rows: list[Row], animations: dict[int, str]) -> str:
    """A line per figure and two methods: the mean of score minus other's score of the same windows.

    Windows differ more than methods do, so the interval of the difference is much narrower than those of the
    two means. `better` is the share of windows in which the method beats the other.
    """
    lines = [["method", "other", "metric", "mean", "low", "high", "better", "n"]]
    for other, row in combinations(rows, 2):
        for key, (_, more) in METRICS.items():
            shared = sorted(row.scores.get(key, {}).keys() & other.scores.get(key, {}).keys())
            if not shared:
                continue
            gaps = torch.tensor([row.scores[key][index] - other.scores[key][index] for index in shared])
            low, high = bootstrap_interval(gaps, groups=[animations[index] for index in shared])
            better = float((gaps > 0 if more else gaps < 0).float().mean())
            numbers = [float(gaps.double().mean()), low, high, better]
            lines.append([row.name, other.name, key, *map(str, numbers), str(len(shared))])
    return _csv(lines)


def windows_csv(rows: list[Row], names: dict[int, str], animations: dict[int, str]) -> str:
    """A line per method and window, with an empty cell where a figure is undefined."""
    keys = [key for key in METRICS if any(key in row.scores for row in rows)]
    lines = [["method", "index", "animation", "window", *keys, "expected_error"]]
    for row in rows:
        for index in sorted(names):
            scores = [str(row.scores.get(key, {}).get(index, "")) for key in keys]
            place = [str(index), animations[index], names[index]]
            lines.append([row.name, *place, *scores, str(row.uncertainties.get(index, ""))])
    return _csv(lines)


def _csv(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
