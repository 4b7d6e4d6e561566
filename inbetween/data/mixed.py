"""Windows of several sources in one data set."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import cast

import numpy as np
import torch
from torch import Tensor

from inbetween.data.source import WindowDataset, WindowSource, WindowSpec
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.types import TARGET_TRUTH, TARGET_VISIBILITY, Split, Window, animation_in

_MIX_STREAM = 2  # keeps the choice of a window independent of its noise and its augmentation


class MixedWindows(WindowSource):
    """Training windows of several sources in given shares; validation and test take all windows of each.

    A training window is sampled with replacement, seeded by (seed, epoch, index): first its source, then one
    of the source's windows. Ground-truth motion that only some sources have is NaN in windows of the others;
    `frame_ids` are left out. Windows of sources without captions have an empty one beside others.

    Args:
        sources: Where the windows come from.
        weights: Sampling weight of each source in training, in any unit.
        length: Training windows of an epoch.

    Raises:
        UserError: Not one weight above 0 for each source, or a length below 1.
    """

    def __init__(self, sources: list[WindowSource], weights: list[float], length: int = 10_000) -> None:
        if not sources or len(weights) != len(sources) or not all(0 < w < math.inf for w in weights):
            raise UserError(
                f"weights of the mixture is {list(weights)}: give a number above 0 for each of its "
                f"{len(sources)} sources."
            )
        if length < 1:
            raise UserError(f"length of the mixture is {length}: give 1 or more windows.")
        self.sources, self.weights, self.length = list(sources), list(weights), length

    def __str__(self) -> str:
        return " and ".join(map(str, self.sources))

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        """Windows of a split.

        Raises:
            UserError: A source has no window of the split, or its files cannot be read.
        """
        datasets = [source.dataset(split, spec) for source in self.sources]
        return _Mixture(self, datasets, spec.seed, sampled=split == "train")


class _Mixture(WindowDataset):
    """Windows of several data sets: sampled at random, or all, one data set after the other."""

    def __init__(
        self, source: MixedWindows, datasets: list[WindowDataset], seed: int, *, sampled: bool
    ) -> None:
        self.datasets, self.seed, self.sampled = datasets, seed, sampled
        self.shares = np.asarray(source.weights) / np.sum(source.weights)
        self.ends = list(accumulate(len(dataset) for dataset in datasets))
        self.length = source.length if sampled else self.ends[-1]
        self.truth = tuple(dict.fromkeys(name for dataset in datasets for name in dataset.truth))
        self.captioned = [any(True for _ in dataset.captions()) for dataset in datasets]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> Window:
        epoch, index = key
        if self.sampled:
            rng = np.random.default_rng(sample_seed(self.seed, epoch, index, _MIX_STREAM))
            place = int(rng.choice(len(self.datasets), p=self.shares))
            inner = int(rng.integers(len(self.datasets[place])))
        else:
            place, inner = self._place(index)
        window = self.datasets[place][epoch, inner]
        # every window of a batch has the same keys, its own index and its own noise
        given = dict(window)
        kept = {name: value for name, value in given.items() if name in Window.__required_keys__}
        for name in self.truth:
            kept[name] = given[name] if name in given else _unknown(name, window)
        if any(self.captioned):
            kept["caption"] = given.get("caption", "")
        kept["animation"] = given.get("animation", animation_in(window["name"]))
        kept["index"] = torch.tensor(index)
        kept["seed"] = torch.tensor(sample_seed(self.seed, epoch, index))
        return cast(Window, kept)

    def captions(self) -> Iterable[str]:
        """See `WindowDataset.captions`; a caption that several sources have comes several times."""
        for dataset in self.datasets:
            yield from dataset.captions()
        if any(self.captioned) and not all(self.captioned):
            yield ""

    def frame_ids(self, index: int) -> None:
        """See `WindowDataset.frame_ids`; which window an index stands for differs from epoch to epoch."""

    def keyframe_triplet(self, index: int) -> Tensor | None:
        """See `WindowDataset.keyframe_triplet`; of a split that is not sampled."""
        place, inner = self._place(index)
        return self.datasets[place].keyframe_triplet(inner)

    def _place(self, index: int) -> tuple[int, int]:
        """The data set of a window that is not sampled, and the window's index in it."""
        place = bisect_right(self.ends, index)
        return place, index - self.ends[place] + len(self.datasets[place])


def _unknown(name: str, window: Window) -> torch.Tensor:
    """NaN in the shape of a ground truth that a window's source does not have."""
    channels, size = 2 if name.startswith("flow") else 1, window["first"].shape[-2:]
    leading = (len(window["t"]),) if name in (*TARGET_TRUTH, *TARGET_VISIBILITY) else ()
    return torch.full((*leading, channels, *size), math.nan)
