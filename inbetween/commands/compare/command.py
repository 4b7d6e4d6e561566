"""The command: runs methods on windows, and writes the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from inbetween.commands.compare.evaluation import Evaluation, Windows, evaluate
from inbetween.commands.compare.one_sided import by_one_sided, one_sided_table
from inbetween.commands.compare.page import write_comparison
from inbetween.commands.compare.report import (
    differences,
    differences_csv,
    markdown,
    summary_csv,
    table,
    windows_csv,
)
from inbetween.commands.compare.summary import Row, selective_text, summarise
from inbetween.commands.machine import open_fabric
from inbetween.commands.page.document import REPORT
from inbetween.commands.reports import name_for, write_text
from inbetween.data import WindowDataModule
from inbetween.data.source import MAX_BETWEEN
from inbetween.errors import UserError
from inbetween.functional.grid import image_grid, stacked
from inbetween.interpolation.loading import as_written
from inbetween.io.files import check_folder
from inbetween.io.frames import write_image
from inbetween.methods.loading import load_method, placed
from inbetween.methods.spaced import SpacedMethod
from inbetween.metrics import WindowMetrics, load_lpips
from inbetween.paths import find_config
from inbetween.weights.precision import REPLACED, Precision, resolve_precision

ALWAYS = ("repeat.yaml", "cross_fade.yaml")


def compare(
    data: WindowDataModule,
    methods: list[str] | None = None,
    split: Literal["val", "test"] = "val",
    output: Path = Path("logs/compare"),
    lpips_network: Path | None = None,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    image_windows: int = 3,
    spacings: int = 0,
    cycle: bool = False,
    reference: str | None = None,
    report_windows: int = 24,
) -> list[Row]:
    """Evaluate methods on the same windows; repeat and cross-fade are always included.

    Prints a table with each metric's mean and its 95 % bootstrap interval over animations, and writes
    `summary.csv`, `summary.md`, `windows.csv` (a row per method and window), `differences.csv` (paired
    differences of each two methods, with intervals), `compare.json`, `compare.png`, and `report.html`, which
    shows all of it in a browser. A second table has LPIPS by the share of the in-between that only one
    keyframe shows (`one_sided`).

    Args:
        data: The windows.
        methods: Names of shipped methods, such as `spacing_flow`, or YAML files such as `fit` takes, here or
            among the shipped configs. `exp1.yaml=PATH` runs the method with the weights of the checkpoint
            PATH.
        split: The split to evaluate on.
        output: Folder for the results.
        lpips_network: File with AlexNet's weights for LPIPS: safetensors, or torchvision's .pth. None
            searches the caches of inbetween and torchvision; without weights, LPIPS is left out.
        precision: bf16-mixed runs networks in bfloat16 where that is safe, and in float32 where the machine
            has no fast instructions for it.
        accelerator: As for Lightning's Trainer.
        image_windows: Windows shown in `compare.png`, evenly spaced; 0 writes none.
        spacings: Also measure LPIPS with oracle timing (`lpips_oracle_timing`): of this many evenly spaced
            frames from keyframe to keyframe, both included, the one nearest to each target is taken. 0 leaves
            it out.
        cycle: Also measure cycle consistency (`cycle_lpips`, `cycle_line_chamfer_distance`): a keyframe
            against the in-between of the in-betweens before and after it.
        reference: Name of the method whose LPIPS is subtracted in the second table; None takes the first of
            `methods`.
        report_windows: Windows that play in `report.html`: half of them those where the reference scores
            worst, a sixth where it scores best, others evenly spaced. 0 writes no report.

    Returns:
        A row per method, in the order given, repeat and cross-fade first.

    Raises:
        UserError: A file cannot be used, `spacings` is out of range, or there is no method `reference`.
    """
    if spacings != 0 and not 3 <= spacings <= MAX_BETWEEN:
        raise UserError(
            f"spacings is {spacings}: give 3 or more, keyframes included, up to {MAX_BETWEEN}, or 0 to leave"
            " them out."
        )
    if image_windows < 0:
        raise UserError(f"image_windows is {image_windows}: give 0 or more windows.")
    if report_windows < 0:
        raise UserError(f"report_windows is {report_windows}: give 0 or more windows.")
    check_folder(output.expanduser(), "--output")
    others = [entry for entry in methods or [] if as_written(entry)[0] not in ALWAYS]
    rows = named_rows([*ALWAYS, *others])
    by_name = {row.name: row for row in rows}
    if reference is None:
        reference = rows[len(ALWAYS)].name if others else rows[0].name
    if reference not in by_name:
        raise UserError(f"reference is {reference}: give one of the methods, {', '.join(by_name)}.")
    requested, precision = precision, resolve_precision(precision, accelerator)
    fabric = open_fabric(accelerator, precision)
    built = []
    for row in rows:
        # weights without a checkpoint are initialised alike in every run, whatever the other methods
        fabric.seed_everything(0, verbose=False)
        checkpoint = Path(row.checkpoint) if row.checkpoint else None
        method = load_method(find_config(row.config), checkpoint)
        row.review_thresholds = method.review_thresholds if isinstance(method, SpacedMethod) else None
        built.append(placed(method, fabric.device))
    data.test_split = split
    data.setup("test")
    network = load_lpips(lpips_network)
    metrics, spacings = WindowMetrics(network), spacings if network is not None else 0
    evaluations = [
        Evaluation(row, method, fabric, metrics, spacings) for row, method in zip(rows, built, strict=True)
    ]
    if precision != requested:
        print(REPLACED)
    judge = rows.index(by_name[reference])
    windows = evaluate(evaluations, data, fabric, image_windows, cycle, report_windows, judge)
    if cycle and windows.triplets < len(windows.names):
        print(
            f"Cycle consistency is of {windows.triplets} of {len(windows.names)} windows: for the others the"
            " source has no three evenly spaced keyframes (a scene too short, or no target at t = 1/2)."
        )
    write(rows, by_name[reference], windows, data, precision, output, fabric.device)
    return rows


def write(
    rows: list[Row],
    reference: Row,
    windows: Windows,
    data: WindowDataModule,
    precision: str,
    output: Path,
    device: torch.device,
) -> None:
    """Print the tables and write the files."""
    summary = [summarise(row, windows.animations) for row in rows]
    for row, line in zip(rows, summary, strict=True):
        line["one_sided"] = by_one_sided(row, reference, windows.one_sided, windows.animations)
    print(table(summary, len(windows.names), data.test_split))
    for line in summary:
        if "selective" in line:
            print(selective_text(line))
    print(one_sided_table(summary))
    report = {
        "windows": len(windows.names),
        "split": data.test_split,
        "between": data.spec.between,
        "size": list(data.spec.size),
        "seed": data.spec.seed,
        "precision": precision,
        "interval": "95 % percentile bootstrap over animations, 2000 resamples, seed 0",
        "methods": summary,
    }
    write_text(output / "compare.json", json.dumps(report, indent=2))
    write_text(output / "summary.csv", summary_csv(summary))
    write_text(output / "summary.md", markdown(summary))
    write_text(
        output / "windows.csv", windows_csv(rows, windows.names, windows.animations, windows.one_sided)
    )
    paired = differences(rows, windows.animations)
    write_text(output / "differences.csv", differences_csv(paired))
    if windows.truth:
        grids = [
            window_grid(rows, truth, index, windows.names[index])
            for index, truth in sorted(windows.truth.items())
        ]
        write_image(output / "compare.png", stacked(grids))
    (output / REPORT).unlink(missing_ok=True)  # of an earlier comparison
    if windows.kept:
        write_comparison(output / REPORT, rows, reference, windows, data, report, paired, device)
    print(f"\nwritten to {output}: " + ", ".join(sorted(path.name for path in output.glob("[!.]*"))))


def named_rows(entries: list[str]) -> list[Row]:
    """A row per `NAME`, `CONFIG` or `CONFIG=CHECKPOINT`, named by the config, numbered where two share it."""
    rows: list[Row] = []
    for entry in entries:
        config, checkpoint = as_written(entry)
        rows.append(Row(name_for(config, [row.name for row in rows]), config, checkpoint))
    return rows


def window_grid(rows: list[Row], truth: Tensor, index: int, name: str) -> Tensor:
    """One window as an image (3, H, W): the true frames, then a row per method."""
    first, last = truth[0], truth[-1]
    images = [list(truth), *([first, *row.images[index], last] for row in rows)]
    columns = ["first", *(f"{i} of {len(truth) - 2}" for i in range(1, len(truth) - 1)), "last"]
    return image_grid(images, columns, ["target", *(row.name for row in rows)], f"{index}: {name}")
