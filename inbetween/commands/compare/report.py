"""A comparison as text: the table for the terminal, Markdown and CSV."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import torch

from inbetween.commands.compare.summary import METRICS, Row
from inbetween.commands.reports import aligned, csv_of
from inbetween.metrics import bootstrap_interval

PARTS = ("mean", "low", "high")


def table(summary: list[dict[str, Any]], windows: int, split: str) -> str:
    """The table for the terminal: each metric's mean, and below it the interval."""
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
    """The table for a README or an issue: each metric's mean and interval."""
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
    """A row per method and metric."""
    lines = [["method", "metric", "mean", "low", "high", "n"]]
    for line in summary:
        lines += [[line["method"], key, *map(str, found.values())] for key, found in line["metrics"].items()]
    return csv_of(lines)


def differences(rows: list[Row], animations: dict[int, str]) -> list[dict[str, Any]]:
    """For each metric and pair of methods the mean paired difference, method minus other.

    Windows vary more than methods do, so the interval of the difference is much narrower than those of the
    two means. `better` is the share of windows where the method is better than the other, `worse` that where
    it is worse.
    """
    found = []
    for other, row in combinations(rows, 2):
        for key, (_, more) in METRICS.items():
            shared = sorted(row.scores.get(key, {}).keys() & other.scores.get(key, {}).keys())
            if not shared:
                continue
            gaps = torch.tensor([row.scores[key][index] - other.scores[key][index] for index in shared])
            low, high = bootstrap_interval(gaps, groups=[animations[index] for index in shared])
            over, under = (float(side.float().mean()) for side in (gaps > 0, gaps < 0))
            found.append(
                {
                    "method": row.name,
                    "other": other.name,
                    "metric": key,
                    "mean": float(gaps.double().mean()),
                    "low": low,
                    "high": high,
                    "better": over if more else under,
                    "worse": under if more else over,
                    "n": len(shared),
                }
            )
    return found


def differences_csv(found: list[dict[str, Any]]) -> str:
    """A row for each of the `differences`."""
    heads = ["method", "other", "metric", "mean", "low", "high", "better", "n"]
    return csv_of([heads, *([str(line[head]) for head in heads] for line in found)])


def windows_csv(
    rows: list[Row], names: dict[int, str], animations: dict[int, str], one_sided: dict[int, float]
) -> str:
    """A row per method and window, with an empty cell where a number is undefined."""
    keys = [key for key in METRICS if any(key in row.scores for row in rows)]
    lines = [["method", "index", "animation", "window", "one_sided", *keys, "expected_error"]]
    for row in rows:
        for index in sorted(names):
            scores = [str(row.scores.get(key, {}).get(index, "")) for key in keys]
            share = "" if math.isnan(one_sided[index]) else str(one_sided[index])
            place = [str(index), animations[index], names[index], share]
            lines.append([row.name, *place, *scores, str(row.uncertainties.get(index, ""))])
    return csv_of(lines)
