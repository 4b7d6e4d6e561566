"""Tensors on disk: what is put in comes out, whoever wrote it, and whatever was killed or damaged."""

import multiprocessing
import os
import pickle
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inbetween.methods.diffusion.video import tensor_shards
from inbetween.methods.diffusion.video.tensor_shards import TensorShards


def entry(number: int) -> dict[str, Tensor]:
    """Of several shapes and types, another for each number."""
    values = torch.arange(12.0).view(3, 4) + number
    return {
        "latents": values.to(torch.bfloat16).t(),
        "mask": values > 5 + number,
        "embeds": values[:, 1],
        "length": torch.tensor(number),
    }


def check(shards: TensorShards, numbers: range) -> None:
    for number in numbers:
        found = shards.get(f"k{number}")
        assert found is not None
        assert set(found) == set(entry(number))
        for name, value in entry(number).items():
            assert found[name].dtype == value.dtype
            assert torch.equal(found[name], value)
            # no view of the whole shard
            assert found[name].untyped_storage().nbytes() == value.nbytes


def fill(folder: Path, numbers: range, each: int = 3) -> TensorShards:
    shards = TensorShards(folder, shard_entries=each)
    for number in numbers:
        shards.put(f"k{number}", entry(number))
    shards.flush()
    return shards


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def test_entries_come_back_bit_by_bit_before_and_after_they_are_written(tmp_path: Path) -> None:
    shards = TensorShards(tmp_path / "new", shard_entries=4)
    for number in range(3):
        shards.put(f"k{number}", entry(number))
    assert not files(tmp_path)
    check(shards, range(3))
    assert shards.get("k3") is None
    shards.put("k3", entry(3))
    assert len(files(tmp_path / "new")) == 1
    check(shards, range(4))
    check(TensorShards(tmp_path / "new"), range(4))
    assert TensorShards(tmp_path / "new").missing(["k9", "k0", "k8"]) == ["k9", "k8"]
    shards.flush()
    assert len(files(tmp_path / "new")) == 1


def test_a_shard_is_written_when_it_has_its_bytes(tmp_path: Path) -> None:
    shards = TensorShards(tmp_path, shard_bytes=1000)
    for number in range(10):
        shards.put(f"k{number}", {"value": torch.zeros(100)})
    assert len(files(tmp_path)) == 3
    # an entry that is put again before it is written counts once
    again = TensorShards(tmp_path / "again", shard_bytes=1000)
    for _ in range(10):
        again.put("k", {"value": torch.zeros(100)})
    assert not files(tmp_path / "again")


def test_thousands_of_entries_are_read_in_any_order_with_few_open_files(tmp_path: Path) -> None:
    written = TensorShards(tmp_path, shard_entries=50)
    for number in range(3000):
        written.put(f"k{number}", {"value": torch.tensor([number])})
    shards = TensorShards(tmp_path)
    for number in torch.randperm(3000, generator=torch.Generator().manual_seed(0)).tolist():
        found = shards.get(f"k{number}")
        assert found is not None
        assert found["value"].item() == number
    mapped = Path("/proc/self/maps")
    if mapped.exists():
        assert mapped.read_text().count(str(tmp_path)) <= tensor_shards._OPEN


def test_what_others_write_is_found(tmp_path: Path) -> None:
    reader = TensorShards(tmp_path)
    assert reader.get("k1") is None
    fill(tmp_path, range(2))
    check(reader, range(2))
    fill(tmp_path, range(2, 4))
    check(reader, range(4))


def write_at_once(folder: Path, numbers: range, barrier: object) -> None:
    barrier.wait()
    fill(folder, numbers)


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(2)
    writers = [
        fork.Process(target=write_at_once, args=(tmp_path, numbers, barrier))
        for numbers in (range(60), range(30, 90))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert len(files(tmp_path)) == 40
    check(TensorShards(tmp_path), range(90))


def write_for_ever(folder: Path) -> None:
    shards = TensorShards(folder, shard_entries=3)
    number = 0
    while True:
        shards.put(f"k{number}", {"value": torch.full((200_000,), number)})
        number += 1


def test_a_killed_writer_loses_its_last_entries_alone(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("fork").Process(target=write_for_ever, args=(tmp_path,))
    writer.start()
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.safetensors"))) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join(60)
    shards = TensorShards(tmp_path)
    count = 0
    while (found := shards.get(f"k{count}")) is not None:
        assert torch.equal(found["value"], torch.full((200_000,), count))
        count += 1
    assert count >= 15
    assert count == 3 * len(list(tmp_path.glob("*.safetensors")))
    shards.put(f"k{count}", entry(count))
    shards.flush()
    check(TensorShards(tmp_path), range(count, count + 1))


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_damaged_shard_is_named_and_its_entries_are_missing(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, range(9))
    keys = [f"k{number}" for number in range(9)]
    broken = files(tmp_path)[1]
    content = broken.read_bytes()
    broken.write_bytes({"truncated": content[:-5], "empty": b"", "text": b"no shard, but a text"}[damage])
    shards = TensorShards(tmp_path)
    missing = shards.missing(keys)
    assert len(missing) == 3
    assert [record.args[0] for record in caplog.records] == [broken]
    for key in missing:
        assert shards.get(key) is None
        shards.put(key, entry(int(key[1:])))
    shards.flush()
    assert len(caplog.records) == 1
    check(shards, range(9))
    check(TensorShards(tmp_path), range(9))


def test_the_folder_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    shards = fill(tmp_path / "cache", range(9))
    check(shards, range(6))
    tensor_shards._opened.cache_clear()  # as when many shards were read since
    shutil.rmtree(tmp_path / "cache")
    assert shards.get("k4") is None
    shards.put("k4", entry(4))
    shards.flush()
    check(shards, range(4, 5))


def test_nothing_is_written_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=tensor_shards.RESERVE - 1))
    shards = fill(tmp_path, range(9))
    assert not files(tmp_path)
    assert shards.missing(["k1"]) == ["k1"]
    assert len(caplog.records) == 1
    assert "1024 MiB of disk are free" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    shards = fill(tmp_path / "file/cache", range(2))
    assert shards.get("k1") is None
    assert "cannot be written" in caplog.text


class Read(Dataset[dict[str, Tensor]]):
    """Entries as a data worker reads them."""

    def __init__(self, shards: TensorShards) -> None:
        self.shards = shards

    def __len__(self) -> int:
        return 12

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        found = self.shards.get(f"k{number}")
        assert found is not None
        return found


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_data_workers_read_them(tmp_path: Path, context: str) -> None:
    shards = fill(tmp_path, range(12))
    check(shards, range(12))  # with open files
    loader = DataLoader(Read(shards), batch_size=4, num_workers=2, multiprocessing_context=context)
    values = [value for batch in loader for value in batch["length"].tolist()]
    assert values == list(range(12))


def test_a_pickled_copy_writes_nothing_of_the_original(tmp_path: Path) -> None:
    shards = TensorShards(tmp_path)
    shards.put("k1", entry(1))
    copy = pickle.loads(pickle.dumps(shards))
    copy.flush()
    assert not files(tmp_path)
    assert copy.get("k1") is None
    shards.flush()
    check(copy, range(1, 2))
