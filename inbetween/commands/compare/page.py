"""A comparison as `report.html`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from inbetween.commands.compare.evaluation import Windows
from inbetween.commands.compare.kept import KeptWindow
from inbetween.commands.compare.summary import METRICS, Row, main_metric
from inbetween.commands.page import Album, command_line, provenance, write_page
from inbetween.data import WindowDataModule
from inbetween.data.datamodule import evenly_spaced
from inbetween.metrics import review_label

SCRIPTS = (
    "core.js",
    "tables.js",
    "player.js",
    "charts.js",
    "comparison.js",
    "confidence.js",
    "comparison_player.js",
)
NUMBERS = 120_000  # scores of single windows: about 1.2 MB
FRAMES = 2000  # of a method, in the chart of predicted errors
DIGITS = 6  # significant ones, of scores of single windows
NO_DIRECTION = ("temporal_coherence",)  # more or less of it is no better: see docs/metrics.md


def write_comparison(
    path: Path,
    rows: list[Row],
    reference: Row,
    windows: Windows,
    data: WindowDataModule,
    report: dict[str, Any],
    differences: list[dict[str, Any]],
    device: torch.device,
) -> None:
    """Write the report of a comparison.

    Args:
        path: Of the file.
        rows: The methods, with their scores.
        reference: The method that chose the windows which play.
        windows: What they were run on.
        data: Where the windows come from.
        report: What is in `compare.json`.
        differences: Of each two methods.
        device: It was computed on.
    """
    animations = len(set(windows.animations.values()))
    lead = (
        f"{len(rows)} methods on {len(windows.names)} windows of {data.test_split},"
        f" from {animations} animation{'s' if animations > 1 else ''}"
    )
    found = comparison_data(rows, reference, windows, report, differences)
    height, width = data.spec.size
    found |= {
        "lead": lead,
        "command": command_line("compare"),
        "facts": [
            ("Data", f"{data.source}, {data.test_split}"),
            ("Windows", f"{len(windows.names)} of {animations} animations"),
            ("In-betweens", str(data.spec.between)),
            ("Size", f"{width} x {height} pixels"),
            ("Seed", str(data.spec.seed)),
            ("Precision", report["precision"]),
            *provenance(device),
        ],
    }
    write_page(path, f"Comparison: {lead}", SCRIPTS, found)


def comparison_data(
    rows: list[Row],
    reference: Row,
    windows: Windows,
    report: dict[str, Any],
    differences: list[dict[str, Any]],
) -> dict[str, Any]:
    """What the page shows, as JSON values; see `write_comparison`."""
    keys = [key for key in METRICS if any(key in row.scores for row in rows)]
    album = Album(len(windows.kept))
    players = [player for window in windows.kept if (player := _player(window, album))]
    most = max(NUMBERS // (len(rows) * len(keys)), 1)
    indices = sorted(windows.names)
    playing = {player["index"] for player in players}
    listed = sorted(playing.union(indices[place] for place in evenly_spaced(len(indices), most)))
    notes = []
    if len(listed) < len(indices):
        notes.append(
            f"Distributions and the table of windows show {len(listed)} of the {len(indices)} windows, evenly"
            " spaced; all other numbers are of all windows."
        )
    if dropped := [place for place in windows.kept if place.index not in playing]:
        notes.append(f"{len(dropped)} windows that were to play did not fit into the report.")
    return {
        "notes": notes,
        "metrics": {key: {"digits": METRICS[key][0], "higher": METRICS[key][1]} for key in keys},
        "main": main if (main := main_metric(keys)) in keys else keys[0],
        "reference": reference.name,
        "methods": report["methods"],
        "best": clear_winners(report["methods"], differences, windows.animations),
        "differences": differences,
        "windows": [
            {
                "index": index,
                "name": windows.names[index],
                "animation": windows.animations[index],
                "one_sided": _number(windows.one_sided[index]),
            }
            for index in listed
        ],
        "scores": {
            key: [[_number(row.scores.get(key, {}).get(index)) for index in listed] for row in rows]
            for key in keys
        },
        "expected": [[_number(row.uncertainties.get(index)) for index in listed] for row in rows],
        "frames": [_frames(row) for row in rows],
        "players": players,
        "kept": _kept(windows.kept, len(indices), reference, album),
    }


def clear_winners(
    summary: list[dict[str, Any]], differences: list[dict[str, Any]], animations: dict[int, str]
) -> dict[str, str]:
    """The best method by each metric, where its paired differences to all others have intervals without zero.

    With one animation, intervals have no width and tell nothing: then there are none.
    """
    if len(set(animations.values())) < 2:
        return {}
    winners = {}
    for key, (_, more) in METRICS.items():
        means = {line["method"]: line["metrics"][key]["mean"] for line in summary if key in line["metrics"]}
        if len(means) < 2 or key in NO_DIRECTION:
            continue
        best = (max if more else min)(means, key=lambda name: means[name])
        gaps = [
            line for line in differences if line["metric"] == key and best in (line["method"], line["other"])
        ]
        if all(line["low"] > 0 or line["high"] < 0 for line in gaps):
            winners[key] = best
    return winners


def _player(window: KeptWindow, album: Album) -> dict[str, Any] | None:
    """A window's pictures, or None where they do not fit."""
    encoded = album.add([window.truth, *window.frames, *window.errors])
    if encoded is None:
        return None
    methods = len(window.frames)
    return {
        "index": window.index,
        "reason": window.reason,
        "count": len(window.truth),
        "truth": encoded[0],
        "strips": encoded[1 : 1 + methods],
        "errors": encoded[1 + methods :],
    }


def _frames(row: Row) -> dict[str, Any] | None:
    """Predicted and true errors of a method's frames, evenly spaced, and their labels."""
    pairs = [pair for index in sorted(row.frame_errors) for pair in row.frame_errors[index]]
    if not pairs:
        return None
    shown = [pairs[place] for place in evenly_spaced(len(pairs), FRAMES)]
    thresholds = row.review_thresholds
    return {
        "predicted": [_number(predicted) for predicted, _ in shown],
        "errors": [_number(error) for _, error in shown],
        "labels": [review_label(predicted, thresholds) for predicted, _ in shown] if thresholds else [],
    }


def _kept(kept: list[KeptWindow], count: int, reference: Row, album: Album) -> str:
    """Which windows play, and how their pictures are encoded, in words."""
    if len(kept) == count:
        which = f"All {count} windows play"
    else:
        worst, best = (sum(one.reason.startswith(word) for one in kept) for word in ("worst", "best"))
        which = (
            f"{len(kept)} of {count} windows play: by {main_metric(reference.scores)} of {reference.name} the"
            f" {worst} worst and the {best} best, and {len(kept) - worst - best} more, evenly spaced"
        )
    if not kept:
        return ""
    height, width = kept[0].truth.shape[1:3]
    return f"{which}. {album.told('windows')} They are {width} x {height} pixels."


def _number(value: float | None) -> float | None:
    """A score with `DIGITS` digits; None where it is undefined."""
    return None if value is None or value != value else float(f"{value:.{DIGITS}g}")
