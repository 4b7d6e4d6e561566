"""Batches of windows for each process, the same for any number of processes."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import cv2
import torch
from torch.utils.data import DataLoader, Sampler

from inbetween.data.source import Order, WindowDataset
from inbetween.data.workers import STOPPING, WorkerWatch
from inbetween.errors import UserError
from inbetween.machine import cores
from inbetween.types import Preparation, Window, WindowBatch

Key = tuple[int, int]  # (epoch, index) of a window
MAX_WORKERS = 16  # of a process, by default
# keys of a training batch besides the result of the method's preparation
KEPT = ("t", "index", "seed", "name")


class PreparedWindows(WindowDataset):
    """Windows with what a method's loss needs, computed in the process that reads them.

    Args:
        windows: The windows.
        prepare: The method's.
        whole: Whether to keep the frames, for inference and metrics; training only needs its samples.
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


def default_workers(processes: int, on_cpu: bool) -> int:
    """Default number of data workers of each training process.

    Half of a training process's cores if it trains on the CPU, else all but one.

    Args:
        processes: Training processes on this machine.
        on_cpu: Whether they compute on the CPU.
    """
    share = cores() // processes
    return max(0, min(share // 2 if on_cpu else share - 1, MAX_WORKERS))


class Batches(Protocol):
    """The batches of a pass: their number, and each in turn."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[list[Key]]: ...


@dataclass(frozen=True)
class TrainBatches:
    """A training epoch's batches on one process, made one at a time.

    Batch k of all processes together are entries k B to (k + 1) B of the epoch's order; a process takes every
    `world`-th of them. An incomplete last batch is dropped. With fewer windows than B the epoch is one batch
    of all of them, rounded down to a multiple of `world`.

    Args:
        order: Indices of the epoch's windows, at least `world`: see `WindowDataset.order`.
        batch_size: B, over all processes; a multiple of `world`.
        epoch: Counts from 0.
        rank: This process.
        world: Number of processes.
        done: Batches to leave out at the start.
    """

    order: Order
    batch_size: int
    epoch: int
    rank: int
    world: int
    done: int = 0

    def __len__(self) -> int:
        size = train_batch_size(len(self.order), self.batch_size, self.world)
        return max(len(self.order) // size - self.done, 0)

    def __iter__(self) -> Iterator[list[Key]]:
        size = train_batch_size(len(self.order), self.batch_size, self.world)
        for k in range(self.done, self.done + len(self)):
            places = range(k * size + self.rank, (k + 1) * size, self.world)
            yield [(self.epoch, int(self.order[place])) for place in places]


def train_batch_size(windows: int, batch_size: int, world: int) -> int:
    """B, or the number of windows that processes can split evenly, if that is less."""
    return min(batch_size, windows - windows % world)


@dataclass(frozen=True)
class EvalBatches:
    """Each window once, none padded, in batches made one at a time; all processes get the same number.

    Process r has `indices[r::world]`. Where one process has a window more than another, its last batch is
    larger by one: with one batch more it would wait for the others forever.

    Args:
        indices: The windows, at least `world`.
        batch_size: Over all processes; a multiple of `world`.
        rank: This process.
        world: Number of processes.
    """

    indices: Sequence[int]
    batch_size: int
    rank: int
    world: int

    def __len__(self) -> int:
        return max(-(-(len(self.indices) // self.world) // (self.batch_size // self.world)), 1)

    def __iter__(self) -> Iterator[list[Key]]:
        own = self.indices[self.rank :: self.world]
        size, last = self.batch_size // self.world, len(self) - 1
        for k in range(last + 1):
            yield [(0, index) for index in own[size * k : len(own) if k == last else size * (k + 1)]]


class _Batches(Sampler[list[Key]]):
    """The batches of the next pass over the loader, set before it starts."""

    def __init__(self) -> None:
        self.batches: Batches = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class WindowLoader:
    """Batches of windows.

    Deliberately not a `DataLoader`: Lightning rebuilds those with samplers of its own, which pad and
    duplicate, and do not support keys. It uses any sized iterable without a `sampler` as it is.

    Args:
        dataset: The windows.
        batches: Number of batches in a pass.
        plan: Returns the batches of the next pass; called when its first batch is requested.
        num_workers: Processes that read windows; 0 reads in this one.
    """

    def __init__(
        self, dataset: WindowDataset, batches: int, plan: Callable[[], Batches], num_workers: int = 0
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
        # A generator: nothing happens before the first batch is requested, when a resumed trainer has
        # restored its position. Lightning makes an iterator earlier than that, and sometimes one too many.
        self.order.batches = self.plan()
        started = self.reader is not None
        self.reader = self.reader or self._start()
        start = time.perf_counter()
        with self.workers.explained():
            self.current = self.workers.start(self.reader)
            # an attribute, so that `close` drops the only reference
            batch = next(self.current, None)
            if started:
                self.waited += time.perf_counter() - start
            while batch is not None:
                yield batch
                start = time.perf_counter()
                batch = next(self.current, None)
                self.waited += time.perf_counter() - start

    def close(self) -> None:
        """End the worker processes; a further pass starts new ones.

        Otherwise workers of a failed run would block its exit.
        """
        self.current = iter(())
        self.reader = None
        self.workers.end()

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

    The trainer saves the position; the state saved here only serves to check that the batches are the same.

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
        plan: Callable[[], Batches],
        num_workers: int,
        identity: dict[str, int],
    ) -> None:
        super().__init__(dataset, batches, plan, num_workers)
        self.identity = identity

    def state_dict(self) -> dict[str, int]:
        """What the order of batches depends on; saved in the checkpoint."""
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
                " resume with the same data, or train again from the weights.safetensors of that run."
            )


def _start_worker(_: int) -> None:
    # A terminal and a cluster signal all processes of a run. The main process decides when it ends; workers
    # end with it, when torch stops them or when it is dead.
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    # OpenCV's threads do not survive the fork that makes a worker
    cv2.setNumThreads(0)
