"""Which windows form which batch: by plain arithmetic, for any number of processes."""

import pytest

from inbetween.data.datamodule import evenly_spaced
from inbetween.data.loader import Key, eval_batches, train_batches


def together(parts: list[list[list[Key]]]) -> list[list[Key]]:
    """The batches of all processes, each sorted."""
    return [sorted(key for batch in batches for key in batch) for batches in zip(*parts, strict=True)]


def train(world: int, windows: int = 50, batch_size: int = 12, epoch: int = 0) -> list[list[list[Key]]]:
    return [train_batches(windows, batch_size, 5, epoch, rank, world) for rank in range(world)]


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
    parts = [eval_batches(indices, 6, rank, world) for rank in range(world)]
    seen = [index for part in parts for batch in part for _, index in batch]
    assert sorted(seen) == indices
    assert len({len(part) for part in parts}) == 1
    assert all(1 <= len(batch) <= 6 // world + 1 for part in parts for batch in part)
    if windows % (6) == 0:
        assert together(parts) == [[(0, index) for index in indices[k : k + 6]] for k in range(0, windows, 6)]


def test_windows_for_validation_are_evenly_spaced() -> None:
    assert evenly_spaced(10, None) == list(range(10))
    assert evenly_spaced(10, 4) == [0, 2, 5, 7]
    assert evenly_spaced(3, 9) == [0, 1, 2]
