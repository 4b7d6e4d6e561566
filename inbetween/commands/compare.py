"""Several methods on the same windows: one table with intervals, CSV, JSON and a picture."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Literal, cast

import lightning as L
import torch
from torch import Tensor
from torchmetrics import MetricCollection
from tqdm import tqdm

from inbetween.commands.machine import open_fabric, synchronize
from inbetween.commands.methods import load_method, placed
from inbetween.commands.reports import name_for, write_text
from inbetween.commands.scores import (
    Row,
    differences_csv,
    markdown,
    selective_text,
    summarise,
    summary_csv,
    table,
    windows_csv,
)
from inbetween.data import WindowDataModule
from inbetween.data.source import MOST_BETWEEN
from inbetween.errors import UserError
from inbetween.functional.grid import image_grid, stacked
from inbetween.io.files import check_folder
from inbetween.io.frames import write_image
from inbetween.methods.base import Method
from inbetween.methods.spaced import SpacedMethod
from inbetween.metrics import (
    EndPointError,
    OracleTimingLPIPS,
    PerceptualDistances,
    TruthCache,
    frame_metrics,
    load_lpips,
    window_scores,
)
from inbetween.paths import find_config
from inbetween.types import WindowBatch, animation_in
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
) -> list[Row]:
    """Run methods on the same windows and measure them; repeat and cross-fade are always among them.

    Prints a table with each figure's mean and its 95 % bootstrap interval over animations, and writes
    `summary.csv`, `summary.md`, `windows.csv` (a line per method and window), `differences.csv` (of each
    two methods, window by window, with intervals), `compare.json` and `compare.png`.

    Args:
        data: The windows.
        methods: YAML files such as `fit` takes, here or among the shipped configs. `exp1.yaml=PATH` runs
            the method with the weights of the checkpoint PATH.
        split: Which windows.
        output: Folder for what is written.
        lpips_network: See `FrameMetrics`.
        precision: bf16-mixed runs networks in bfloat16 where that is safe, and in float32 where the machine
            has no fast instructions for it.
        accelerator: As Lightning's Trainer takes it.
        image_windows: Windows shown in the picture, evenly spaced; 0 makes none.
        spacings: Also say what LPIPS each method has with oracle timing (`lpips_oracle_timing`): of this
            many frames from the first keyframe to the last, both among them and evenly spaced, the one that
            is nearest to each target counts. 0 leaves that out.

    Returns:
        A row per method, in the order given, repeat and cross-fade first.

    Raises:
        UserError: A file cannot be used, or `spacings` has nothing between the keyframes.
    """
    if spacings != 0 and not 3 <= spacings <= MOST_BETWEEN:
        raise UserError(
            f"spacings is {spacings}: give 3 or more, keyframes included, up to {MOST_BETWEEN}, or 0 to leave"
            " them out."
        )
    if image_windows < 0:
        raise UserError(f"image_windows is {image_windows}: give 0 or more windows.")
    check_folder(output.expanduser(), "--output")
    rows = named_rows([*ALWAYS, *(entry for entry in methods or [] if entry not in ALWAYS)])
    asked, precision = precision, resolve_precision(precision, accelerator)
    fabric = open_fabric(accelerator, precision)
    built = []
    for row in rows:
        # Weights that no checkpoint brings start the same in every run and in any company.
        fabric.seed_everything(0, verbose=False)
        checkpoint = Path(row.checkpoint) if row.checkpoint else None
        method = load_method(find_config(row.config), checkpoint)
        row.review_thresholds = method.review_thresholds if isinstance(method, SpacedMethod) else None
        built.append(placed(method, fabric.device))
    data.test_split = split
    data.setup("test")
    batches = data.test_dataloader()
    network, cache = load_lpips(lpips_network), TruthCache()
    distances = PerceptualDistances(network, cache) if network is not None and spacings else None
    measured = [frame_metrics(network, cache).to(fabric.device) for _ in rows]
    motions = [MetricCollection({"end_point_error": EndPointError()}).to(fabric.device) for _ in rows]
    oracle_timing = [
        MetricCollection({"lpips_oracle_timing": OracleTimingLPIPS(distances)} if distances else {})
        for _ in rows
    ]
    seconds = [0.0] * len(rows)
    names: dict[int, str] = {}
    animations: dict[int, str] = {}
    truth: dict[int, Tensor] = {}
    available = min(len(data.datasets[split]), data.val_windows or len(data.datasets[split]))
    shown = {k * available // image_windows for k in range(image_windows)}
    if precision != asked:
        print(REPLACED)
    # All methods take a batch before the next one is read: what metrics know of the truth is kept.
    for batch in tqdm(batches, desc="compare", unit="batch", leave=False, disable=None):
        batch = fabric.to_device(batch)
        indices = batch["index"].tolist()
        rows_shown = [number for number in range(len(indices)) if len(names) + number in shown]
        if not names:
            for method in built:  # a device's first drawing prepares kernels
                timed_frames(method, first_of(batch), fabric)
        names |= dict(zip(indices, batch["name"], strict=True))
        in_names = [animation_in(name) for name in batch["name"]]
        animations |= dict(zip(indices, batch.get("animation", in_names), strict=True))
        for place, method in enumerate(built):
            frames, errors, took = timed_frames(method, batch, fabric)
            seconds[place] += took
            if errors is not None:
                rows[place].uncertainties |= uncertainties(errors, batch)
            measured[place].update(frames, batch)
            if "flow_t0" in batch:
                with fabric.autocast(), torch.no_grad():
                    flows = method.flows(batch)
                if flows is not None:
                    motions[place].update(flows, batch)
            if distances:
                with fabric.autocast(), torch.no_grad():
                    dense_frames = from_first_to_last(method, batch, spacings)
                oracle_timing[place].update(dense_frames, batch)
            for number in rows_shown:
                index = indices[number]
                truth[index], rows[place].images[index] = images(frames, batch, number)
    for row, total, *collections in zip(rows, seconds, measured, motions, oracle_timing, strict=True):
        row.seconds_per_frame = total / (len(names) * data.spec.between)
        row.scores = {
            key: dict(zip(index.tolist(), score.tolist(), strict=True))
            for metrics in collections
            for key, (score, index) in window_scores(metrics).items()
        }
    summary = [summarise(row, animations) for row in rows]
    print(table(summary, len(names), split))
    for line in summary:
        if "selective" in line:
            print(selective_text(line))
    report = {
        "windows": len(names),
        "split": split,
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
    write_text(output / "windows.csv", windows_csv(rows, names, animations))
    write_text(output / "differences.csv", differences_csv(rows, animations))
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


def timed_frames(method: Method, batch: WindowBatch, fabric: L.Fabric) -> tuple[Tensor, Tensor | None, float]:
    """Frames (B, N, 3, H, W), each pixel's expected error if the method knows it, and seconds of drawing."""
    # what draws by torch's own chance, and not by that of its samples, does so alike in any company
    fabric.seed_everything(0, verbose=False)
    synchronize(fabric.device)
    start = time.perf_counter()
    with fabric.autocast(), torch.no_grad():
        frames, errors = (
            method.interpolate_with_uncertainty(batch)
            if isinstance(method, SpacedMethod)
            else (method.interpolate_batch(batch), None)
        )
    synchronize(fabric.device)
    return frames, errors, time.perf_counter() - start


def first_of(batch: WindowBatch) -> WindowBatch:
    """A batch's first window, as a batch."""
    return cast(WindowBatch, {key: cast(Tensor, value)[:1] for key, value in batch.items()})


def from_first_to_last(method: Method, batch: WindowBatch, count: int) -> Tensor:
    """`count` drawings (B, count, 3, H, W) from the first keyframe to the last, both among them."""
    between = torch.linspace(0, 1, count)[1:-1].to(batch["t"]).expand(len(batch["t"]), -1)
    asked: WindowBatch = {**batch, "t": between}
    return torch.cat(
        [batch["first"][:, None], method.interpolate_batch(asked), batch["last"][:, None]], dim=1
    )


def uncertainties(errors: Tensor, batch: WindowBatch) -> dict[int, float]:
    """Mean expected error of each window's pictures, by its index, from errors (B, N, 1, H, W)."""
    found = {}
    for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
        area = errors[row, ..., top : top + height, left : left + width]
        found[int(batch["index"][row])] = float(area.mean())
    return found


def sheet(rows: list[Row], truth: Tensor, index: int, name: str) -> Tensor:
    """One window as a picture (3, H, W): the true drawings, then a row per method."""
    first, last = truth[0], truth[-1]
    images = [list(truth), *([first, *row.images[index], last] for row in rows)]
    columns = ["first", *(f"{i} of {len(truth) - 2}" for i in range(1, len(truth) - 1)), "last"]
    return image_grid(images, columns, ["target", *(row.name for row in rows)], f"{index}: {name}")


def images(frames: Tensor, batch: WindowBatch, number: int) -> tuple[Tensor, Tensor]:
    """A window's true sequence (N + 2, 3, h, w) and drawn frames (N, 3, h, w), without padding."""
    top, left, height, width = batch["box"][number].tolist()
    area = (..., slice(top, top + height), slice(left, left + width))
    true = torch.cat([batch["first"][number][None], batch["targets"][number], batch["last"][number][None]])
    return true[area].cpu(), frames[number][area].float().cpu()
