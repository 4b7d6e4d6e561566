"""The order of an epoch's windows that reads few shards at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from inbetween.functional.seeds import sample_seed

FEWEST_LANES = 32  # with fewer, windows that follow each other would be of few clips
_GROUP_STREAM = 3  # keeps the shuffle within groups of shards independent of that of the shards


class LaneOrder(Sequence[int]):
    """Indices of an epoch's windows, shuffled so that a batch draws on many shards and a process on few.

    Shards are shuffled, then the windows within each group of neighbouring shards. That sequence is cut
    into m B lanes, equally long or some of them longer by a window; m is the smallest number that makes
    `FEWEST_LANES` of them or more, if there are so many windows. Batch k m + a has window k of the lanes
    a, m + a, ..., (B - 1) m + a. So the windows of a batch come from all over the data set, those of small
    batches that follow each other too, and each lane, which one process keeps, reads one group of shards at a
    time. Of a remainder that does not fill a batch the end is left out, which differs from epoch to epoch.

    An entry is computed when it is asked for; memory grows with the number of shards and the size of the
    groups in use, not with the number of windows.

    Args:
        counts: Number of windows in each shard, in the order of their indices.
        group: Shards of a group.
        batch_size: B, windows of a batch over all processes, at most their number.
        seed: Base of the shuffle.
        epoch: Counts from 0.
    """

    def __init__(self, counts: NDArray[np.int64], group: int, batch_size: int, seed: int, epoch: int) -> None:
        batches = int(counts.sum()) // batch_size
        self.length = batches * batch_size
        self.batch_size = batch_size
        self.parts = max(min(-(-FEWEST_LANES // batch_size), batches), 1)  # m
        self.lanes = self.parts * batch_size
        self.rounds, self.longer = divmod(batches, self.parts)
        self.seed = sample_seed(seed, epoch)
        shards = _permutation(len(counts), self.seed)
        self.ends = np.cumsum(counts[shards])
        # from a place in the sequence of shuffled shards to an index
        self.shift = (np.cumsum(counts) - counts)[shards] - (self.ends - counts[shards])
        self.group_ends = np.append(self.ends[group - 1 : -1 : group], self.ends[-1])
        # a lane draws on one group at a time, or on two where a new one begins
        self._shuffled = lru_cache(2 * self.lanes)(self._shuffle)

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, place: int) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> list[int]: ...

    def __getitem__(self, place: int | slice) -> int | list[int]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        batch, column = divmod(place, self.batch_size)
        step, part = divmod(batch, self.parts)
        before = (column * self.parts + part) * self.rounds + column * self.longer + min(part, self.longer)
        number = before + step
        group = bisect_right(self.group_ends, number)
        start = int(self.group_ends[group - 1]) if group else 0
        shuffled = start + int(self._shuffled(group)[number - start])
        return shuffled + int(self.shift[bisect_right(self.ends, shuffled)])

    def _shuffle(self, group: int) -> NDArray[np.int32]:
        """A permutation of the windows of a group."""
        start = self.group_ends[group - 1] if group else 0
        windows = int(self.group_ends[group] - start)
        return _permutation(windows, sample_seed(self.seed, group, _GROUP_STREAM)).astype(np.int32)


def _permutation(count: int, seed: int) -> NDArray[np.int64]:
    # NumPy's generators may give other permutations in another version
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
