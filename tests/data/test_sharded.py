"""Shards: the windows are those of the folders that they were written from, and what is wrong is said."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import torch
import webdataset
from PIL import Image

from inbetween.commands.shard import shard
from inbetween.data import Augment, FolderScenes, ShardedScenes, WindowDataModule, WindowDataset, WindowSpec
from inbetween.data.loader import TrainBatches, WindowLoader
from inbetween.data.sharded.manifest import Manifest
from inbetween.data.sharded.parts import Part, Parts
from inbetween.errors import UserError
from tests.data.test_shots import shot


@pytest.fixture
def scenes(scenes_root: Path, draw_scene: Any) -> Path:
    """Five animations of scenes that differ: with holds, a cut, transparency and other formats."""
    draw_scene(scenes_root / "train" / "cat" / "rest", [0, 0, 1, 1, 1, 2, 3, 4], seed=5)
    draw_scene(scenes_root / "train" / "owl" / "fly", 6, seed=7, suffix=".bmp")
    draw_scene(scenes_root / "train" / "owl" / "sit", 6, height=40, width=40, seed=8, suffix=".jpg")
    for number in range(6):  # half transparent
        pixels = np.full((30, 50, 4), 255 - 20 * number, np.uint8)
        pixels[5:15, 5 * number : 5 * number + 10] = [200, 30, 30, 128]
        folder = scenes_root / "train" / "elk" / "run"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.{'tiff' if number % 2 else 'webp'}", lossless=True)
    return scenes_root


@pytest.fixture
def shards(scenes: Path, tmp_path: Path) -> Path:
    """The same in shards, a clip in each shard or two."""
    write(scenes, tmp_path / "shards")
    return tmp_path / "shards"


def write(root: Path, output: Path, size: int = 5000, **options: Any) -> None:
    """Write shards of a few kilobytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inbetween.commands.shard.MEGABYTE", size)
        shard(output=output, root=root, shard_mb=1, **options)


def by_name(dataset: WindowDataset, epoch: int = 0) -> dict[str, Any]:
    windows = [dataset[epoch, index] for index in range(len(dataset))]
    return {f"{window['name']} {window['t'].tolist()}": window for window in windows}


@pytest.mark.parametrize("collapse_holds", [True, False])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_windows_are_those_of_the_folders(
    scenes: Path, shards: Path, tmp_path: Path, split: Any, collapse_holds: bool
) -> None:
    spec = WindowSpec(
        between=2,
        gaps=(1, 2),
        stride=1,
        size=(24, 32),
        collapse_holds=collapse_holds,
        cache_dir=tmp_path / "c",
    )
    folders = by_name(FolderScenes(scenes).dataset(split, spec))
    dataset = ShardedScenes(str(shards)).dataset(split, spec)
    sharded = by_name(dataset)
    assert len(dataset) == len(folders) == len(sharded)
    assert sharded.keys() == folders.keys()
    for name, window in folders.items():
        same = sharded[name]
        assert same.keys() == window.keys()
        for key in ("first", "last", "targets", "t", "box"):
            assert torch.equal(same[key], window[key]), (name, key)
        assert same["animation"] == window["animation"]
        assert same["frame_ids"].shape == window["frame_ids"].shape


def test_some_windows_of_val_are_those_of_the_folders(
    scenes_root: Path, draw_scene: Any, tmp_path: Path
) -> None:
    for seed, name in enumerate(("ant", "bee", "cow", "eel", "gnu", "yak")):
        draw_scene(scenes_root / "val" / name / "walk", 8 + seed % 2, seed=seed + 9)
    write(scenes_root, tmp_path / "shards")
    names = []
    for source in (FolderScenes(scenes_root), ShardedScenes(str(tmp_path / "shards"))):
        data = WindowDataModule(
            source, size=32, val_windows=5, batch_size=1, num_workers=0, cache_dir=tmp_path / "c"
        )
        data.setup("validate")
        names.append([batch["name"] for batch in data.val_dataloader()])
    assert names[0] == names[1]


def test_keyframe_triplets_are_those_of_the_folders(scenes: Path, shards: Path, tmp_path: Path) -> None:
    spec = WindowSpec(between=1, stride=1, size=(24, 32), cache_dir=tmp_path / "c")
    folders, sharded = (s.dataset("train", spec) for s in (FolderScenes(scenes), ShardedScenes(str(shards))))
    places = {sharded[0, index]["name"]: index for index in range(len(sharded))}
    for index in range(len(folders)):
        ours = sharded.keyframe_triplet(places[folders[0, index]["name"]])
        theirs = folders.keyframe_triplet(index)
        assert (ours is None) == (theirs is None)
        assert theirs is None or torch.equal(ours, theirs)


def test_a_cut_parts_clips_and_no_window_spans_it(scenes_root: Path, tmp_path: Path) -> None:
    cut = scenes_root / "train" / "yak" / "cut"
    cut.mkdir(parents=True)
    for number, frame in enumerate(shot(1, 7) + shot(2, 6)):
        Image.fromarray(frame).save(cut / f"{number:02d}.png")
    write(scenes_root, tmp_path / "shards")
    spec = WindowSpec(between=1, stride=1, size=(24, 32), cache_dir=tmp_path / "c")
    folders = by_name(FolderScenes(scenes_root).dataset("train", spec))
    assert sum(name.startswith("yak") for name in folders) == 5 + 4
    assert by_name(ShardedScenes(str(tmp_path / "shards")).dataset("train", spec)).keys() == folders.keys()
    rows = duckdb.sql(
        f"SELECT clip, start, \"end\" FROM '{tmp_path}/shards/manifest.parquet' WHERE name = 'cut' ORDER BY 2"
    ).fetchall()
    assert rows == [("yak/cut@0", 0, 7), ("yak/cut@7", 7, 13)]


def test_augmented_windows_depend_on_their_key_alone(shards: Path, tmp_path: Path) -> None:
    spec = WindowSpec(between=1, size=(24, 32), augment=Augment(), cache_dir=tmp_path / "c")
    one, other = (ShardedScenes(str(shards)).dataset("train", spec) for _ in range(2))
    assert torch.equal(one[3, 5]["targets"], other[3, 5]["targets"])
    assert not torch.equal(one[3, 5]["targets"], one[4, 5]["targets"])
    assert "frame_ids" not in one[0, 0]
    assert one.frame_ids(0) is None


def test_frame_ids_belong_to_what_a_frame_shows(scenes: Path, shards: Path, tmp_path: Path) -> None:
    def ids(root: Path, **options: Any) -> dict[str, list[int]]:
        spec = WindowSpec(between=1, stride=1, cache_dir=tmp_path / "c", **{"size": (24, 32), **options})
        dataset = ShardedScenes(str(root)).dataset("train", spec)
        for index in range(len(dataset)):
            assert torch.equal(dataset.frame_ids(index), dataset[0, index]["frame_ids"])
        windows = by_name(dataset)
        return {name: window["frame_ids"].tolist() for name, window in windows.items()}

    before = ids(shards)
    assert before == ids(shards)
    assert len({number for window in before.values() for number in window}) > len(before)
    assert not {*map(tuple, before.values())} & {*map(tuple, ids(shards, size=(32, 32)).values())}
    Image.new("RGB", (64, 48)).save(scenes / "train" / "dog" / "walk" / "0001.png")
    write(scenes, tmp_path / "again")
    after = ids(tmp_path / "again")
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed
    assert all(name.startswith("dog") for name in changed)


def test_image_files_are_stored_untouched_where_every_reader_knows_them(scenes: Path, shards: Path) -> None:
    whole = [
        sample
        for path in sorted(shards.glob("train-*.tar"))
        for sample in webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)
    ]
    contents = [content for sample in whole for name, content in sample.items() if name[0].isdigit()]
    for folder, suffix in (("cat/rest", "png"), ("owl/sit", "jpg")):
        for path in (scenes / "train" / folder).iterdir():
            assert path.suffix == f".{suffix}"
            assert path.read_bytes() in contents
    suffixes = {name.rpartition(".")[2] for sample in whole for name in sample if name[0].isdigit()}
    assert suffixes == {"png", "jpg", "webp"}


def test_shards_are_the_same_bytes_when_written_again(scenes: Path, shards: Path, tmp_path: Path) -> None:
    write(scenes, tmp_path / "again")
    names = sorted(path.name for path in shards.glob("*.tar"))
    assert len(names) > 4
    assert {name.partition("-")[0] for name in names} == {"train", "val"}
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (shards / name).read_bytes()
    manifests = [(folder / "manifest.parquet").read_bytes() for folder in (tmp_path / "again", shards)]
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("longest", [4, 9])
def test_long_shots_are_parted(
    scenes: Path, tmp_path: Path, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbetween.data.sharded.writing.LONGEST", longest)
    write(scenes, tmp_path / "shards")
    spec = WindowSpec(between=1, stride=1, size=(24, 32), collapse_holds=False, cache_dir=tmp_path / "c")
    folders = by_name(FolderScenes(scenes).dataset("train", spec))
    sharded = by_name(ShardedScenes(str(tmp_path / "shards")).dataset("train", spec))
    assert sharded.keys() < folders.keys() if longest == 4 else sharded.keys() == folders.keys()
    for name, window in sharded.items():
        assert torch.equal(window["targets"], folders[name]["targets"]), name
    table = f"'{tmp_path}/shards/manifest.parquet' WHERE name = 'rest'"
    clips = duckdb.sql(f"SELECT clip, frames, hold_starts FROM {table} ORDER BY 1").fetchall()
    if longest == 4:  # a hold of frames 2 to 4 is parted
        assert clips == [("cat/rest@0", 4, [0, 0, 2, 2]), ("cat/rest@4", 4, [0, 1, 2, 3])]
    else:
        assert clips == [("cat/rest", 8, [0, 0, 2, 2, 2, 5, 6, 7])]


def test_a_manifest_of_another_version_is_refused(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbetween.data.sharded.writing.VERSION", "2")
    write(scenes, tmp_path / "shards")
    with pytest.raises(
        UserError, match=r"manifest.parquet is of version 2, and this program reads version 1"
    ):
        ShardedScenes(str(tmp_path / "shards")).dataset("train", WindowSpec(cache_dir=tmp_path / "c"))


def with_columns(shards: Path, select: str) -> None:
    """Change the manifest."""
    path, changed = shards / "manifest.parquet", shards / "changed"
    duckdb.execute(f"COPY (SELECT {select} FROM '{path}') TO '{changed}' (FORMAT parquet)")
    changed.replace(path)


def test_a_filter_chooses_clips(shards: Path, tmp_path: Path) -> None:
    with_columns(shards, "*, length(clip) AS score")
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    every = ShardedScenes(str(shards)).dataset("train", spec)
    some = ShardedScenes(str(shards), where="animation = 'cat' AND score > 3 -- why").dataset("train", spec)
    assert {some[0, index]["animation"] for index in range(len(some))} == {"cat"}
    expected = sum(every[0, index]["animation"] == "cat" for index in range(len(every)))
    assert len(some) == expected


def test_a_filter_may_name_what_no_function_of_it_calls(shards: Path, tmp_path: Path) -> None:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    for where in ("clip <> 'random() now()'", "hash(clip) % 2 < 2 -- not random()", '"end" - start + 1 > 0'):
        assert len(ShardedScenes(str(shards), where=where).dataset("train", spec)) > 10


def test_captions_come_with_every_window_or_with_none(shards: Path, tmp_path: Path) -> None:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    plain = ShardedScenes(str(shards)).dataset("train", spec)
    assert "caption" not in plain[0, 0]
    assert list(plain.captions()) == []
    with_columns(shards, "*, CASE WHEN animation = 'cat' THEN 'a cat' END AS caption")
    captioned = ShardedScenes(str(shards)).dataset("train", spec)
    for index in range(len(captioned)):
        window = captioned[0, index]
        assert window["caption"] == ("a cat" if window["animation"] == "cat" else "")
    assert list(captioned.captions()) == ["", "a cat"]
    path = shards / "manifest.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(UserError, match="here is damaged or cut short"):
        list(Manifest(Parts((Part("", path, "here"),), "root", tmp_path), "train", None).captions())


def test_a_filter_stays_within_its_split(shards: Path, tmp_path: Path) -> None:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    every = ShardedScenes(str(shards)).dataset("train", spec)
    same = ShardedScenes(str(shards), where="true) OR (true").dataset("train", spec)
    assert by_name(same).keys() == by_name(every).keys()


def test_a_folder_that_looks_like_a_column_is_none(shards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "split=val" / "it's [all] of*it"
    folder.parent.mkdir()
    shards.rename(folder)
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    dataset = ShardedScenes(str(folder)).dataset("train", spec)
    assert {dataset[0, 0]["animation"], dataset[0, len(dataset) - 1]["animation"]} <= {
        "cat",
        "dog",
        "hen",
        "owl",
        "elk",
    }


def test_decoded_clips_stay_within_their_limit(shards: Path, tmp_path: Path) -> None:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    every = by_name(ShardedScenes(str(shards)).dataset("train", spec))
    shutil.rmtree(tmp_path / "c")
    clip = 9 * 24 * 32 * 3
    dataset = ShardedScenes(str(shards), cache_gb=2.5 * clip / 1e9).dataset("train", spec)
    for epoch in range(2):
        for index in dataset.order(0, epoch, 1):
            window = dataset[0, index]
            name = f"{window['name']} {window['t'].tolist()}"
            assert torch.equal(window["targets"], every[name]["targets"])
            files = (tmp_path / "c" / "shards" / "clips").glob("*.npy")
            assert sum(path.stat().st_size for path in files) <= 3 * clip


def test_workers_that_delete_each_others_clips_read_the_right_ones(shards: Path, tmp_path: Path) -> None:
    spec = WindowSpec(between=1, stride=1, size=(24, 32), cache_dir=tmp_path / "c")
    every = by_name(ShardedScenes(str(shards)).dataset("train", spec))
    shutil.rmtree(tmp_path / "c")
    dataset = pickle.loads(pickle.dumps(ShardedScenes(str(shards), cache_gb=1e-6).dataset("train", spec)))
    batches = TrainBatches(dataset.order(0, 0, 4), 4, 0, rank=0, world=1)
    loader = WindowLoader(dataset, len(batches), lambda: batches, num_workers=2)
    for batch in loader:
        for name, t, targets in zip(batch["name"], batch["t"], batch["targets"], strict=True):
            assert torch.equal(targets, every[f"{name} {t.tolist()}"]["targets"])
    loader.close()
    assert len(list((tmp_path / "c" / "shards" / "clips").glob("*.npy"))) <= 2


def test_a_cache_that_holds_less_than_a_batch_reads_is_warned_of(
    shards: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    ShardedScenes(str(shards)).dataset("train", spec).order(0, 0, 2)
    assert "cache_gb" not in caplog.text
    dataset = ShardedScenes(str(shards), cache_gb=1e-6).dataset("train", spec)
    for epoch in range(2):
        dataset.order(0, epoch, 2)
    assert caplog.text.count("give cache_gb") == 1
    assert f"from {len(dataset.shards)} shards at a time: give cache_gb 0.000" in caplog.text


def test_the_cache_that_is_asked_for_counts_margins_and_the_clips_of_one_machine(
    shards: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wanted(spec: WindowSpec) -> float:
        caplog.clear()
        ShardedScenes(str(shards), cache_gb=0, shuffle_shards=1).dataset("train", spec).order(0, 0, 4)
        return float(caplog.text.partition("give cache_gb ")[2].partition(",")[0])

    plain = WindowSpec(between=1, size=(16, 16), cache_dir=tmp_path / "c")
    whole = wanted(plain)
    assert wanted(replace(plain, augment=Augment(crop=0.5))) == pytest.approx(4 * whole, rel=0.1)
    monkeypatch.setattr("inbetween.data.sharded.source.machines", lambda: 16)
    assert wanted(plain) < 0.6 * whole


def test_a_clip_that_is_deleted_or_cut_short_is_decoded_again(shards: Path, tmp_path: Path) -> None:
    spec = WindowSpec(between=1, size=(24, 32), cache_dir=tmp_path / "c")
    dataset = ShardedScenes(str(shards)).dataset("train", spec)
    before = by_name(dataset)
    files = sorted((tmp_path / "c" / "shards" / "clips").glob("*.npy"))
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:200])
    for name, window in by_name(dataset).items():
        assert torch.equal(window["first"], before[name]["first"])
