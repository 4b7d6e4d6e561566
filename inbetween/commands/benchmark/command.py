"""The command: what is measured, in what order, and where it is written."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from inbetween.commands.benchmark.experiments import Experiment, experiments
from inbetween.commands.benchmark.measuring import (
    References,
    lines_of,
    measure_peaks,
    measure_times,
    with_whole_trainings,
)
from inbetween.commands.benchmark.report import (
    figure,
    inference_entry,
    left_out,
    other_entry,
    tables,
    training_entry,
)
from inbetween.commands.machine import description, open_fabric
from inbetween.commands.reports import write_text
from inbetween.data.source import LARGEST_SIDE, MOST_BETWEEN
from inbetween.errors import UserError
from inbetween.io.files import check_folder
from inbetween.weights.precision import REPLACED, Precision, resolve_precision

DEFAULT_SIZES = ("256x256:3",)
Size = tuple[int, int, int]  # height, width and N


def benchmark(
    config: Sequence[str] = (),
    methods: Sequence[str] = (),
    sizes: Sequence[str] = (),
    repeats: int = 5,
    batch_size: int | None = None,
    memory: bool = True,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    output: Path = Path("logs/benchmark"),
) -> dict[str, Any]:
    """Measure how fast methods train and interpolate on this machine, and their peak memory.

    The speed of one machine changes by the minute. So everything is measured in turn, `repeats` times over,
    after a warm-up round that does not count: tables show medians and, in brackets, the lowest and the
    highest round; ratios are taken within a round. A training that adds a perceptual loss on its way is
    measured before and with it, and as a whole, each step in its share. Steps are measured on samples that
    are ready; `prepared/s` is how many of them a data worker prepares in a second, once their frames are
    read. Prints tables and writes `benchmark.json`.

    Args:
        config: YAML files that add up to an experiment such as `fit` takes. If they name no method they
            are laid over each of `methods`.
        methods: Methods that ship by their names, or YAML files, each as FILE or FILE=CHECKPOINT.
        sizes: Sizes of inference: HEIGHTxWIDTH:N is one window with N in-betweens; none takes 256x256:3.
        repeats: Rounds.
        batch_size: Windows in a training step; None takes the YAML's.
        memory: Measure peak memory, each time in a process of its own.
        precision: bf16-mixed runs networks in bfloat16 where that is safe, and in float32 where the machine
            has no fast instructions for it.
        accelerator: As Lightning's Trainer takes it.
        output: Folder for `benchmark.json`.

    Returns:
        What `benchmark.json` holds.

    Raises:
        UserError: A file or size cannot be used.
    """
    wanted = checked(sizes, repeats, batch_size, output)
    return measure(
        experiments(config, methods), wanted, repeats, batch_size, memory, precision, accelerator, output
    )


def checked(sizes: Sequence[str], repeats: int, batch_size: int | None, output: Path) -> list[Size]:
    """The sizes, once the numbers and the folder are known to be good.

    Raises:
        UserError: One is not.
    """
    found = [parse_size(text) for text in sizes or DEFAULT_SIZES]
    if repeats < 1:
        raise UserError(f"repeats is {repeats}: give at least 1.")
    if batch_size is not None and batch_size < 1:
        raise UserError(f"batch_size is {batch_size}: give 1 or more windows.")
    check_folder(output, "--output")
    return found


def measure(
    rows: Sequence[Experiment],
    sizes: Sequence[Size],
    repeats: int,
    batch_size: int | None,
    memory: bool,
    precision: Precision,
    accelerator: str,
    output: Path,
    references: References | None = None,
    others: dict[tuple[str, str], Callable[[], float]] | None = None,
) -> dict[str, Any]:
    """Measure experiments, print the tables and write `benchmark.json`; see `benchmark`.

    Args:
        rows: The experiments.
        sizes: Of inference.
        repeats: See `benchmark`.
        batch_size: See `benchmark`.
        memory: See `benchmark`.
        precision: See `benchmark`.
        accelerator: See `benchmark`.
        output: See `benchmark`.
        references: What each task is compared with, if anything.
        others: Other programs by name and size: each call says how many seconds an in-between took.
    """
    asked, precision = precision, resolve_precision(precision, accelerator)
    fabric = open_fabric(accelerator, precision)
    with tempfile.TemporaryDirectory() as temporary:
        # not the user's own cache: whether it is filled already would change what is measured
        rows = [row.with_cache(Path(temporary, row.name)) for row in rows]
        lines = lines_of(rows, sizes, batch_size, fabric, references)
        if precision != asked:
            print(REPLACED)
        if memory:
            measure_peaks(lines, precision, accelerator)
        rates, seconds = measure_times(lines, others or {}, repeats, fabric)
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
        + [other_entry(*key, values) for key, values in seconds.items()],
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


def parse_size(text: str) -> Size:
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
