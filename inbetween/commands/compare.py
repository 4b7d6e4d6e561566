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

from inbetween.callbacks import write_image
from inbetween.commands.machine import open_fabric, synchronize
from inbetween.commands.reports import name_for, write_text
from inbetween.commands.scores import (
    Row,
    differences_csv,
    markdown,
    summarise,
    summary_csv,
    surest_text,
    table,
    windows_csv,
)
from inbetween.data import WindowDataModule
from inbetween.data.source import MOST_BETWEEN
from inbetween.errors import UserError
from inbetween.files import check_folder
from inbetween.functional.grid import picture_grid, stacked
from inbetween.methods.base import Method
from inbetween.methods.loading import load_method, placed
from inbetween.methods.spaced import SpacedMethod
from inbetween.metrics import (
    EndPointError,
    PerceptualDistances,
    ToldLPIPS,
    TruthCache,
    frame_metrics,
    load_lpips,
    window_scores,
)
from inbetween.modules.precision import REPLACED, Precision, fastest
from inbetween.paths import find_config
from inbetween.types import WindowBatch, animation_in

ALWAYS = ("hold.yaml", "cross_fade.yaml")


def compare(
    data: WindowDataModule,
    methods: list[str] | None = None,
    split: Literal["val", "test"] = "val",
    output: Path = Path("logs/compare"),
    lpips_backbone: Path | None = None,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    picture_windows: int = 3,
    spacings: int = 0,
) -> list[Row]:
    """Run methods on the same windows and measure them; hold and cross-fade are always among them.

    Prints a table with each figure's mean and its 95 % bootstrap interval over animations, and writes
    `summary.csv`, `summary.md`, `windows.csv` (a line per method and window), `differences.csv` (of each
    two methods, window by window, with intervals), `compare.json` and `compare.png`.

    Args:
        data: The windows.
        methods: YAML files such as `fit` takes, here or among the shipped configs. `exp1.yaml=PATH` runs
            the method with the weights of the checkpoint PATH.
        split: Which windows.
        output: Folder for what is written.
        lpips_backbone: See `FrameMetrics`.
        precision: bf16-mixed runs networks in bfloat16 where that is safe, and in float32 where the machine
            has no fast instructions for it.
        accelerator: As Lightning's Trainer takes it.
        picture_windows: Windows shown in the picture, evenly spaced; 0 makes none.
        spacings: Also say what LPIPS each method has when it is told the spacing (`lpips_told`): of this many
            drawings from the first keyframe to the last, both among them and evenly spaced, the one that
            is nearest to each true drawing counts. 0 leaves that out.

    Returns:
        A row per method, in the order given, hold and cross-fade first.

    Raises:
        UserError: A file cannot be used, or `spacings` has nothing between the keyframes.
    """
    if spacings != 0 and not 3 <= spacings <= MOST_BETWEEN:
        raise UserError(
            f"spacings is {spacings}: give 3 or more, keyframes included, up to {MOST_BETWEEN}, or 0 to leave"
            " them out."
        )
    if picture_windows < 0:
        raise UserError(f"picture_windows is {picture_windows}: give 0 or more windows.")
    check_folder(output.expanduser(), "--output")
    rows = named_rows([*ALWAYS, *(entry for entry in methods or [] if entry not in ALWAYS)])
    asked, precision = precision, fastest(precision, accelerator)
    fabric = open_fabric(accelerator, precision)
    built = []
    for row in rows:
        # Weights that no checkpoint brings start the same in every run and in any company.
        fabric.seed_everything(0, verbose=False)
        checkpoint = Path(row.checkpoint) if row.checkpoint else None
        method = load_method(find_config(row.config), checkpoint)
        row.verdict_limits = method.verdict_limits if isinstance(method, SpacedMethod) else None
        built.append(placed(method, fabric.device))
    data.test_split = split
    data.setup("test")
    batches = data.test_dataloader()
    network, cache = load_lpips(lpips_backbone), TruthCache()
    distances = PerceptualDistances(network, cache) if network is not None and spacings else None
    measured = [frame_metrics(network, cache).to(fabric.device) for _ in rows]
    motions = [MetricCollection({"end_point_error": EndPointError()}).to(fabric.device) for _ in rows]
    told = [MetricCollection({"lpips_told": ToldLPIPS(distances)} if distances else {}) for _ in rows]
    seconds = [0.0] * len(rows)
    names: dict[int, str] = {}
    animations: dict[int, str] = {}
    truth: dict[int, Tensor] = {}
    available = min(len(data.datasets[split]), data.val_windows or len(data.datasets[split]))
    shown = {k * available // picture_windows for k in range(picture_windows)}
    if precision != asked:
        print(REPLACED)
    # All methods take a batch before the next one is read: what metrics know of the truth is kept.
    for batch in tqdm(batches, desc="compare", unit="batch", leave=False, disable=None):
        batch = fabric.to_device(batch)
        indices = batch["index"].tolist()
        rows_shown = [number for number in range(len(indices)) if len(names) + number in shown]
        if not names:
            for method in built:  # a device's first drawing prepares kernels
                drawn(method, first_of(batch), fabric)
        names |= dict(zip(indices, batch["name"], strict=True))
        in_names = [animation_in(name) for name in batch["name"]]
        animations |= dict(zip(indices, batch.get("animation", in_names), strict=True))
        for place, method in enumerate(built):
            frames, errors, took = drawn(method, batch, fabric)
            seconds[place] += took
            if errors is not None:
                rows[place].doubts |= doubts(errors, batch)
            measured[place].update(frames, batch)
            if "flow_t0" in batch:
                with fabric.autocast(), torch.no_grad():
                    flows = method.flows(batch)
                if flows is not None:
                    motions[place].update(flows, batch)
            if distances:
                with fabric.autocast(), torch.no_grad():
                    drawings = from_first_to_last(method, batch, spacings)
                told[place].update(drawings, batch)
            for number in rows_shown:
                index = indices[number]
                truth[index], rows[place].pictures[index] = pictures(frames, batch, number)
    for row, total, *collections in zip(rows, seconds, measured, motions, told, strict=True):
        row.seconds_per_frame = total / (len(names) * data.spec.between)
        row.scores = {
            key: dict(zip(index.tolist(), score.tolist(), strict=True))
            for metrics in collections
            for key, (score, index) in window_scores(metrics).items()
        }
    summary = [summarise(row, animations) for row in rows]
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


def drawn(method: Method, batch: WindowBatch, fabric: L.Fabric) -> tuple[Tensor, Tensor | None, float]:
    """Frames (B, N, 3, H, W), each pixel's expected error if the method knows it, and seconds of drawing."""
    # what draws by torch's own chance, and not by that of its samples, does so alike in any company
    fabric.seed_everything(0, verbose=False)
    synchronize(fabric.device)
    start = time.perf_counter()
    with fabric.autocast(), torch.no_grad():
        frames, errors = (
            method.draw_judged(batch) if isinstance(method, SpacedMethod) else (method.draw(batch), None)
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
    return torch.cat([batch["first"][:, None], method.draw(asked), batch["last"][:, None]], dim=1)


def doubts(errors: Tensor, batch: WindowBatch) -> dict[int, float]:
    """Mean expected error of each window's pictures, by its index, from errors (B, N, 1, H, W)."""
    found = {}
    for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
        picture = errors[row, ..., top : top + height, left : left + width]
        found[int(batch["index"][row])] = float(picture.mean())
    return found


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
