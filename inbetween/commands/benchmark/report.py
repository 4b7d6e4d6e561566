"""The benchmark's results: entries of `benchmark.json` and tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from inbetween.commands.benchmark.measuring import Line
from inbetween.commands.reports import aligned
from inbetween.weights.precision import Precision

Figure = dict[str, float]  # median, low and high over the rounds


def figure(values: Sequence[float]) -> Figure:
    """Median and range over the rounds."""
    return {"median": median(values), "low": min(values), "high": max(values)}


def training_entry(line: Line, rates: dict[str, list[float]], precision: Precision) -> dict[str, Any]:
    """A training line's results, as they go into JSON."""
    task = line.task
    dtype = "bfloat16" if precision == "bf16-mixed" and line.mixed else "float32"
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
    """An inference line's results, as they go into JSON."""
    task = line.task
    return {
        **_common(line),
        "seconds_per_frame": figure([seconds / task.between for seconds in line.seconds]),
    }


def _common(line: Line) -> dict[str, Any]:
    task, reference = line.task, line.reference
    ratios = (
        [theirs / ours for theirs, ours in zip(reference.seconds, line.seconds, strict=True)]
        if reference
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


def size_text(size: Sequence[int]) -> str:
    """`HEIGHTxWIDTH:N` again."""
    return f"{size[0]}x{size[1]}:{size[2]}"


def other_entry(name: str, size: str, seconds: list[float]) -> dict[str, Any]:
    """Results of another program, as they go into JSON."""
    return {
        "method": name,
        "size": size,
        "peak_bytes": None,
        "speedup": None,
        "seconds_per_frame": figure(seconds),
    }
