"""The command: measures speed and memory, and writes the results."""

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
    inference_entry,
    left_out,
    other_entry,
    spread,
    tables,
    training_entry,
)
from inbetween.commands.machine import description, open_fabric
from inbetween.commands.reports import write_text
from inbetween.data.source import LARGEST_SIDE, MAX_BETWEEN
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
    """Measure training and inference speed of methods on this machine, and their peak memory.

    The speed of a machine varies over time. So all tasks are measured in turn, in `repeats` rounds after a
    warm-up round: tables show medians and, in brackets, the lowest and the highest round; ratios are taken
    within a round. A training that adds a perceptual loss at some step is measured before and with it, and as
    a weighted mean of both. Training steps are timed without data loading; `prepared/s` is the number of
    samples that a data worker prepares per second, once their frames are read. Prints tables and writes
    `benchmark.json`.

    Args:
        config: YAML files of an experiment such as `fit` takes, later ones overriding earlier ones. If they
            name no method they override keys of each of `methods`.
        methods: Names of shipped methods, or YAML files, each as FILE or FILE=CHECKPOINT.
        sizes: Sizes of inference: HEIGHTxWIDTH:N is one window with N in-betweens; the default is 256x256:3.
        repeats: Number of rounds.
        batch_size: Windows in a training step; None uses that of the YAML.
        memory: Measure peak memory, each time in a subprocess.
        precision: bf16-mixed runs networks in bfloat16 where that is safe, and in float32 where the machine
            has no fast instructions for it.
        accelerator: As for Lightning's Trainer.
        output: Folder for `benchmark.json`.

    Returns:
        The content of `benchmark.json`.

    Raises:
        UserError: A file or size cannot be used.
    """
    wanted = checked(sizes, repeats, batch_size, output)
    return measure(
        experiments(config, methods), wanted, repeats, batch_size, memory, precision, accelerator, output
    )


def checked(sizes: Sequence[str], repeats: int, batch_size: int | None, output: Path) -> list[Size]:
    """The parsed sizes; checks the numbers and the folder, too.

    Raises:
        UserError: One is invalid.
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
        references: What each task's speed is compared with, if anything.
        others: Other programs by name and size: each call returns the seconds of an in-between.
    """
    requested, precision = precision, resolve_precision(precision, accelerator)
    fabric = open_fabric(accelerator, precision)
    with tempfile.TemporaryDirectory() as temporary:
        # not the user's own cache: its content would change the results
        rows = [row.with_cache(Path(temporary, row.name)) for row in rows]
        lines = lines_of(rows, sizes, batch_size, fabric, references)
        if precision != requested:
            print(REPLACED)
        if memory:
            measure_peaks(lines, precision, accelerator)
        rates, seconds = measure_times(lines, others or {}, repeats, fabric)
    report = {
        "machine": description(fabric.device),
        "precision": precision,
        "repeats": repeats,
        "operations_per_second": {name: spread(values) for name, values in rates.items()},
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
    if max(height, width) > LARGEST_SIDE or between > MAX_BETWEEN:
        raise UserError(f"sizes has {text}: give at most {LARGEST_SIDE}x{LARGEST_SIDE}:{MAX_BETWEEN}.")
    return height, width, between
