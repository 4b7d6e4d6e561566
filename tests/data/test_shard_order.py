"""The order of windows in shards: every one once, well shuffled, and few shards at a time."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest

from inbetween.data.loader import TrainBatches
from inbetween.data.sharded.order import LaneOrder

COUNTS = np.array([7, 1, 12, 5, 9, 3, 11, 6, 8, 2])  # 64 windows


@pytest.mark.parametrize("group", [1, 2, 3, 10, 25])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 5, 16, 33, 64])
def test_each_window_comes_once(group: int, batch_size: int) -> None:
    order = LaneOrder(COUNTS, group, batch_size, seed=1, epoch=2)
    entries = list(order)
    assert len(entries) == len(order) == 64 // batch_size * batch_size
    assert len(set(entries)) == len(entries)
    assert {*entries} <= {*range(64)}
    assert order[5:20:3] == entries[5:20:3]
    with pytest.raises(IndexError):
        order[len(order)]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(LaneOrder(COUNTS, 2, 4, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert list(LaneOrder(COUNTS, 2, 4, 1, 1)) == list(LaneOrder(COUNTS, 2, 4, 1, 1))


def test_no_window_is_left_out_of_every_epoch() -> None:
    seen = Counter(index for epoch in range(40) for index in LaneOrder(COUNTS, 2, 10, 0, epoch))
    assert len(seen) == 64
    assert min(seen.values()) >= 25  # of 40 epochs, each of which leaves 4 of 64 out


@pytest.mark.parametrize("world", [2, 4])
def test_each_process_keeps_to_few_shards(world: int) -> None:
    windows, group, batch_size, lanes = 60, 2, 8, 32
    order = LaneOrder(np.full(800, windows), group, batch_size, seed=0, epoch=0)
    whole = list(TrainBatches(order, batch_size, 0, 0, 1))
    parts = [list(TrainBatches(order, batch_size, 0, rank, world)) for rank in range(world)]
    for batch, split in zip(whole, zip(*parts, strict=True), strict=True):
        assert sorted(batch) == sorted(key for part in split for key in part)
    shards = [{index // windows for batch in part for _, index in batch} for part in parts]
    assert len(shards[0] & shards[1]) <= 2 * lanes  # groups that the border between two lanes runs through
    span = 60 * lanes // batch_size  # steps within which a lane is in two groups at most
    for start in range(0, len(whole) - span, span):
        near = {index // windows for batch in parts[0][start : start + span] for _, index in batch}
        assert len(near) <= 2 * group * lanes // world


def test_batches_are_mixed_as_well_as_by_a_permutation() -> None:
    # 200 shards of 30 clips with 15 windows, 150 animations in all, the clips at random in the shards
    shards, clips, windows, batch = 200, 30, 15, 16
    random = np.random.default_rng(0)
    animation = np.repeat(random.integers(0, 150, shards * clips), windows)
    orders = [
        np.array(LaneOrder(np.full(shards, clips * windows), 2, batch, seed=0, epoch=epoch))
        for epoch in (0, 1)
    ]
    permuted = random.permutation(len(animation))
    distinct, ideal = (
        np.mean([len(set(some)) for some in animation[order].reshape(-1, batch)])
        for order in (orders[0], permuted)
    )
    assert distinct > 0.98 * ideal  # 15.2 of 16 both
    # neighbours in time share a clip seldom: of the 60 clips of two shards
    clip = orders[0].reshape(-1, batch) // windows
    assert np.mean(clip[1:] == clip[:-1]) < 0.03
    # where a window comes in an epoch says nothing of where it comes in the next one
    places = [np.argsort(order) for order in orders]
    assert abs(np.corrcoef(places[0], places[1])[0, 1]) < 0.05


@pytest.mark.parametrize("batch_size", [1, 2])
def test_small_batches_that_follow_each_other_are_mixed_too(batch_size: int) -> None:
    # 100 shards of 10 clips with 20 windows, each clip an animation
    order = np.array(LaneOrder(np.full(100, 200), 2, batch_size, seed=0, epoch=0))
    near = (order // 20)[: len(order) // 16 * 16].reshape(-1, 16)
    assert (
        np.mean([len(set(some)) for some in near]) > 15.8
    )  # a permutation: 15.9; a lane for each window of a batch: 11.4 and 13.6


def test_memory_does_not_grow_with_the_number_of_windows() -> None:
    def peak(shards: int) -> int:
        tracemalloc.start()
        order = LaneOrder(np.full(shards, 500), 2, 16, seed=0, epoch=0)
        batches = TrainBatches(order, 16, 0, 0, 1, done=shards * 500 // 16 - 5)
        assert sum(map(len, batches)) == 5 * 16
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    small, large = peak(200), peak(20_000)  # 10 million windows
    assert large < small + 100 * 20_000  # bytes per shard
