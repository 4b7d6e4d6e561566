"""The interface of window sources, and the specification of windows."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.types import Split, Window

Order = Sequence[int] | NDArray[np.int64]  # indices of windows
MAX_BETWEEN = 1000  # in-betweens of a window
LARGEST_SIDE = 4096  # pixels of a window; larger values are most likely typing mistakes


@dataclass(frozen=True)
class Augment:
    """Augmentation of training windows, the same for every frame of a window.

    Args:
        flip: Probability of a horizontal flip.
        reverse: Probability of playing the window backwards: first and last swap, t becomes 1 - t.
        crop: Smallest share of the image's side kept by a random crop; 1 keeps everything.
        color: Strength in [0, 1] of random brightness, contrast and hue; 0 leaves colours as they are.

    Raises:
        UserError: A value outside its range.
    """

    flip: float = 0.5
    reverse: float = 0.5
    crop: float = 0.8
    color: float = 0.1

    @property
    def changes_pixels(self) -> bool:
        """Whether a frame's pixels may differ from epoch to epoch; time reversal does not change them."""
        return self.flip > 0 or self.crop < 1 or self.color > 0

    def __post_init__(self) -> None:
        for name in ("flip", "reverse", "color"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"augment.{name} is {getattr(self, name)}: give a number from 0 to 1.")
        if not 0.1 <= self.crop <= 1:
            raise UserError(f"augment.crop is {self.crop}: give the share of a side to keep, from 0.1 to 1.")


@dataclass(frozen=True)
class WindowSpec:
    """How scenes are cut into windows and fitted to one size.

    Args:
        between: N, the number of in-betweens of a window, at least 1.
        gaps: Distances in frames between neighbouring frames of a window; each gap adds windows of its own.
        stride: Distance in frames between the first keyframes of successive windows.
        size: Height and width in pixels of the windows.
        fit: `pad` keeps the whole frame and pads; `crop` fills the size and crops.
            The aspect ratio is kept by both.
        background: RGB in [0, 255] under transparency and in padding.
        collapse_holds: Count a held frame (one shown several times) once.
        seed: Seed of all random choices.
        cache_dir: Folder of the decoded-frame store; None uses `frames` in the user's cache.
        augment: Augmentation; None for validation and test.

    Raises:
        UserError: A value is out of range.
    """

    between: int = 3
    gaps: tuple[int, ...] = (1,)
    stride: int = 2
    size: tuple[int, int] = (256, 256)
    fit: Literal["pad", "crop"] = "pad"
    background: tuple[int, int, int] = (255, 255, 255)
    collapse_holds: bool = True
    seed: int = 0
    cache_dir: Path | None = None
    augment: Augment | None = None

    @property
    def keep(self) -> float:
        """Smallest share of a side that a random crop keeps: see `Fit`."""
        return float(self.augment.crop) if self.augment else 1.0

    def __post_init__(self) -> None:
        if self.between < 1:
            raise UserError(f"between is {self.between}: a window needs at least 1 in-between.")
        if self.between > MAX_BETWEEN:
            raise UserError(f"between is {self.between}: give {MAX_BETWEEN} in-betweens at most.")
        if not self.gaps or min(self.gaps) < 1:
            raise UserError(f"gaps is {list(self.gaps)}: give at least one distance, each 1 or more.")
        if self.stride < 1:
            raise UserError(f"stride is {self.stride}: give a distance of 1 or more frames.")
        if not all(1 <= side <= LARGEST_SIDE for side in self.size):
            raise UserError(
                f"size is {list(self.size)}: give height and width from 1 to {LARGEST_SIDE} pixels."
            )
        if not all(0 <= value <= 255 for value in self.background):
            raise UserError(f"background is {list(self.background)}: give red, green and blue from 0 to 255.")


class WindowDataset(Dataset[Window], ABC):
    """Windows of one split, addressed by (epoch, index).

    The same key gives the same window in every process and after every resume: random choices are
    seeded by (seed, epoch, index).
    """

    #: The keys of `Window` marked "truth" that its windows have.
    truth: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int:
        """Number of windows in an epoch."""

    @abstractmethod
    def __getitem__(self, key: tuple[int, int]) -> Window:
        """The window at `key` = (epoch, index)."""

    def order(self, seed: int, epoch: int, batch_size: int) -> Order:
        """The indices of a training epoch's windows, in the order of its batches.

        A permutation of all of them, which is kept as an array. Data sets that are read piece by piece
        compute an order of their own, entry by entry.

        Args:
            seed: Base of the permutation.
            epoch: Counts from 0.
            batch_size: Windows of a step, over all processes.
        """
        generator = torch.Generator().manual_seed(sample_seed(seed, epoch))
        return torch.randperm(len(self), generator=generator).numpy()

    def order_settings(self) -> dict[str, int]:
        """What `order` depends on besides its arguments and the number of windows, by name."""
        return {}

    def captions(self) -> Iterable[str]:
        """The distinct captions of its windows, without reading them; none where windows have none."""
        return ()

    def frame_ids(self, index: int) -> Tensor | None:
        """The `frame_ids` of a window, in either order of time; None where its windows have none.

        Data sets that know them without reading the window say so here.

        Args:
            index: Of the window.
        """
        return self[0, index].get("frame_ids")

    def keyframe_triplet(self, index: int) -> Tensor | None:
        """Three evenly spaced frames of a window's scene, for cycle consistency.

        A data set that cuts windows out of longer scenes takes three keyframes. This one is for windows that
        span a whole motion: first, the target at t = 1/2, and last.

        Args:
            index: Of a window that is not augmented.

        Returns:
            (3, 3, H, W) in [0, 1], fitted as the window is; None where there are no three such frames.
        """
        window = self[0, index]
        halfway = ((window["t"] - 0.5).abs() < 1e-3).nonzero()
        if not len(halfway):
            return None
        return torch.stack([window["first"], window["targets"][int(halfway[0])], window["last"]])


class WindowSource(ABC):
    """A source of windows. Named by class path in YAML under `data.source`.

    As text, in messages and reports, it is its class unless it says more.
    """

    def __str__(self) -> str:
        return type(self).__name__

    @abstractmethod
    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        """Windows of a split.

        Raises:
            UserError: The split has no window, or its files cannot be read.
        """
