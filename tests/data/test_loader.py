"""Which windows form which batch: by plain arithmetic, for any number of processes."""

import pytest
import torch

from inbetween.data.datamodule import evenly_spaced
from inbetween.data.loader import EvalBatches, Key, TrainBatches
from inbetween.data.source import WindowDataset
from inbetween.functional.seeds import sample_seed
from inbetween.types import Window


class Counted(WindowDataset):
    """So many windows, none of which is read."""

    def __init__(self, windows: int) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return self.windows

    def __getitem__(self, key: Key) -> Window:
        raise AssertionError(key)


def together(parts: list[list[list[Key]]]) -> list[list[Key]]:
    """The batches of all processes, each sorted."""
    return [sorted(key for batch in batches for key in batch) for batches in zip(*parts, strict=True)]


def train(world: int, windows: int = 50, batch_size: int = 12, epoch: int = 0) -> list[list[list[Key]]]:
    order = Counted(windows).order(5, epoch, batch_size)
    return [list(TrainBatches(order, batch_size, epoch, rank, world)) for rank in range(world)]


def test_the_order_of_training_is_a_permutation_that_never_changes() -> None:
    generator = torch.Generator().manual_seed(sample_seed(5, 3))
    order = torch.randperm(50, generator=generator).tolist()
    expected = [[(3, index) for index in order[start : start + 12]] for start in (0, 12, 24, 36)]
    assert train(1, epoch=3) == [expected]
    assert train(3, epoch=3)[1] == [batch[1::3] for batch in expected]


def test_batches_that_are_done_are_left_out() -> None:
    order = Counted(50).order(5, 0, 12)
    for done in range(6):
        left = TrainBatches(order, 12, 0, rank=0, world=1, done=done)
        assert list(left) == train(1)[0][done:]
        assert len(left) == len(train(1)[0][done:])


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_training_batches_are_the_same_for_any_number_of_processes(world: int) -> None:
    parts = train(world)
    assert [[len(batch) for batch in part] for part in parts] == [[12 // world] * 4] * world
    assert together(parts) == together(train(1))
    keys = [key for batch in together(parts) for key in batch]
    assert len(set(keys)) == 48


def test_each_epoch_has_its_own_order() -> None:
    first, second = train(1)[0], train(1, epoch=1)[0]
    assert {epoch for batch in second for epoch, _ in batch} == {1}
    assert [index for batch in first for _, index in batch] != [
        index for batch in second for _, index in batch
    ]
    assert first == train(1)[0]


@pytest.mark.parametrize(
    ("windows", "world", "size"), [(5, 1, 5), (5, 2, 4), (5, 3, 3), (3, 3, 3), (13, 2, 12)]
)
def test_fewer_windows_than_a_batch_make_one_batch(windows: int, world: int, size: int) -> None:
    (batch,) = together(train(world, windows))
    assert len(set(batch)) == size
    assert len({len(part[0]) for part in train(world, windows)}) == 1


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("windows", [3, 5, 6, 7, 12, 13, 19, 37])
def test_evaluation_sees_each_window_once_in_equally_many_batches(windows: int, world: int) -> None:
    indices = [7 * index for index in range(windows)]
    parts = [list(EvalBatches(indices, 6, rank, world)) for rank in range(world)]
    seen = [index for part in parts for batch in part for _, index in batch]
    assert sorted(seen) == indices
    assert len({len(part) for part in parts}) == 1
    assert all(1 <= len(batch) <= 6 // world + 1 for part in parts for batch in part)
    if windows % (6) == 0:
        assert together(parts) == [[(0, index) for index in indices[k : k + 6]] for k in range(0, windows, 6)]


def test_windows_for_validation_are_evenly_spaced() -> None:
    assert evenly_spaced(10, None) == range(10)  # no list of millions
    assert evenly_spaced(10, 4) == [0, 2, 5, 7]
    assert evenly_spaced(3, 9) == range(3)
