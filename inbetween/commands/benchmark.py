"""How fast methods train and draw, and what they need: side by side, in one run."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from inbetween.commands.experiments import Task, experiments, windows_for
from inbetween.commands.machine import description, open_fabric
from inbetween.commands.measuring import Line, lines_of, measure_peaks, measure_times, with_whole_trainings
from inbetween.commands.minterpolate import minterpolate_clock
from inbetween.commands.reports import aligned, write_text
from inbetween.commands.sd15 import write_sd15_sized_backbone
from inbetween.data.source import LARGEST_SIDE, MOST_BETWEEN
from inbetween.errors import UserError
from inbetween.io.files import check_folder
from inbetween.weights.precision import REPLACED, Precision, resolve_precision

DEFAULT_SIZES = ("256x256:3",)
Figure = dict[str, float]  # median, low and high over the rounds


def benchmark(
    config: Sequence[str] = (),
    methods: Sequence[str] = (),
    sizes: Sequence[str] = (),
    repeats: int = 5,
    batch_size: int | None = None,
    baseline: bool = True,
    memory: bool = True,
    minterpolate: bool = False,
    random_sd15: Path | None = None,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    output: Path = Path("logs/benchmark"),
) -> dict[str, Any]:
    """Measure training and drawing of methods, and of the origin's plain float32 loop beside diffusion.

    Rates of one machine change by the minute. So everything is measured in turn, `repeats` times over,
    after a round that does not count: tables show medians and, in brackets, the lowest and the highest
    round; ratios are taken within a round. A training that adds a perceptual loss on its way is measured
    before and with it, and as a whole, each step in its share. Steps are measured on samples that are ready;
    `prepared/s` is how many of them a data worker makes in a second of windows that it has read. Prints
    tables and writes `benchmark.json`.

    Args:
        config: YAML files that add up to an experiment such as `fit` takes. If they name no method they
            are laid over each of `methods`.
        methods: YAML files to measure, each as FILE or FILE=CHECKPOINT.
        sizes: What is drawn: HEIGHTxWIDTH:N is one window with N in-betweens; none takes 256x256:3.
        repeats: Rounds.
        batch_size: Windows in a training step; None takes the YAML's.
        baseline: Measure the origin's loop beside methods with a diffusion backbone, but for the small one's
            correcting denoiser, which it could not use.
        memory: Measure peak memory, each time in a process of its own.
        minterpolate: Measure ffmpeg's minterpolate filter, too.
        random_sd15: Folder of a backbone of Stable Diffusion 1.5's size with random weights, written there
            first if it is not there (2.5 GB); it takes the place of every `pretrained`.
        precision: bf16-mixed runs networks in bfloat16 where that is safe, and in float32 where the machine
            has no fast instructions for it.
        accelerator: As Lightning's Trainer takes it.
        output: Folder for what is written.

    Returns:
        What `benchmark.json` holds.

    Raises:
        UserError: A file or size cannot be used.
    """
    frame_sizes = [parse_size(text) for text in sizes or DEFAULT_SIZES]
    if repeats < 1:
        raise UserError(f"repeats is {repeats}: give at least 1.")
    if batch_size is not None and batch_size < 1:
        raise UserError(f"batch_size is {batch_size}: give 1 or more windows.")
    check_folder(output, "--output")
    if random_sd15:
        check_folder(random_sd15, "--random_sd15")
    replaced = {"pretrained": str(write_sd15_sized_backbone(random_sd15))} if random_sd15 else None
    rows = experiments(config, methods, replaced)
    asked, precision = precision, resolve_precision(precision, accelerator)
    fabric = open_fabric(accelerator, precision)
    with tempfile.TemporaryDirectory() as temporary:
        # What a cache of the user's own holds is no business of a benchmark.
        rows = [row.with_cache(Path(temporary, row.name)) for row in rows]
        lines = lines_of(rows, frame_sizes, batch_size, baseline, fabric)
        clocks = {}
        if precision != asked:
            print(REPLACED)
        if minterpolate:
            for size in frame_sizes:
                batch = windows_for(Task("interpolate", *size))
                frames = torch.cat([batch["first"], batch["targets"][0], batch["last"]])
                clocks[size_text(size)] = minterpolate_clock(frames, size[2])
        if memory:
            measure_peaks(lines, precision, accelerator)
        rates, seconds = measure_times(lines, clocks, repeats, fabric)
    report = {
        "machine": description(fabric.device),
        "precision": precision,
        "repeats": repeats,
        "operations_per_second": {name: figure(values) for name, values in rates.items()},
        "training": [
            training_entry(line, rates, precision)
            for line in with_whole_trainings([line for line in lines if line.task.kind == "train"])
        ],
        "inference": [inference_entry(line) for line in lines if line.task.kind == "interpolate"]
        + [minterpolate_entry(size, values) for size, values in seconds.items()],
        "left_out": [
            left_out(line)
            for line in lines
            if line.task.kind == "train" and line.subject and line.subject.left_out
        ],
    }
    write_text(output / "benchmark.json", json.dumps(report, indent=2))
    print(tables(report))
    print(f"\nwritten to {output / 'benchmark.json'}")
    return report


def parse_size(text: str) -> tuple[int, int, int]:
    """Height, width and N of `HEIGHTxWIDTH:N`.

    Raises:
        UserError: It is none.
    """
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*):([1-9]\d*)", text)
    if not found:
        raise UserError(f"sizes has {text}: give HEIGHTxWIDTH:N, such as 256x256:3.")
    height, width, between = map(int, found.groups())
    if max(height, width) > LARGEST_SIDE or between > MOST_BETWEEN:
        raise UserError(f"sizes has {text}: give at most {LARGEST_SIDE}x{LARGEST_SIDE}:{MOST_BETWEEN}.")
    return height, width, between


def size_text(size: Sequence[int]) -> str:
    """`HEIGHTxWIDTH:N` again."""
    return f"{size[0]}x{size[1]}:{size[2]}"


def figure(values: Sequence[float]) -> Figure:
    """Median and range over the rounds."""
    return {"median": median(values), "low": min(values), "high": max(values)}


def training_entry(line: Line, rates: dict[str, list[float]], precision: Precision) -> dict[str, Any]:
    """A training line's figures, as they go into JSON."""
    task = line.task
    dtype = "bfloat16" if precision == "bf16-mixed" and line.subject is not None else "float32"
    attainable = [max(pair) for pair in zip(*(rates[name] for name in rates if dtype in name), strict=True)]
    reached = [line.operations / seconds for seconds in line.seconds]
    return {
        **_common(line),
        "phase": line.phase.name,
        "share_of_training": line.phase.share,
        "batch_size": task.windows,
        "preparation_seconds_per_sample": line.preparation,
        "samples_per_second": figure([task.windows / seconds for seconds in line.seconds]),
        "operations_per_sample": line.operations / task.windows,
        "operations_per_second": figure(reached),
        "share_of": f"{dtype} convolution or matrix product, whichever is faster",
        "share": figure([rate / most for rate, most in zip(reached, attainable, strict=True)]),
    }


def left_out(line: Line) -> str:
    """What a training line does not measure."""
    assert line.subject is not None
    return (
        f"{line.name} is measured without its perceptual loss, which {line.subject.left_out:.0%} of its"
        " training has: VGG16's weights are not on this machine; name a file as perceptual_network."
    )


def inference_entry(line: Line) -> dict[str, Any]:
    """A drawing line's figures, as they go into JSON."""
    task = line.task
    return {
        **_common(line),
        "seconds_per_frame": figure([seconds / task.between for seconds in line.seconds]),
    }


def minterpolate_entry(size: str, seconds: list[float]) -> dict[str, Any]:
    """Figures of ffmpeg, as they go into JSON."""
    return {
        "method": "minterpolate",
        "size": size,
        "peak_bytes": None,
        "speedup": None,
        "seconds_per_frame": figure(seconds),
    }


def _common(line: Line) -> dict[str, Any]:
    task, baseline = line.task, line.baseline
    ratios = (
        [theirs / ours for theirs, ours in zip(baseline.seconds, line.seconds, strict=True)]
        if baseline
        else None
    )
    return {
        "method": line.name,
        "size": size_text((task.height, task.width, task.between)),
        "peak_bytes": line.peak_bytes,
        "speedup": figure(ratios) if ratios else None,
    }


def tables(report: dict[str, Any]) -> str:
    """The tables for the terminal."""
    machine = report["machine"]
    rates = [
        f"  {name:<24}{_shown(rate, 1e-12, 3)} TFLOP/s"
        for name, rate in report["operations_per_second"].items()
    ]
    training = [
        ["training", "size", "batch", "samples/s", "prepared/s", "TFLOP/s", "share", "peak MB", "speedup"]
    ]
    for entry in report["training"]:
        name = f"{entry['method']}, {entry['phase']}" if entry["phase"] else entry["method"]
        if entry["share_of_training"] < 1:
            name += f" ({entry['share_of_training']:.0%})"
        cells = [name, entry["size"].partition(":")[0], str(entry["batch_size"])]
        preparation = entry["preparation_seconds_per_sample"]
        prepared = f"{1 / preparation:.0f}" if preparation > 1e-4 else "-"
        cells += [_shown(entry["samples_per_second"]), prepared]
        cells += [_shown(entry["operations_per_second"], 1e-12)]
        training.append([*cells, f"{entry['share']['median']:.0%}", *_last_cells(entry)])
    inference = [["inference", "size:N", "s/in-between", "peak MB", "speedup"]]
    for entry in report["inference"]:
        cells = [entry["method"], entry["size"], _shown(entry["seconds_per_frame"])]
        inference.append([*cells, *_last_cells(entry)])
    head = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads,"
        f" {machine['device']}, torch {machine['torch']}, {report['precision']};"
        f" median (lowest-highest) of {report['repeats']} rounds"
    )
    blocks = [[head], rates, *(aligned(rows) for rows in (training, inference) if len(rows) > 1)]
    blocks += [report["left_out"]] if report["left_out"] else []
    return "\n" + "\n\n".join("\n".join(block) for block in blocks)


def _last_cells(entry: dict[str, Any]) -> list[str]:
    held, ratio = entry["peak_bytes"], entry["speedup"]
    return [f"{held / 1e6:.0f}" if held else "-", _shown(ratio) if ratio else "-"]


def _shown(value: Figure, unit: float = 1.0, digits: int = 3) -> str:
    middle, low, high = (f"{value[key] * unit:.{digits}g}" for key in ("median", "low", "high"))
    return f"{middle} ({low}-{high})"
