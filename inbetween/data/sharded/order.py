"""The order of an epoch's windows that reads few shards at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from inbetween.functional.seeds import sample_seed

_GROUP_STREAM = 3  # keeps the shuffle within groups of shards independent of that of the shards


class LaneOrder(Sequence[int]):
    """Indices of an epoch's windows, shuffled so that a batch draws on many shards and a process on few.

    Shards are shuffled, then the windows within each group of neighbouring shards. That sequence is cut
    into as many lanes of equal length as a batch has windows: window k of lane b is entry k B + b. So the
    windows of a batch come from all over the data set, and each place of a batch reads one group of shards at
    a time. Of a remainder that does not fill a batch the end is left out, which differs from epoch to epoch.

    An entry is computed when it is asked for; memory grows with the number of shards and the size of the
    groups in use, not with the number of windows.

    Args:
        counts: Number of windows in each shard, in the order of their indices.
        group: Shards of a group.
        lanes: B, windows of a batch over all processes, at most their number.
        seed: Base of the shuffle.
        epoch: Counts from 0.
    """

    def __init__(self, counts: NDArray[np.int64], group: int, lanes: int, seed: int, epoch: int) -> None:
        self.lanes = lanes
        self.seed = sample_seed(seed, epoch)
        shards = np.random.default_rng(self.seed).permutation(len(counts))
        self.ends = np.cumsum(counts[shards])
        # from a place in the sequence of shuffled shards to an index
        self.shift = (np.cumsum(counts) - counts)[shards] - (self.ends - counts[shards])
        self.group_ends = np.append(self.ends[group - 1 : -1 : group], self.ends[-1])
        self.length = int(self.ends[-1]) // lanes
        # a lane draws on one group at a time, or on two where a new one begins
        self._shuffled = lru_cache(2 * lanes)(self._shuffle)

    def __len__(self) -> int:
        return self.length * self.lanes

    @overload
    def __getitem__(self, place: int) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> list[int]: ...

    def __getitem__(self, place: int | slice) -> int | list[int]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        step, lane = divmod(place, self.lanes)
        number = lane * self.length + step
        group = bisect_right(self.group_ends, number)
        start = int(self.group_ends[group - 1]) if group else 0
        shuffled = start + int(self._shuffled(group)[number - start])
        return shuffled + int(self.shift[bisect_right(self.ends, shuffled)])

    def _shuffle(self, group: int) -> NDArray[np.int32]:
        """A permutation of the windows of a group."""
        start = self.group_ends[group - 1] if group else 0
        rng = np.random.default_rng(sample_seed(self.seed, group, _GROUP_STREAM))
        return rng.permutation(int(self.group_ends[group] - start)).astype(np.int32)
