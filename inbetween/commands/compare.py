"""Several methods on the same windows: one table with intervals, CSV, JSON and a picture."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor
from tqdm import tqdm

from inbetween.callbacks import write_image
from inbetween.commands.methods import load_method
from inbetween.commands.reports import aligned, name_for, write_text
from inbetween.data import WindowDataModule
from inbetween.functional.grid import picture_grid, stacked
from inbetween.methods.base import SpacedMethod
from inbetween.metrics import (
    VERDICTS,
    TruthCache,
    bootstrap_interval,
    frame_metrics,
    load_lpips,
    mean_of_surest,
    verdict,
    window_scores,
)
from inbetween.paths import find_config
from inbetween.types import WindowBatch

# How each figure is written: digits behind the point, and whether more is better.
FIGURES = {
    "ssim": (3, True),
    "psnr": (2, True),
    "lpips": (3, False),
    "coherence": (3, False),
    "coherence_gap": (3, False),
    "warping_error": (4, False),
    "line_distance": (1, False),
}
COVERAGE = 0.8  # share of windows kept when a method may hand back those it is least sure of
ALWAYS = ("hold.yaml", "cross_fade.yaml")


@dataclass
class Row:
    """What one method got."""

    name: str
    config: str
    checkpoint: str | None
    seconds_per_frame: float = 0.0
    scores: dict[str, dict[int, float]] = field(default_factory=dict)  # figure -> window index -> score
    doubts: dict[int, float] = field(default_factory=dict)  # window index -> expected absolute error
    verdict_limits: tuple[float, float] | None = None  # see `SpacedMethod`
    pictures: dict[int, Tensor] = field(default_factory=dict)  # window index -> (N, 3, h, w)


def compare(
    data: WindowDataModule,
    methods: list[str] | None = None,
    split: Literal["val", "test"] = "val",
    output: Path = Path("logs/compare"),
    lpips_backbone: Path | None = None,
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed",
    accelerator: str = "auto",
    picture_windows: int = 3,
) -> list[Row]:
    """Run methods on the same windows and measure them; hold and cross-fade are always among them.

    Prints a table with each figure's mean and its 95 % bootstrap interval over scenes, and writes
    `summary.csv`, `windows.csv` (a line per method and window), `differences.csv` (of each two methods,
    window by window, with intervals), `compare.json` and `compare.png`.

    Args:
        data: The windows.
        methods: YAML files such as `fit` takes, here or among the shipped configs. `exp1.yaml=PATH` runs
            the method with the weights of the checkpoint PATH.
        split: Which windows.
        output: Folder for what is written.
        lpips_backbone: See `FrameMetrics`.
        precision: bf16-mixed runs networks in bfloat16 where that is safe.
        accelerator: As Lightning's Trainer takes it.
        picture_windows: Windows shown in the picture, evenly spaced; 0 makes none.

    Returns:
        A row per method, in the order given, hold and cross-fade first.

    Raises:
        UserError: A file cannot be used.
    """
    rows = named_rows([*ALWAYS, *(entry for entry in methods or [] if entry not in ALWAYS)])
    fabric = L.Fabric(accelerator=accelerator, devices=1, precision=precision)
    built = []
    for row in rows:
        # Weights that no checkpoint brings start the same in every run and in any company.
        fabric.seed_everything(0, verbose=False)
        checkpoint = Path(row.checkpoint) if row.checkpoint else None
        method = load_method(find_config(row.config), checkpoint)
        row.verdict_limits = method.verdict_limits if isinstance(method, SpacedMethod) else None
        built.append(method)
    data.test_split = split
    data.setup("test")
    batches = data.test_dataloader()
    network, cache = load_lpips(lpips_backbone), TruthCache()
    measured = [frame_metrics(network, cache).to(fabric.device) for _ in rows]
    seconds = [0.0] * len(rows)
    names: dict[int, str] = {}
    truth: dict[int, Tensor] = {}
    available = min(len(data.datasets[split]), data.val_windows or len(data.datasets[split]))
    shown = {k * available // picture_windows for k in range(picture_windows)}
    # All methods take a batch before the next one is read: what metrics know of the truth is kept.
    for batch in tqdm(batches, desc="compare", unit="batch", leave=False):
        batch = fabric.to_device(batch)
        indices = batch["index"].tolist()
        rows_shown = [number for number in range(len(indices)) if len(names) + number in shown]
        names |= dict(zip(indices, batch["name"], strict=True))
        for place, method in enumerate(built):
            start = time.perf_counter()
            with fabric.autocast(), torch.no_grad():
                method.to(fabric.device)
                frames, errors = (
                    method.draw_judged(batch)
                    if isinstance(method, SpacedMethod)
                    else (method.draw(batch), None)
                )
            seconds[place] += time.perf_counter() - start
            if errors is not None:
                rows[place].doubts |= doubts(errors, batch)
            measured[place].update(frames, batch)
            for number in rows_shown:
                index = indices[number]
                truth[index], rows[place].pictures[index] = pictures(frames, batch, number)
    for row, metrics, took in zip(rows, measured, seconds, strict=True):
        row.seconds_per_frame = took / (len(names) * data.spec.between)
        row.scores = {
            key: dict(zip(index.tolist(), score.tolist(), strict=True))
            for key, (score, index) in window_scores(metrics).items()
        }
    summary = [summarise(row, names) for row in rows]
    print(table(summary, len(names), split))
    for line in summary:
        if "surest" in line:
            print(surest_text(line))
    report = {
        "windows": len(names),
        "split": split,
        "between": data.spec.between,
        "size": list(data.spec.size),
        "seed": data.spec.seed,
        "precision": precision,
        "interval": "95 % percentile bootstrap over scenes, 2000 resamples, seed 0",
        "methods": summary,
    }
    write_text(output / "compare.json", json.dumps(report, indent=2))
    write_text(output / "summary.csv", summary_csv(summary))
    write_text(output / "windows.csv", windows_csv(rows, names))
    write_text(output / "differences.csv", differences_csv(rows, names))
    if truth:
        sheets = [sheet(rows, true, index, names[index]) for index, true in sorted(truth.items())]
        write_image(output / "compare.png", stacked(sheets))
    print(f"\nwritten to {output}: " + ", ".join(sorted(path.name for path in output.glob("[!.]*"))))
    return rows


def named_rows(entries: list[str]) -> list[Row]:
    """A row per `CONFIG` or `CONFIG=CHECKPOINT`, named by the config, numbered where two share it."""
    rows: list[Row] = []
    for entry in entries:
        config, _, checkpoint = entry.partition("=")
        rows.append(Row(name_for(config, [row.name for row in rows]), config, checkpoint or None))
    return rows


def summarise(row: Row, names: dict[int, str]) -> dict[str, Any]:
    """Mean and interval of each of a row's figures, as it goes into JSON."""
    figures = {}
    for key, scores in row.scores.items():
        values = torch.tensor([scores[index] for index in sorted(scores)], dtype=torch.float64)
        # Windows of one scene share drawing and motion: scenes are resampled, not windows.
        groups = [names[index].rpartition("/")[0] for index in sorted(scores)]
        low, high = bootstrap_interval(values, groups=groups)
        figures[key] = {"mean": float(values.mean()), "low": low, "high": high, "n": len(values)}
    summary: dict[str, Any] = {
        "method": row.name,
        "config": row.config,
        "checkpoint": row.checkpoint,
        "seconds_per_frame": row.seconds_per_frame,
        "figures": figures,
    }
    key = "lpips" if "lpips" in figures else "ssim"
    if row.doubts and figures:
        got, expected = torch.tensor(
            [(score, row.doubts[index]) for index, score in row.scores[key].items()]
        ).unbind(1)
        half, most = expected.quantile(expected.new_tensor([0.5, COVERAGE])).tolist()
        summary["surest"] = {
            "figure": key,
            "coverage": COVERAGE,
            "mean": mean_of_surest(got, expected, COVERAGE),
            "expected_error": [half, most],
        }
        if row.verdict_limits:
            found = [verdict(error, row.verdict_limits) for error in expected.tolist()]
            chosen = {word: [word == one for one in found] for word in VERDICTS}
            summary["surest"]["verdicts"] = {
                word: {"windows": sum(rows), "mean": float(got[rows].double().mean())}
                for word, rows in chosen.items()
                if any(rows)
            }
    return summary


def surest_text(line: dict[str, Any]) -> str:
    """From a summary: how much better the windows are that a method is surest of, and by its verdicts."""
    surest = line["surest"]
    key, share, (half, most) = surest["figure"], surest["coverage"], surest["expected_error"]
    text = (
        f"{line['method']}: {key} {line['figures'][key]['mean']:.3f}, and {surest['mean']:.3f} on the"
        f" {share:.0%} of windows it is surest of; it expects errors below {half:.5f} of half of them and"
        f" below {most:.5f} of {share:.0%} (verdict_limits)"
    )
    verdicts = surest.get("verdicts", {}).items()
    parts = [f"{word} {found['mean']:.3f} ({found['windows']} windows)" for word, found in verdicts]
    return "\n".join([text, *([f"{key} by its verdicts: {', '.join(parts)}"] if parts else [])])


def doubts(errors: Tensor, batch: WindowBatch) -> dict[int, float]:
    """Mean expected error of each window's pictures, by its index, from errors (B, N, 1, H, W)."""
    found = {}
    for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
        picture = errors[row, ..., top : top + height, left : left + width]
        found[int(batch["index"][row])] = float(picture.mean())
    return found


def table(summary: list[dict[str, Any]], windows: int, split: str) -> str:
    """The table for the terminal: each figure's mean, and below it the interval."""
    keys = [key for key in FIGURES if any(key in line["figures"] for line in summary)]
    heads = ["method", *(f"{key} {'↑' if FIGURES[key][1] else '↓'}" for key in keys), "s/frame"]
    cells: list[list[str]] = [heads]
    for line in summary:
        means, intervals = [line["method"]], [""]
        for key in keys:
            digits, found = FIGURES[key][0], line["figures"].get(key)
            means.append(f"{found['mean']:.{digits}f}" if found else "-")
            intervals.append(f"{found['low']:.{digits}f}-{found['high']:.{digits}f}" if found else "")
        cells += [[*means, f"{line['seconds_per_frame']:.4f}"], [*intervals, ""]]
    note = f"{windows} windows of {split}; below each mean its 95 % bootstrap interval over scenes"
    return "\n".join(["", *aligned(cells), "", note])


def summary_csv(summary: list[dict[str, Any]]) -> str:
    """A line per method and figure."""
    lines = [["method", "figure", "mean", "low", "high", "n"]]
    for line in summary:
        lines += [[line["method"], key, *map(str, found.values())] for key, found in line["figures"].items()]
    return _csv(lines)


def differences_csv(rows: list[Row], names: dict[int, str]) -> str:
    """A line per figure and two methods: the mean of score minus other's score of the same windows.

    Windows differ more than methods do, so the interval of the difference is much narrower than those of the
    two means. `better` is the share of windows in which the method beats the other.
    """
    lines = [["method", "other", "figure", "mean", "low", "high", "better", "n"]]
    for other, row in combinations(rows, 2):
        for key, (_, more) in FIGURES.items():
            shared = sorted(row.scores.get(key, {}).keys() & other.scores.get(key, {}).keys())
            if not shared:
                continue
            gaps = torch.tensor([row.scores[key][index] - other.scores[key][index] for index in shared])
            low, high = bootstrap_interval(gaps, groups=[names[index].rpartition("/")[0] for index in shared])
            better = float((gaps > 0 if more else gaps < 0).float().mean())
            numbers = [float(gaps.double().mean()), low, high, better]
            lines.append([row.name, other.name, key, *map(str, numbers), str(len(shared))])
    return _csv(lines)


def windows_csv(rows: list[Row], names: dict[int, str]) -> str:
    """A line per method and window, with an empty cell where a figure is undefined."""
    keys = [key for key in FIGURES if any(key in row.scores for row in rows)]
    lines = [["method", "index", "window", *keys, "expected_error"]]
    for row in rows:
        for index in sorted(names):
            scores = [str(row.scores.get(key, {}).get(index, "")) for key in keys]
            lines.append([row.name, str(index), names[index], *scores, str(row.doubts.get(index, ""))])
    return _csv(lines)


def sheet(rows: list[Row], truth: Tensor, index: int, name: str) -> Tensor:
    """One window as a picture (3, H, W): the true drawings, then a row per method."""
    first, last = truth[0], truth[-1]
    pictures = [list(truth), *([first, *row.pictures[index], last] for row in rows)]
    columns = ["first", *(f"{i} of {len(truth) - 2}" for i in range(1, len(truth) - 1)), "last"]
    return picture_grid(pictures, columns, ["target", *(row.name for row in rows)], f"{index}: {name}")


def pictures(frames: Tensor, batch: WindowBatch, number: int) -> tuple[Tensor, Tensor]:
    """A window's true sequence (N + 2, 3, h, w) and drawn frames (N, 3, h, w), without padding."""
    top, left, height, width = batch["box"][number].tolist()
    area = (..., slice(top, top + height), slice(left, left + width))
    true = torch.cat([batch["first"][number][None], batch["targets"][number], batch["last"][number][None]])
    return true[area].cpu(), frames[number][area].float().cpu()


def _csv(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
