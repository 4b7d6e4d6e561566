"""Windows of several sources in one data set."""

import math
from bisect import bisect_right
from itertools import accumulate
from typing import cast

import numpy as np
import torch

from inbetween.data.source import WindowDataset, WindowSource, WindowSpec
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.types import TARGET_TRUTH, Split, Window, animation_in

_MIX_STREAM = 2  # keeps the choice of a window independent of its noise and of its changes


class MixedWindows(WindowSource):
    """Training windows of several sources in given shares; validation and test take all windows of each.

    A training window is sampled at random, with replacement, from (seed, epoch, index) alone: first its
    source, then one of the source's windows. True motion that only some sources have is NaN in the windows
    of the others; `frame_ids` are left out.

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

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        """Windows of a split.

        Raises:
            UserError: A source has no window of the split, or its files cannot be read.
        """
        datasets = [source.dataset(split, spec) for source in self.sources]
        return _Mixture(self, datasets, spec.seed, draws=split == "train")


class _Mixture(WindowDataset):
    """Windows of several data sets: sampled at random, or all, one dataset after the other."""

    def __init__(
        self, source: MixedWindows, datasets: list[WindowDataset], seed: int, *, draws: bool
    ) -> None:
        self.datasets, self.seed, self.draws = datasets, seed, draws
        self.shares = np.asarray(source.weights) / np.sum(source.weights)
        self.ends = list(accumulate(len(dataset) for dataset in datasets))
        self.length = source.length if draws else self.ends[-1]
        self.truth = tuple(dict.fromkeys(name for dataset in datasets for name in dataset.truth))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> Window:
        epoch, index = key
        if self.draws:
            rng = np.random.default_rng(sample_seed(self.seed, epoch, index, _MIX_STREAM))
            place = int(rng.choice(len(self.datasets), p=self.shares))
            inner = int(rng.integers(len(self.datasets[place])))
        else:
            place = bisect_right(self.ends, index)
            inner = index - self.ends[place] + len(self.datasets[place])
        window = self.datasets[place][epoch, inner]
        # every window of a batch has the same keys, its own index and its own noise
        given = dict(window)
        kept = {name: value for name, value in given.items() if name in Window.__required_keys__}
        for name in self.truth:
            kept[name] = given[name] if name in given else _unknown(name, window)
        kept["animation"] = given.get("animation", animation_in(window["name"]))
        kept["index"] = torch.tensor(index)
        kept["seed"] = torch.tensor(sample_seed(self.seed, epoch, index))
        return cast(Window, kept)


def _unknown(name: str, window: Window) -> torch.Tensor:
    """NaN in the shape of a truth that a window's source does not know."""
    channels, size = 2 if name.startswith("flow") else 1, window["first"].shape[-2:]
    drawings = (len(window["t"]),) if name in TARGET_TRUTH else ()
    return torch.full((*drawings, channels, *size), math.nan)
