"""Batches of windows for each process, the same for any number of processes."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import cast

import cv2
import torch
from torch.utils.data import DataLoader, Sampler

from inbetween.data.source import WindowDataset
from inbetween.data.workers import STOPPING, WorkerWatch
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.machine import cores
from inbetween.types import Preparation, Window, WindowBatch

Key = tuple[int, int]  # (epoch, index) of a window
MOST_WORKERS = 16  # default of a process, at most
# what a batch to train on holds beside what the method's preparation made of its windows
KEPT = ("t", "index", "seed", "name")


class PreparedWindows(WindowDataset):
    """Windows with what a method's loss needs of them, computed where they are read.

    Args:
        windows: The windows.
        prepare: The method's.
        whole: Whether frames stay, for inference and metrics; training needs none beside its samples.
    """

    def __init__(self, windows: WindowDataset, prepare: Preparation, whole: bool) -> None:
        self.windows, self.prepare, self.whole = windows, prepare, whole

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, key: Key) -> Window:
        window = self.windows[key]
        sample = self.prepare(window)
        given = window.items() if self.whole else ((name, window[name]) for name in KEPT)  # type: ignore[literal-required]  # keys of a window
        return cast(Window, {**dict(given), "sample": sample})


def default_workers(processes: int, on_processor: bool) -> int:
    """Default number of data workers of each training process.

    Half of a training process's share of the cores where it computes on the same cores, else all but one.

    Args:
        processes: Training processes on this machine.
        on_processor: Whether they compute on the CPU.
    """
    share = cores() // processes
    return max(0, min(share // 2 if on_processor else share - 1, MOST_WORKERS))


def train_batches(
    windows: int, batch_size: int, seed: int, epoch: int, rank: int, world: int
) -> list[list[Key]]:
    """A training epoch's batches on one process.

    Batch k of all processes together is entries k B to (k + 1) B of a permutation made of (seed, epoch);
    a process takes every `world`-th of them. What is left at the end waits for the next permutation. With
    fewer windows than B the epoch is one batch of them all, less what `world` does not divide.

    Args:
        windows: Number of windows, at least `world`.
        batch_size: B, over all processes; a multiple of `world`.
        seed: Base of the permutation.
        epoch: Counts from 0.
        rank: This process.
        world: Number of processes.
    """
    generator = torch.Generator().manual_seed(sample_seed(seed, epoch))
    order: list[int] = torch.randperm(windows, generator=generator).tolist()
    size = train_batch_size(windows, batch_size, world)
    return [
        [(epoch, index) for index in order[start : start + size][rank::world]]
        for start in range(0, windows - size + 1, size)
    ]


def train_batch_size(windows: int, batch_size: int, world: int) -> int:
    """B, or what there is if that is less."""
    return min(batch_size, windows - windows % world)


def eval_batches(indices: list[int], batch_size: int, rank: int, world: int) -> list[list[Key]]:
    """Each window once, none padded; all processes get the same number of batches.

    Process r has `indices[r::world]`. Where one process has a window more than another, its last batch is
    larger by one: with a batch more it would wait for the others forever.

    Args:
        indices: The windows, at least `world`.
        batch_size: Over all processes; a multiple of `world`.
        rank: This process.
        world: Number of processes.
    """
    own = [(0, index) for index in indices[rank::world]]
    size = batch_size // world
    batches = max(-(-(len(indices) // world) // size), 1)
    starts = [size * k for k in range(batches)]
    ends = [*starts[1:], len(own)]
    return [own[start:end] for start, end in zip(starts, ends, strict=True)]


class _Batches(Sampler[list[Key]]):
    """The batches that the next pass over the loader is to give, set before it starts."""

    def __init__(self) -> None:
        self.batches: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class WindowLoader:
    """Batches of windows.

    Not a `DataLoader` itself, on purpose: Lightning rebuilds those with samplers of its own, which pad,
    duplicate and know nothing of keys. It takes any sized iterable without a `sampler` as it is.

    Args:
        dataset: The windows.
        batches: Number of batches in a pass.
        plan: Gives the batches of the next pass; called when its first one is due.
        num_workers: Processes that read windows; 0 reads in this one.
    """

    def __init__(
        self, dataset: WindowDataset, batches: int, plan: Callable[[], list[list[Key]]], num_workers: int = 0
    ) -> None:
        self.dataset = dataset
        self.batches = batches
        self.plan = plan
        self.num_workers = num_workers
        self.order = _Batches()
        self.reader: DataLoader[Window] | None = None
        self.current: Iterator[WindowBatch] = iter(())
        # seconds spent waiting for batches, except for the first one while workers start
        self.waited = 0.0
        self.workers = WorkerWatch()

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[WindowBatch]:
        # A generator: nothing happens before the first batch is asked for, when a resumed trainer knows
        # where it stands. Lightning makes an iterator earlier than that, and sometimes one too many.
        self.order.batches = self.plan()
        started = self.reader is not None
        self.reader = self.reader or self._start()
        begin = time.perf_counter()
        with self.workers.explained():
            self.current = self.workers.start(self.reader)
            # by way of the attribute, so that `close` drops the only reference
            batch = next(self.current, None)
            if started:
                self.waited += time.perf_counter() - begin
            while batch is not None:
                yield batch
                begin = time.perf_counter()
                batch = next(self.current, None)
                self.waited += time.perf_counter() - begin

    def close(self) -> None:
        """End the worker processes; a further pass starts new ones.

        Left to the garbage collector, workers of a failed run would hang its exit.
        """
        self.current = iter(())
        self.reader = None

    def _start(self) -> "DataLoader[Window]":
        return DataLoader(
            self.dataset,
            batch_sampler=self.order,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_start_worker,
        )


class ResumableLoader(WindowLoader):
    """Batches of training windows that resume where an interrupted run stopped.

    The trainer knows the position; what is saved here only tells whether the batches are still the same.

    Args:
        dataset: The windows.
        batches: Number of batches in an epoch.
        plan: As for `WindowLoader`.
        num_workers: As for `WindowLoader`.
        identity: What the order of batches depends on.
    """

    def __init__(
        self,
        dataset: WindowDataset,
        batches: int,
        plan: Callable[[], list[list[Key]]],
        num_workers: int,
        identity: dict[str, int],
    ) -> None:
        super().__init__(dataset, batches, plan, num_workers)
        self.identity = identity

    def state_dict(self) -> dict[str, int]:
        """What the order of batches depends on; goes into the checkpoint."""
        return dict(self.identity)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Compare with the checkpoint's; see `check_same`."""
        check_same(state, self.identity)


def check_same(saved: dict[str, int], now: dict[str, int]) -> None:
    """Check that the batches are those of the checkpoint.

    Args:
        saved: What their order depended on when the checkpoint was written.
        now: What it depends on in this run.

    Raises:
        UserError: They differ.
    """
    for name, value in now.items():
        if saved.get(name) != value:
            raise UserError(
                f"The checkpoint was written in an epoch with {name} {saved.get(name)}, now it is {value}:"
                " resume with the same data, or train anew from the weights.safetensors of that run."
            )


def _start_worker(_: int) -> None:
    # A terminal and a cluster signal all processes of a run. The main one decides when it ends; workers end
    # with it, when torch tells them to or when it is dead.
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    # OpenCV's threads do not survive the fork that makes a worker
    cv2.setNumThreads(0)
