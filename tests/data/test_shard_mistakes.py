"""What is wrong with shards is said in one sentence, whether it is so at first or happens meanwhile."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from inbetween.data import ShardedScenes, WindowSpec
from inbetween.data.sharded.clips import ClipStore
from inbetween.data.sharded.manifest import Manifest
from inbetween.errors import UserError
from tests.data.test_sharded import by_name, with_columns, write


@pytest.fixture
def shards(scenes_root: Path, tmp_path: Path) -> Path:
    """Three clips in three shards, and one of val."""
    write(scenes_root, tmp_path / "shards", size=2000)
    return tmp_path / "shards"


@pytest.mark.parametrize("how", ["replaced", "deleted", "filter"])
def test_a_manifest_that_changes_meanwhile_is_said(
    scenes_root: Path, shards: Path, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    dataset = ShardedScenes(str(shards), where="frames > 2").dataset("train", spec)
    dataset[0, 0]
    if how == "replaced":
        shutil.rmtree(scenes_root / "train" / "cat")
        write(scenes_root, shards, overwrite=True)
    elif how == "deleted":
        (shards / "manifest.parquet").unlink()
    else:  # as one does that asks for the time
        monkeypatch.setattr(Manifest, "clips", lambda *_: [])
    message = (
        "gives other clips of train-0" if how == "filter" else "manifest.parquet was replaced or deleted"
    )
    with pytest.raises(UserError, match=message):
        by_name(dataset)


def test_a_cache_that_is_deleted_meanwhile_is_filled_again(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    expected = by_name(ShardedScenes(str(shards)).dataset("train", spec))
    shutil.rmtree(tmp_path / "c")
    write_clip, written = ClipStore._write, []

    def delete_first(store: ClipStore, file: Path, shape: tuple[int, int, int], frames: Any) -> None:
        def deleting() -> Any:
            written.append(file)
            if len(written) % 3:
                shutil.rmtree(store.folder)
            yield from frames

        write_clip(store, file, shape, deleting())

    monkeypatch.setattr(ClipStore, "_write", delete_first)
    found = by_name(ShardedScenes(str(shards)).dataset("train", spec))
    assert all(torch.equal(found[name]["targets"], expected[name]["targets"]) for name in expected)
    assert len(written) >= 9  # three attempts for each clip


def damaged_shard(shards: Path) -> None:
    path = shards / "train-000000.tar"
    content = bytearray(path.read_bytes())
    content[600] ^= 255  # in the first image
    path.write_bytes(content)


def damaged_header(shards: Path) -> None:
    path = shards / "train-000000.tar"
    path.write_bytes(b"\xff" * 512 + path.read_bytes()[512:])


def truncated(name: str) -> Any:
    def change(shards: Path) -> None:
        path = shards / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])

    return change


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "damaged shard": (damaged_shard, {}, r"train-000000.tar is damaged \(clip .*\): copy it again"),
    "damaged header": (damaged_header, {}, r"train-000000.tar is damaged \(clip .*\): copy it again"),
    "short shard": (truncated("train-000000.tar"), {}, "train-000000.tar is cut short: copy it again"),
    "missing shard": (
        lambda s: (s / "train-000001.tar").unlink(),
        {},
        "train-000001.tar, which .* is missing",
    ),
    "short manifest": (truncated("manifest.parquet"), {}, "manifest.parquet is damaged or cut short"),
    "no manifest": (
        lambda s: (s / "manifest.parquet").unlink(),
        {},
        "has no manifest.parquet: give a folder",
    ),
    "no folder": (shutil.rmtree, {}, "has no manifest.parquet: give a folder"),
    "other table": (lambda s: with_columns(s, "clip, 5 AS b"), {}, "has no column split: "),
    "no expression": (None, {"where": "frames >"}, "filter 'frames >' does not fit .*syntax error"),
    "unknown column": (None, {"where": "score > 5"}, '"score" not found .* columns, which are animation, '),
    "wrong type": (None, {"where": "frames = 'many'"}, "Could not convert string 'many'"),
    "other files": (None, {"where": "(select count(*) from '/etc/passwd') > 0"}, "does not fit"),
    "chance": (
        None,
        {"where": "frames > 3 and random() < 0.5"},
        r"calls random\(\), which gives something else",
    ),
    "clock": (None, {"where": "fps > 1 OR NOW() > '2020-01-01'"}, r"calls now\(\), which"),
    "today": (None, {"where": "current_date > '2020-01-01'"}, r"calls current_date\(\), which"),
    "nothing left": (None, {"where": "frames > 900"}, "'frames > 900' leaves no clip of the train split"),
    "no windows": (None, {"between": 40}, "needs 42 frames in a row, the longest of 3 clips has 9: lower"),
    "no split": (lambda s: with_columns(s, "* REPLACE ('val' AS split)"), {}, "no clip for the train split"),
    "too few shards": (None, {"shuffle_shards": 0}, "shuffle_shards is 0: give 1 or more"),
    "no library": (None, {"root": "nowhere://b/c"}, "nowhere://b/c/manifest.parquet cannot be read"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(shards: Path, tmp_path: Path, wrong: str) -> None:
    change, options, message = WRONG[wrong]
    if change:
        change(shards)
    options = {"root": str(shards), **options}
    spec = WindowSpec(between=options.pop("between", 1), size=(24, 32), cache_dir=tmp_path / "c")
    with pytest.raises(UserError, match=message) as caught:
        by_name(ShardedScenes(**options).dataset("train", spec))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("library", ["duckdb", "webdataset"])
def test_a_missing_library_is_named(
    shards: Path, tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (library, "webdataset.tariterators"):
        monkeypatch.setitem(sys.modules, module, None)
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    with pytest.raises(UserError, match=rf'Shards need {library}.*pip install "inbetween\[shards\]"'):
        by_name(ShardedScenes(str(shards)).dataset("train", spec))
