"""A hundred thousand clips cost the memory of a thousand."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import duckdb
import pytest

from inbetween.data import ShardedScenes, WindowSpec

PER_SHARD = 200


def write_manifest(folder: Path, clips: int) -> Path:
    """The manifest of so many clips of 35 frames, with captions and scores, and shards that hold nothing."""
    folder.mkdir()
    duckdb.execute(
        f"""COPY (SELECT 'a' || i // 20 || '/c' || i AS clip, 'train' AS split, 'a' || i // 20 AS animation,
        'c' || i AS name, '' AS kind, printf('train-%06d.tar', i // {PER_SHARD}) AS shard,
        printf('%09d', i) AS key, (i % {PER_SHARD}) * 1000::BIGINT AS "offset", 1000::BIGINT AS bytes,
        0 AS start, 35 AS "end", 35 AS frames, 480 AS height, 854 AS width, 24.0 AS fps,
        [printf('%06d', n) FOR n IN range(35)] AS stems, range(35)::INTEGER[] AS hold_starts,
        35 AS distinct_frames, md5(i::VARCHAR) AS digest, 'A character turns, number ' || i AS caption,
        i % 10 AS aesthetic_score FROM range({clips}) t(i))
        TO '{folder}/manifest.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)"""
    )
    for number in range(clips // PER_SHARD):
        with (folder / f"train-{number:06d}.tar").open("wb") as file:
            file.truncate(PER_SHARD * 1000)
    return folder


def use(folder: Path) -> int:
    """Open the shards, look up windows as training does, and go through all captions."""
    dataset = ShardedScenes(str(folder), where="aesthetic_score >= 5").dataset("train", WindowSpec(between=3))
    order = dataset.order(0, 0, 16)
    for place in range(0, len(order), len(order) // 800):  # fills all caches
        dataset.at(order[place])
    assert sum(1 for _ in dataset.captions()) == len(dataset) // 16
    return len(dataset)


def test_python_objects_do_not_grow_with_the_number_of_clips(tmp_path: Path) -> None:
    used = {}
    for clips in (1_000, 20_000):
        folder = write_manifest(tmp_path / str(clips), clips)
        tracemalloc.start()
        assert use(folder) == clips // 2 * 16
        used[clips] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # rows of all 5 shards are kept there, of all 100 here, a kilobyte a clip
    assert used[20_000] < used[1_000] + 15_000_000, used


RSS = """
import sys
from pathlib import Path
import duckdb, torch, inbetween.data.sharded.source
from tests.data.test_shard_memory import use
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
before = peak()
windows = use(Path(sys.argv[1]))
print(windows, peak() - before)
"""


@pytest.mark.slow  # new processes import everything
@pytest.mark.skipif(sys.platform != "linux", reason="Counts the memory of a process as Linux does.")
def test_memory_does_not_grow_with_the_number_of_clips(tmp_path: Path) -> None:
    megabytes = {}
    for clips in (1_000, 100_000):
        folder = write_manifest(tmp_path / str(clips), clips)
        ended = subprocess.run(
            [sys.executable, "-c", RSS, str(folder)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        windows, used = ended.stdout.split()
        assert int(windows) == clips // 2 * 16
        megabytes[clips] = float(used)
    assert megabytes[100_000] < megabytes[1_000] + 60, megabytes
