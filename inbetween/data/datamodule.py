"""The data module: windows of any source, in batches that are the same for every method."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import lightning as L

from inbetween.data.loader import (
    Batches,
    EvalBatches,
    PreparedWindows,
    ResumableLoader,
    TrainBatches,
    WindowLoader,
    check_same,
    default_workers,
    train_batch_size,
)
from inbetween.data.source import Augment, WindowDataset, WindowSource, WindowSpec
from inbetween.errors import UserError
from inbetween.types import Preparation, Split

log = logging.getLogger(__name__)


@runtime_checkable
class PreparesWindows(Protocol):
    """A method whose loss needs things that data workers compute of each window."""

    def preparation(self, training: bool) -> Preparation | None:
        """What they compute; None for nothing."""


class WindowDataModule(L.LightningDataModule):
    """Windows for training, validation, test and prediction.

    Batch sizes count windows over all processes together, so that results do not depend on the number of
    devices. A resumed run sees the batches that an uninterrupted one would.

    Args:
        source: Where the windows come from.
        between: N, the number of in-betweens of a window, at least 1.
        gaps: Distances in frames between neighbouring frames of a window; each gap adds windows of its own.
        stride: Distance in frames between the first keyframes of successive windows.
        size: Side of square windows, or their height and width, in pixels.
        fit: `pad` keeps the whole frame and pads, `crop` fills the window and crops.
        background: RGB in [0, 255] under transparency and in padding.
        collapse_holds: Count a held frame (one shown several times) once.
        augment: Augmentation of training windows; None for none.
        batch_size: Windows in a training step, over all processes.
        val_batch_size: Windows in a validation, test or prediction step, over all processes; None uses
            `batch_size`.
        val_windows: Validate, test and predict on this many evenly spaced windows; None uses all.
        test_split: Split that `test` and `predict` use.
        num_workers: Processes that read windows and prepare them for training, for each training process; 0
            does it in the training process itself. None uses half of the cores when training on the CPU, and
            all but one on a GPU, 16 at most; `compare`, which measures time, takes 0.
        seed: Seed of the order of windows, their augmentation and their noise.
        cache_dir: Folder of the decoded-frame store; None uses `frames` in the user's cache, which is
            `~/.cache/inbetween`, or set by XDG_CACHE_HOME.

    Raises:
        UserError: A value is out of range.
    """

    def __init__(
        self,
        source: WindowSource,
        between: int = 3,
        gaps: list[int] = [1],  # noqa: B006 - never changed, and shown by --help
        stride: int = 2,
        size: int | tuple[int, int] = 256,
        fit: Literal["pad", "crop"] = "pad",
        background: tuple[int, int, int] = (255, 255, 255),
        collapse_holds: bool = True,
        augment: Augment | None = None,
        batch_size: int = 16,
        val_batch_size: int | None = None,
        val_windows: int | None = None,
        test_split: Split = "test",
        num_workers: int | None = None,
        seed: int = 0,
        cache_dir: Path | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.spec = WindowSpec(
            between=between,
            gaps=tuple(gaps),
            stride=stride,
            size=(size, size) if isinstance(size, int) else (size[0], size[1]),
            fit=fit,
            background=(background[0], background[1], background[2]),
            collapse_holds=collapse_holds,
            seed=seed,
            cache_dir=cache_dir,
        )
        self.augment = augment
        self.batch_size = batch_size
        self.val_batch_size = batch_size if val_batch_size is None else val_batch_size
        self.val_windows = val_windows
        self.test_split = test_split
        self._num_workers = num_workers
        self.datasets: dict[Split, WindowDataset] = {}
        self.loaders: list[WindowLoader] = []
        counts = {"batch_size": batch_size, "val_batch_size": self.val_batch_size, "val_windows": val_windows}
        for name, count in counts.items():
            if count is not None and count < 1:
                raise UserError(f"{name} is {count}: give 1 or more windows.")
        if num_workers is not None and num_workers < 0:
            raise UserError(f"num_workers is {num_workers}: give 0 or more processes.")

    @property
    def num_workers(self) -> int:
        """Processes that read windows, for each training process."""
        if self._num_workers is not None:
            return self._num_workers
        if self.trainer is None:  # as in `compare`, which measures time and needs all cores
            return 0
        on_cpu = self.trainer.strategy.root_device.type == "cpu"
        return default_workers(self.trainer.num_devices, on_cpu)

    def setup(self, stage: str) -> None:
        """Read the scenes of a stage, and decode those that are not in the store yet.

        Raises:
            UserError: The scenes cannot be used, or batches cannot be split among the processes.
        """
        world = self._place()[1]
        for name, count in {"batch_size": self.batch_size, "val_batch_size": self.val_batch_size}.items():
            if count % world:
                raise UserError(
                    f"{name} is {count}, not divisible by the {world} processes: give a multiple of {world}."
                )
        if stage == "fit":
            self._read("train")
            if self.trainer is None or self.trainer.limit_val_batches != 0:
                self._read("val")
        else:
            self._read("val" if stage == "validate" else self.test_split)

    def train_dataloader(self) -> ResumableLoader:
        """Batches in an order determined by (seed, epoch), from the trainer's position in its epoch."""
        dataset = self.datasets["train"]
        rank, world = self._place()
        windows = len(dataset)

        def plan() -> Batches:
            trainer = self.trainer
            epoch, done = 0, 0
            if trainer is not None:
                count_epoch(trainer)
                # overfit_batches: the same windows with the same augmentation in every epoch
                overfit = trainer.overfit_batches  # type: ignore[attr-defined]  # not declared
                epoch = 0 if overfit else trainer.current_epoch
                done = trainer.fit_loop.batch_idx + 1
            order = dataset.order(self.spec.seed, epoch, size)
            return TrainBatches(order, size, epoch, rank, world, done)

        size = train_batch_size(windows, self.batch_size, world)
        if size < self.batch_size:
            log.warning("The train split has %d windows: an epoch is one batch of %d.", windows, size)
        loader = ResumableLoader(
            self._prepared(dataset, training=True), windows // size, plan, self.num_workers, self._identity()
        )
        self.loaders.append(loader)
        return loader

    def val_dataloader(self) -> WindowLoader:
        """Each window of val once, or `val_windows` of them."""
        return self._eval_loader("val")

    def test_dataloader(self) -> WindowLoader:
        """Each window of `test_split` once, or `val_windows` of them."""
        return self._eval_loader(self.test_split)

    def predict_dataloader(self) -> WindowLoader:
        """The same windows as `test_dataloader`'s."""
        return self._eval_loader(self.test_split, measured=False)

    def fit_windows(self) -> list[tuple[WindowDataset, Sequence[int], bool]]:
        """The windows that `fit` reads, for what is computed of each before it starts.

        Returns:
            Data sets, each with the indices of its windows, and whether some are played backwards.
        """
        assert self.trainer is not None
        train = self.datasets["train"]
        found: list[tuple[WindowDataset, Sequence[int], bool]] = [
            (train, self._indices_read(train), self.augment is not None and self.augment.reverse > 0)
        ]
        if val := self.datasets.get("val"):
            found.append((val, evenly_spaced(len(val), self.val_windows), False))
        return found

    def _indices_read(self, train: WindowDataset) -> Sequence[int]:
        """The training windows that `fit` reads: all, unless it ends before it has read so many."""
        trainer = self.trainer
        assert trainer is not None
        overfit = trainer.overfit_batches  # type: ignore[attr-defined]  # not declared
        left = trainer.estimated_stepping_batches * trainer.accumulate_grad_batches
        limit: int | float = trainer.limit_train_batches
        whole = max(len(train) // self.batch_size, 1)
        # a float is a share; `overfit_batches` sets it, too
        batches_of_epoch = int(whole * limit) if isinstance(limit, float) else min(limit, whole)
        if overfit or not batches_of_epoch:
            left = min(left, batches_of_epoch)
        if left * self.batch_size >= len(train):
            return range(len(train))
        indices: set[int] = set()
        epoch = 0
        while left > 0:
            order = train.order(self.spec.seed, epoch, self.batch_size)
            batches = TrainBatches(order, self.batch_size, epoch, rank=0, world=1)
            first = islice(batches, min(int(left), batches_of_epoch))
            indices.update(index for batch in first for _, index in batch)
            left, epoch = left - batches_of_epoch, epoch + 1
        return sorted(indices)

    def teardown(self, stage: str) -> None:
        """End the worker processes."""
        while self.loaders:
            self.loaders.pop().close()

    def on_exception(self, exception: BaseException) -> None:
        """End the worker processes."""
        self.teardown("exception")

    def check_batches(self, saved: dict[str, int]) -> None:
        """Check, once it is set up, that `fit` resumes with the batches of a checkpoint.

        Args:
            saved: The training loader's state in the checkpoint.

        Raises:
            UserError: They differ.
        """
        check_same(saved, self._identity())

    def _identity(self) -> dict[str, int]:
        """What the order of training batches depends on."""
        dataset = self.datasets["train"]
        settings = {"batch_size": self.batch_size, "seed": self.spec.seed, **dataset.order_settings()}
        return {"windows": len(dataset), **settings}

    def _prepared(self, dataset: WindowDataset, training: bool) -> WindowDataset:
        """The windows with what the method's loss needs."""
        method = None if self.trainer is None else self.trainer.lightning_module
        prepare = method.preparation(training) if isinstance(method, PreparesWindows) else None
        return dataset if prepare is None else PreparedWindows(dataset, prepare, whole=not training)

    def _eval_loader(self, split: Split, measured: bool = True) -> WindowLoader:
        dataset = self.datasets[split]
        if measured:
            dataset = self._prepared(dataset, training=False)
        indices = evenly_spaced(len(dataset), self.val_windows)
        batches = EvalBatches(indices, self.val_batch_size, *self._place())
        loader = WindowLoader(dataset, len(batches), lambda: batches, self.num_workers)
        self.loaders.append(loader)
        return loader

    def _read(self, split: Split) -> None:
        if split not in self.datasets:
            spec = replace(self.spec, augment=self.augment) if split == "train" else self.spec
            dataset = self.source.dataset(split, spec)
            _, world = self._place()
            if len(dataset) < world:
                raise UserError(
                    f"The {split} split has {len(dataset)} windows for {world} processes: use fewer "
                    "devices, or lower stride."
                )
            self.datasets[split] = dataset

    def _place(self) -> tuple[int, int]:
        """This process's rank, and the number of processes."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


def count_epoch(trainer: L.Trainer) -> None:
    """Count the current epoch as started, where Lightning 2.6 does not.

    It does not when it resumes from a checkpoint of an epoch's last step. Every checkpoint of the
    following epoch would then be taken for one of an epoch's end, and a second resume would repeat the epoch.
    """
    progress = trainer.fit_loop.epoch_progress
    if progress.current.ready == progress.current.completed:
        progress.increment_ready()
        progress.increment_started()


def evenly_spaced(windows: int, limit: int | None) -> Sequence[int]:
    """All of `windows` indices, or `limit` of them from the first on, evenly spaced."""
    if limit is None or limit >= windows:
        return range(windows)
    return [k * windows // limit for k in range(limit)]
