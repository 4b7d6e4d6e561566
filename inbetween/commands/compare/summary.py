"""The scores of a method on all windows, and their summary."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from inbetween.metrics import (
    REVIEW_LABELS,
    area_under_risk_coverage,
    bootstrap_interval,
    excess_area_under_risk_coverage,
    mean_at_coverage,
    review_label,
)

# Of each metric: decimal places, and whether higher is better.
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
    "cycle_lpips": (3, False),
    "cycle_line_chamfer_distance": (1, False),
}

COVERAGE = 0.8  # share of windows kept when those of highest expected error are rejected


@dataclass
class Row:
    """One method and its results."""

    name: str
    config: str
    checkpoint: str | None
    seconds_per_frame: float = 0.0
    scores: dict[str, dict[int, float]] = field(default_factory=dict)  # metric -> window index -> score
    uncertainties: dict[int, float] = field(default_factory=dict)  # window index -> expected absolute error
    # window index -> expected and true mean absolute error of each of its N frames
    frame_errors: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    review_thresholds: tuple[float, float] | None = None  # see `SpacedMethod`
    images: dict[int, Tensor] = field(default_factory=dict)  # window index -> (N, 3, h, w)


def main_metric(metrics: Collection[str]) -> str:
    """The one of a row's metrics that windows are judged by: LPIPS, or SSIM without its weights."""
    return "lpips" if "lpips" in metrics else "ssim"


def summarise(row: Row, animations: dict[int, str]) -> dict[str, Any]:
    """Mean and interval of each of a row's metrics, as written to JSON.

    Args:
        row: One method's results.
        animations: Of each window by its index: windows of one animation are not independent, so animations
            are resampled, not windows.
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
    key = main_metric(metrics)
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
    """Selective prediction, from a summary: windows of lowest predicted error, and scores by review label."""
    selective = line["selective"]
    key, share, (half, most) = selective["metric"], selective["coverage"], selective["expected_error"]
    text = (
        f"{line['method']}: {key} {line['metrics'][key]['mean']:.3f}, and {selective['mean']:.3f} on the"
        f" {share:.0%} of windows with the lowest expected error (AURC {selective['aurc']:.4f}, excess AURC"
        f" {selective['excess_aurc']:.4f}); median expected error {half:.5f},"
        f" {100 * share:.0f}th percentile {most:.5f} (review_thresholds)"
    )
    labels = selective.get("review", {}).items()
    parts = [f"{word} {found['mean']:.3f} ({found['windows']} windows)" for word, found in labels]
    return "\n".join([text, *([f"{key} by review label: {', '.join(parts)}"] if parts else [])])
