"""What the benchmark measures, line by line, and how it is measured in turn."""

from __future__ import annotations

import logging
import math
import multiprocessing
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import lightning as L
import torch
from tqdm import tqdm

from inbetween.commands.benchmark.experiments import Experiment
from inbetween.commands.benchmark.subject import Phase, Subject, Task, windows_for
from inbetween.commands.machine import matrix_work, open_fabric, operations, peak_memory, synchronize
from inbetween.weights.precision import Precision

LEAST_SECONDS = 0.2  # measured at a time; what takes less is repeated


class Buildable(Protocol):
    """What a process of its own can build its subject from."""

    def subject(self, fabric: L.Fabric) -> Subject:
        """The subject."""


@dataclass
class Line:
    """One line of a table.

    Args:
        name: Of the method.
        task: What is done.
        experiment: What does it.
        subject: The same, built.
        reference: The line that this one's speed is compared with.
        mixed: Whether it follows the precision of the run; float32 if not.
        phase: Of the training, where the task is to train.
        preparation: Seconds that a data worker takes to make a sample of a window that it has read.
    """

    name: str
    task: Task
    experiment: Buildable
    subject: Subject | None = None
    reference: Line | None = None
    mixed: bool = True
    phase: Phase = Phase()  # noqa: RUF009 - frozen
    peak_bytes: int | None = None
    operations: float = 0
    preparation: float = 0.0
    seconds: list[float] = field(default_factory=list)  # one task each, a value per round


#: The line, if any, that an experiment's task is compared with.
References = Callable[[Experiment, Subject, Task], Line | None]


def lines_of(
    rows: Sequence[Experiment],
    sizes: Sequence[tuple[int, int, int]],
    batch_size: int | None,
    fabric: L.Fabric,
    references: References | None = None,
) -> list[Line]:
    """A line for each method and task, behind the one that it is compared with.

    Raises:
        UserError: A method cannot be built.
    """
    lines: list[Line] = []
    for row in rows:
        subject = row.subject(fabric)
        training = row.training_task(batch_size)
        tasks = [(training, phase) for phase in subject.phases]
        tasks += [(Task("interpolate", *size), Phase()) for size in sizes]
        for task, phase in tasks:
            reference = references(row, subject, task) if references else None
            if reference is not None and not any(line is reference for line in lines):
                lines.append(reference)
            lines.append(Line(row.name, task, row, subject, reference, phase=phase))
    return lines


def with_whole_trainings(lines: Sequence[Line]) -> list[Line]:
    """Lines of trainings, and behind the phases of each one for all of it.

    A step's seconds and operations are means over all steps; the peak is the largest.
    """
    found: list[Line] = []
    for line in lines:
        found.append(line)
        phases = [one for one in lines if one.subject is line.subject]
        if len(phases) == 1 or line is not phases[-1]:
            continue  # no more than one phase, or more to come
        rounds = zip(*([one.phase.share * took for took in one.seconds] for one in phases), strict=True)
        whole = replace(
            line,
            phase=Phase("whole training"),
            peak_bytes=max((one.peak_bytes for one in phases if one.peak_bytes is not None), default=None),
            operations=sum(one.phase.share * one.operations for one in phases),
            seconds=[sum(parts) for parts in rounds],
        )
        found.append(whole)
    return found


def one_run(line: Line, fabric: L.Fabric) -> Callable[[], object]:
    """What does a line's task once."""
    assert line.subject is not None
    batch = fabric.to_device(windows_for(line.task))
    if line.task.kind == "interpolate":
        return partial(line.subject.interpolate, batch)
    batch, seconds = line.subject.prepared(batch)
    line.preparation = seconds / line.task.windows
    return partial(line.subject.train, batch, line.phase.progress)


def measure_peaks(lines: Sequence[Line], precision: Precision, accelerator: str) -> None:
    """Set each line's `peak_bytes`, measured over two runs in a process of its own."""
    start = multiprocessing.get_context("spawn")
    for line in tqdm(lines, desc="memory", unit="process", leave=False, disable=None):
        bare = Line(line.name, line.task, line.experiment, phase=line.phase)
        with ProcessPoolExecutor(1, mp_context=start) as pool:
            line.peak_bytes = pool.submit(
                peak_of, bare, precision, accelerator, torch.get_num_threads()
            ).result()


def peak_of(line: Line, precision: Precision, accelerator: str, threads: int) -> int:
    """Most bytes that this process held when it has built a line's subject and run its task twice."""
    warnings.simplefilter("ignore")  # all has been said by the process that asks
    logging.disable(logging.WARNING)
    torch.set_num_threads(threads)
    fabric = open_fabric(accelerator, precision)
    line.subject = line.experiment.subject(fabric)
    run = one_run(line, fabric)
    run()
    run()
    return peak_memory(fabric.device)


def measure_times(
    lines: Sequence[Line],
    others: dict[tuple[str, str], Callable[[], float]],
    repeats: int,
    fabric: L.Fabric,
) -> tuple[dict[str, list[float]], dict[tuple[str, str], list[float]]]:
    """Measure everything in turn, set each line's `seconds` and training lines' `operations`.

    Args:
        lines: What is done.
        others: Further clocks, each of which says how many seconds it took.
        repeats: Rounds that count, after one that does not.
        fabric: Knows precision and device.

    Returns:
        For each kind of matrix work its operations a second in each round, and the seconds of `others`.
    """
    matrix = matrix_work(fabric.device)
    clocks: list[tuple[list[float], Callable[[], float]]] = []
    rates: dict[str, list[float]] = {name: [] for name in matrix}
    clocks += [(rates[name], _clock(run, fabric.device)) for name, (_, run) in matrix.items()]
    for line in tqdm(lines, desc="warm-up", unit="task", leave=False, disable=None):
        run = one_run(line, fabric)
        clock = _clock(run, fabric.device)
        if line.task.kind == "train":
            line.operations = operations(run)  # what is cached is cached by now
        clocks.append((line.seconds, clock))
    seconds: dict[tuple[str, str], list[float]] = {name: [] for name in others}
    clocks += [(seconds[name], clock) for name, clock in others.items()]
    for _ in tqdm(range(repeats), desc="rounds", unit="round", leave=False, disable=None):
        for found, clock in clocks:
            found.append(clock())
    return {name: [count / took for took in rates[name]] for name, (count, _) in matrix.items()}, seconds


def _clock(run: Callable[[], object], device: torch.device) -> Callable[[], float]:
    """What gives the seconds of a run, over as many as fill `LEAST_SECONDS`; the first are made here."""

    def seconds(count: int) -> float:
        synchronize(device)
        start = time.perf_counter()
        for _ in range(count):
            run()
        synchronize(device)
        return (time.perf_counter() - start) / count

    if device.type != "cpu":
        run()  # loads kernels, and says nothing of how long the next ones take
    count = math.ceil(LEAST_SECONDS / max(seconds(1), LEAST_SECONDS / 20))
    return lambda: seconds(count)
