"""Shards in several parts are one data set, wherever they are, and what does not fit together is said."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest
import torch

from inbetween.data import FolderScenes, ShardedScenes, WindowDataset, WindowSpec
from inbetween.data.sharded.share import Share
from inbetween.errors import UserError
from tests.data.test_sharded import by_name, with_columns, write

NAMES = ("ant", "bee", "cow", "eel", "gnu", "yak")


@pytest.fixture
def scenes(scenes_root: Path, draw_scene: Any) -> Path:
    """Nine animations of training and one of val."""
    for seed, name in enumerate(NAMES):
        draw_scene(scenes_root / "train" / name / "walk", 6, seed=seed + 9)
    return scenes_root


@pytest.fixture
def parts(scenes: Path, tmp_path: Path) -> Path:
    """The same in three parts, beside a folder that is none."""
    for number in (1, 2, 3):
        write(scenes, tmp_path / "parts" / f"piece {number}", part=f"{number}/3")
    (tmp_path / "parts" / "notes").mkdir()
    return tmp_path / "parts"


def opened(root: object, tmp_path: Path, split: Any = "train", **options: Any) -> WindowDataset:
    spec = WindowSpec(between=1, stride=1, size=(24, 32), cache_dir=tmp_path / "c")
    return ShardedScenes(str(root), **options).dataset(split, spec)


def clips(root: Path) -> list[Any]:
    columns = "clip, split, frames, digest"
    return duckdb.sql(f"SELECT {columns} FROM '{root}/**/manifest.parquet' ORDER BY ALL").fetchall()


@pytest.mark.parametrize("kind", ["folder", "relative", "file", "memory"])
def test_all_parts_together_are_one_data_set(
    scenes: Path, parts: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = {"folder": str(parts), "file": f"file://{parts}", "memory": "memory://parts", "relative": "parts"}[
        kind
    ]
    monkeypatch.chdir(tmp_path)
    if kind == "memory":
        fsspec.filesystem("memory").put(str(parts), "/parts", recursive=True)
    spec = WindowSpec(between=1, stride=1, size=(24, 32), cache_dir=tmp_path / "c")
    source = ShardedScenes(root)
    for split in ("train", "val", "test"):
        expected = by_name(FolderScenes(scenes).dataset(split, spec))
        dataset = source.dataset(split, spec)
        found = by_name(dataset)
        assert found.keys() == expected.keys()
        assert len(dataset) == len(found)
        assert all(torch.equal(found[name]["targets"], expected[name]["targets"]) for name in found)
    shards = [shard.name for shard in source.dataset("train", spec).shards]
    assert len(shards) == len(set(shards)) > 3
    assert {name.rpartition("/")[0] for name in shards} == {"piece 1", "piece 2", "piece 3"}


def test_a_part_alone_in_a_folder_is_read_in_the_order_of_that_part(parts: Path, tmp_path: Path) -> None:
    one = parts / "piece 2"
    whole = opened(one, tmp_path)
    (tmp_path / "single").mkdir()
    one.rename(tmp_path / "single" / "piece 2")
    alone = opened(tmp_path / "single", tmp_path)
    assert len(whole.order(1, 2, 2)) > 5
    assert list(alone.order(1, 2, 2)) == list(whole.order(1, 2, 2))
    one.mkdir()
    shutil.copytree(tmp_path / "single" / "piece 2", one, dirs_exist_ok=True)
    again = opened(one, tmp_path)
    for index in range(len(alone)):
        assert alone[0, index]["name"] == again[0, index]["name"]


def test_resuming_knows_the_parts(parts: Path, tmp_path: Path) -> None:
    before = opened(parts, tmp_path).order_settings()
    assert opened(parts, tmp_path).order_settings() == before
    (parts / "piece 3").rename(tmp_path / "away")
    assert opened(parts, tmp_path).order_settings() != before


def test_columns_of_parts_are_united(parts: Path, tmp_path: Path) -> None:
    with_columns(parts / "piece 1", "*, 'a ' || animation AS caption, 5 AS score")
    with_columns(parts / "piece 2", "*, 7.5 AS score")
    dataset = opened(parts, tmp_path)
    captions = {window["animation"]: window["caption"] for window in by_name(dataset).values()}
    written = {animation: caption for animation, caption in captions.items() if caption}
    assert written
    assert all(Share(1, 3).has(name) and caption == f"a {name}" for name, caption in written.items())
    assert set(dataset.captions()) == {"", *written.values()}
    for where, share in {"score > 6": Share(2, 3), "score IS NULL": Share(3, 3)}.items():
        chosen = by_name(opened(parts, tmp_path, where=where))
        assert {window["animation"] for window in chosen.values()} == {a for a in captions if share.has(a)}
    named = opened(parts, tmp_path, where="shard LIKE 'piece 3/%'")
    assert {window["animation"] for window in by_name(named).values()} <= {
        a for a in captions if Share(3, 3).has(a)
    }


def test_a_column_of_types_that_do_not_fit_is_said_where_it_is_used(parts: Path, tmp_path: Path) -> None:
    with_columns(parts / "piece 1", "*, [5] AS x")
    with_columns(parts / "piece 2", "*, {'a': 5} AS x")
    assert len(opened(parts, tmp_path)) > 5
    with pytest.raises(UserError, match=r"does not fit .*parts .*cast") as caught:
        opened(parts, tmp_path, where="len(x) = 1")
    assert "\n" not in str(caught.value)


def twice(parts: Path) -> None:
    shutil.copytree(parts / "piece 2", parts / "piece 4")


def leaking(parts: Path) -> None:
    twice(parts)
    with_columns(parts / "piece 4", "* REPLACE (clip || '2' AS clip, 'val' AS split)")


def other_version(parts: Path) -> None:
    path, changed = parts / "piece 3" / "manifest.parquet", parts / "changed"
    duckdb.execute(
        f"COPY (FROM '{path}') TO '{changed}' (FORMAT parquet, KV_METADATA {{inbetween_shards: '2'}})"
    )
    changed.replace(path)


def cut_short(parts: Path) -> None:
    path = parts / "piece 2" / "manifest.parquet"
    path.write_bytes(path.read_bytes()[:900])


WRONG: dict[str, tuple[Any, str]] = {
    "clip twice": (twice, r"^The clip \w+/\w+ is in .*piece 2 and in .*piece 4: delete one"),
    "leak": (
        leaking,
        r"^The animation \w+ is in the train split of .*piece 2 and in the val split of .*piece 4: ",
    ),
    "version": (other_version, "piece 3/manifest.parquet is of version 2"),
    "short manifest": (cut_short, "piece 2/manifest.parquet is damaged or cut short"),
    "no column": (
        lambda p: with_columns(p / "piece 2", "* EXCLUDE (digest)"),
        "piece 2/manifest.parquet has no col",
    ),
    "missing shard": (
        lambda p: (p / "piece 2" / "train-000000.tar").unlink(),
        "piece 2/train-000000.tar, which the manifest names, is missing",
    ),
    "no part": (
        lambda p: [shutil.rmtree(p / f"piece {n}") for n in (1, 2, 3)],
        "has no manifest.parquet: give",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(parts: Path, tmp_path: Path, wrong: str) -> None:
    change, message = WRONG[wrong]
    change(parts)
    with pytest.raises(UserError, match=message) as caught:
        by_name(opened(parts, tmp_path))
    assert "\n" not in str(caught.value)


def test_a_part_that_is_replaced_meanwhile_is_named(scenes: Path, parts: Path, tmp_path: Path) -> None:
    dataset = opened(parts, tmp_path)
    write(scenes, parts / "piece 2", part="2/3", overwrite=True)
    with pytest.raises(UserError, match=r"piece 2/manifest.parquet was replaced or deleted"):
        by_name(dataset)


def test_parts_have_the_clips_of_an_unparted_run_and_its_splits(tmp_path: Path, draw_scene: Any) -> None:
    for seed, name in enumerate(NAMES):  # split by their names, of which none is in val by its hash alone
        draw_scene(tmp_path / "own" / name / "walk", 5, seed=seed)
        draw_scene(tmp_path / "own" / name / "sit", 5, seed=seed + 20)
    write(tmp_path / "own", tmp_path / "whole")
    for number in (1, 2):
        write(tmp_path / "own", tmp_path / "parts" / str(number), part=f"{number}/2")
    assert clips(tmp_path / "parts") == clips(tmp_path / "whole")
    assert len({split for _, split, *_ in clips(tmp_path / "whole")}) > 1
