"""Scores by the share of the in-between that only one keyframe shows."""

from __future__ import annotations

import math
from typing import Any

import torch

from inbetween.commands.compare.summary import Row, main_metric
from inbetween.commands.reports import aligned
from inbetween.metrics import bootstrap_interval

# Shares from the first number up to, but without, the second.
BINS = {"under 2 %": (0.0, 0.02), "2 to 10 %": (0.02, 0.1), "10 % or more": (0.1, math.inf)}


def by_one_sided(
    row: Row, reference: Row, shares: dict[int, float], animations: dict[int, str]
) -> dict[str, Any]:
    """Mean score of a method in each of `BINS`, and its paired difference to the reference.

    Args:
        row: The method's results, with scores.
        reference: Those of the method it is compared with.
        shares: Of each window by its index, in [0, 1], or NaN.
        animations: Of each window: whole animations are resampled.

    Returns:
        The metric's name, and for each bin that has windows their number, the mean and, unless the method is
        the reference itself, the difference, method minus reference, with its interval.
    """
    key = main_metric(row.scores)
    found: dict[str, Any] = {}
    for label, (least, below) in BINS.items():
        chosen = [index for index in sorted(row.scores.get(key, ())) if least <= shares[index] < below]
        if not chosen:
            continue
        scores, others = (
            torch.tensor([one.scores[key][index] for index in chosen], dtype=torch.float64)
            for one in (row, reference)
        )
        found[label] = {"windows": len(chosen), "mean": float(scores.mean())}
        if row is not reference:
            gaps = scores - others
            low, high = bootstrap_interval(gaps, groups=[animations[index] for index in chosen])
            found[label]["difference"] = {"mean": float(gaps.mean()), "low": low, "high": high}
    return {"metric": key, "reference": reference.name, "bins": found}


def one_sided_table(summary: list[dict[str, Any]]) -> str:
    """`by_one_sided` of all methods for the terminal, or nothing where no window has a share."""
    lines = [line for line in summary if line.get("one_sided", {}).get("bins")]
    if not lines:
        return ""
    metric, reference = (lines[0]["one_sided"][key] for key in ("metric", "reference"))
    bins = {label: found["windows"] for line in lines for label, found in line["one_sided"]["bins"].items()}
    cells = [["method", *(f"{label} (n={count})" for label, count in bins.items())]]
    for line in lines:
        found = line["one_sided"]["bins"]
        cells.append([line["method"], *(f"{found[label]['mean']:.3f}" for label in bins)])
        if line["method"] != reference:
            gaps = [found[label]["difference"] for label in bins]
            cells.append(["", *("{mean:+.3f} [{low:+.3f}, {high:+.3f}]".format(**gap) for gap in gaps)])
    note = (
        f"{metric} by the share of the in-between that one keyframe shows at most; below it the difference to"
        f" {reference} with its 95 % interval"
    )
    return "\n".join(["", *aligned(cells), "", note])
