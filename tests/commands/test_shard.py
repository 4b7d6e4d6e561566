"""`shard`: scenes and lists of clips into shards, or one sentence and nothing written."""

import errno
import gc
import os
import re
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import torch

from inbetween.__main__ import main
from inbetween.data import ShardedScenes, VideoScenes, WindowSpec
from inbetween.data.sharded import writing
from tests.docs.newcomer import write_video


def rows(shards: Path, what: str) -> list[Any]:
    return duckdb.sql(f"SELECT {what} FROM '{shards}/manifest.parquet' ORDER BY ALL").fetchall()


def write_list(path: Path, values: str, columns: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    duckdb.execute(f"COPY (SELECT * FROM (VALUES {values}) t({columns})) TO '{path}'")
    return path


@pytest.fixture
def here(scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Works in a folder with `scenes`, and with `videos` of nine frames at 12 a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("one", "two", "three"):
        write_video(tmp_path / "videos" / f"{name}.mp4")
    return tmp_path


SHARD = ["shard", "--output", "shards"]
SCENES = [*SHARD, "--root", "scenes"]
VIDEOS = [*SHARD, "--root", "videos"]


def test_a_folder_becomes_shards(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SCENES) == 0
    said = capsys.readouterr().out
    assert said.startswith("shards: 4 clips (train 3, val 1) of 36 frames in 2 shards, 0.")
    assert sorted(path.name for path in (here / "shards").iterdir()) == [
        "manifest.parquet",
        "train-000000.tar",
        "val-000000.tar",
    ]


def test_a_source_by_class_path(here: Path) -> None:
    source = ["--source.class_path", "inbetween.data.VideoScenes", "--source.init_args.root", "videos"]
    assert main([*SHARD, *source]) == 0
    assert len(rows(here / "shards", "clip")) == 3


def test_earlier_shards_are_replaced_only_when_asked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SCENES) == 0
    before = (here / "shards" / "manifest.parquet").stat().st_ino
    assert main(SCENES) == 2
    assert "shards already holds shards: give another folder with --output, or" in capsys.readouterr().err
    assert (here / "shards" / "manifest.parquet").stat().st_ino == before
    assert main([*SCENES, "--overwrite", "true"]) == 0
    assert main(["shard", "--output", "videos", "--root", "scenes", "--overwrite", "true"]) == 2
    assert "videos holds something else than shards" in capsys.readouterr().err
    assert len(list((here / "videos").iterdir())) == 3


def test_overwriting_deletes_nothing_but_shards(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = write_list(here / "lists" / "manifest.parquet", "('cat/walk', 5)", "clip, score")
    content = own.read_bytes()
    words = ["--root", "scenes", "--manifest", str(own), "--overwrite", "true", "--output"]
    assert main(["shard", *words, "lists"]) == 2
    said = "lists holds something else than shards, such as manifest.parquet: give another folder"
    assert said in capsys.readouterr().err
    assert own.read_bytes() == content
    assert main(["shard", *words, "shards"]) == 0
    (here / "scenes").rename(here / "shards" / "scenes")
    assert main(["shard", "--root", "shards/scenes", "--output", "shards", "--overwrite", "true"]) == 2
    assert "shards holds something else than shards, such as scenes: give" in capsys.readouterr().err
    assert (here / "shards" / "scenes" / "train" / "cat").is_dir()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, written, noise = writing._stored, [], []

    def fill_up(path: Path) -> tuple[bytes, str]:
        written.append(path)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return stored(path)

    monkeypatch.setattr(writing, "_stored", fill_up)
    monkeypatch.setattr(sys, "unraisablehook", noise.append)  # Python prints what this gets
    assert main(SCENES) == 2
    gc.collect()
    assert noise == []
    assert capsys.readouterr().err.startswith("inbetween: shards cannot be written (No space left on device)")
    assert sorted(path.name for path in here.iterdir() if path.name != "cache") == ["scenes", "videos"]


def test_scenes_with_damaged_frames_are_left_out(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    (here / "scenes" / "train" / "cat" / "walk" / "0004.png").write_bytes(b"no image")
    assert main(SCENES) == 0
    assert "1 are left out: " in caplog.text
    assert "0004.png is not an image that can be read" in caplog.text
    assert rows(here / "shards", "clip") == [("dog/walk",), ("fox/walk",), ("hen/walk",)]


def test_a_list_adds_captions_and_columns_to_scenes(here: Path) -> None:
    write_list(
        here / "list.csv", "('cat/walk', 'a cat', 7.5), ('dog/walk', 'a dog', 3)", "clip, caption, score"
    )
    assert main([*SCENES, "--manifest", "list.csv"]) == 0
    expected = [("cat/walk", "a cat", 7.5), ("dog/walk", "a dog", 3), ("fox/walk", None, None)]
    assert rows(here / "shards", "clip, caption, score")[:3] == expected
    assert main([*SCENES, "--manifest", "list.csv", "--where", "score > 5", "--overwrite", "true"]) == 0
    assert rows(here / "shards", "clip, caption") == [("cat/walk", "a cat")]


def test_names_that_no_scene_has_are_warned_about(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_list(
        here / "list.csv", "('cat/walk', 'a cat'), ('cta/walk', 'a cat'), ('dgo', 'a dog')", "clip, caption"
    )
    assert main([*SCENES, "--manifest", "list.csv"]) == 0
    assert "list.csv has 2 names that no scene has: cta/walk, dgo. Scenes are named such as" in caplog.text


SAKUGA = (
    "identifier, identifier_video, start_frame, end_frame, fps, text_description, aesthetic_score, anime_tags"
)
CLIPS = """('one:0', 'one', 0, 4, 12.0, 'a square walks', 6.5, ['walk']),
    ('one:1', 'one', 3, 9, 12.0, 'it walks on', 5.5, ['walk', 'square']),
    ('two:0', 'two', 2, 900, 12.0, 'another square', 7.0, []),
    ('three:0', 'three', 0, 9, 12.0, 'poor', 1.0, [])"""


def test_clips_of_sakuga_42m_are_cut_out_of_their_videos(here: Path) -> None:
    write_list(here / "sakuga.parquet", CLIPS, SAKUGA)
    assert main([*VIDEOS, "--manifest", "sakuga.parquet", "--where", "aesthetic_score >= 5"]) == 0
    assert rows(here / "shards", 'clip, start, "end", fps, caption, aesthetic_score, anime_tags') == [
        ("one/one:0", 0, 4, 12.0, "a square walks", 6.5, ["walk"]),
        ("one/one:1", 3, 9, 12.0, "it walks on", 5.5, ["walk", "square"]),
        ("two/two:0", 2, 9, 12.0, "another square", 7.0, []),
    ]
    spec = WindowSpec(between=1, stride=1, size=(48, 64), cache_dir=here / "c")
    videos: dict[str, torch.Tensor] = {}
    for source in (VideoScenes(here / "videos"),):
        for split in ("train", "val"):
            dataset = source.dataset(split, spec)
            for index in range(len(dataset)):
                window = dataset[0, index]
                name = window["name"].split("/")
                first = int(name[-1].split("-")[0]) - 1  # counted from 1 there
                videos[f"{window['animation']} {first}"] = window["first"]
    seen = 0
    for split in ("train", "val"):
        dataset = ShardedScenes(str(here / "shards"), where="clip LIKE 'one%'  OR true").dataset(split, spec)
        for index in range(len(dataset)):
            window = dataset[0, index]
            first = int(window["name"].split("/")[-1].split("-")[0])
            assert torch.equal(window["first"], videos[f"{window['animation']} {first}"])
            assert window["caption"] in {"a square walks", "it walks on", "another square"}
            seen += 1
    assert seen == 2 + 4 + 5


@pytest.mark.parametrize(
    "times", ["0.25, 0.5", "'00:00:00.250', '00:00:00.500'", "'0.25', '0.5'", "3::INTEGER, 6::INTEGER"]
)
def test_start_and_end_are_frames_or_seconds(here: Path, times: str) -> None:
    columns = "clip, video, start, end_frame" if "INTEGER" in times else "clip, video, start_time, end_time"
    write_list(here / "list.parquet", f"('a', 'one.mp4', {times})", columns)
    assert main([*VIDEOS, "--manifest", "list.parquet"]) == 0
    assert rows(here / "shards", 'clip, start, "end", stems') == [
        ("one/a", 3, 6, ["000003", "000004", "000005"])
    ]


def test_splits_keep_animations_whole_or_are_those_of_the_list(here: Path) -> None:
    write_list(here / "list.parquet", CLIPS, SAKUGA)
    assert main([*VIDEOS, "--manifest", "list.parquet"]) == 0
    found = rows(here / "shards", "DISTINCT animation, split")
    assert len(found) == 3
    assert {"train", "val"} <= {split for _, split in found}
    values = ", ".join(
        f"('{k}', 'one', {k}, {k + 3}, '{split}')" for k, split in enumerate(("test", "val", "train"))
    )
    write_list(here / "list.parquet", values, "clip, video, start, end_frame, split")
    assert main([*VIDEOS, "--manifest", "list.parquet", "--overwrite", "true"]) == 0
    assert rows(here / "shards", "name, split") == [("0", "test"), ("1", "val"), ("2", "train")]


def test_what_a_list_has_wrong_is_left_out(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    (here / "videos" / "four.mp4").write_bytes(b"no video")
    values = "('a', 'one', 0, 9), ('b', 'nine', 0, 9), ('c', 'four', 0, 9), ('d', 'one', 40, 50)"
    values += ", ('e', 'one', NULL, 9), (NULL, 'one', 0, 9)"
    write_list(here / "list.parquet", values, "clip, video, start_frame, end_frame")
    assert main([*VIDEOS, "--manifest", "list.parquet"]) == 0
    assert rows(here / "shards", "name") == [("a",)]
    for said in (
        "4 are left out",
        "1 rows have no start or end.",
        "nine is not below videos",
        "four.mp4 is not a video",
        "d has no frames in",
    ):
        assert said in caplog.text


LISTS = {
    "good.csv": ("('cat/walk', 5)", "clip, score"),
    "other.csv": ("('bear', 5)", "clip, score"),
    "twice.csv": ("('cat/walk', 5), ('cat/walk', 6)", "clip, score"),
    "nameless.csv": ("('cat/walk', 5)", "what, score"),
    "endless.csv": ("('a', 'one', 5)", "clip, video, start"),
    "splits.csv": ("('a', 'one', 0, 5, 'training')", "clip, video, start_frame, end_frame, split"),
    "gone.csv": ("('a', 'nine', 0, 5)", "clip, video, start_frame, end_frame"),
}
WRONG = {
    "no root": (SHARD, "There is nothing to write: give --root"),
    "no folder": ([*SHARD, "--root", "nowhere"], "There is no folder nowhere"),
    "empty folder": ([*SHARD, "--root", "empty"], "empty has no scenes"),
    "no manifest": ([*SCENES, "--manifest", "no.parquet"], "There is no file no.parquet"),
    "broken manifest": (
        [*SCENES, "--manifest", "broken.parquet"],
        "broken.parquet is not a table that can be",
    ),
    "filter alone": ([*SCENES, "--where", "a > 5"], "--where filters the list of clips"),
    "names": ([*SCENES, "--manifest", "other.csv"], "names none of the scenes of scenes.*such as cat/walk"),
    "twice": ([*SCENES, "--manifest", "twice.csv"], "has the clip cat/walk in two rows"),
    "no clips": ([*SCENES, "--manifest", "nameless.csv"], r"has no column clip, .*: rename .* identifier"),
    "no end": ([*VIDEOS, "--manifest", "endless.csv"], "has no column end, as far as"),
    "splits": ([*VIDEOS, "--manifest", "splits.csv"], "has the split training: give train, val or test"),
    "no video": ([*VIDEOS, "--manifest", "gone.csv"], "There is no clip to write: nine is not below videos"),
    "filter": (
        [*SCENES, "--manifest", "good.csv", "--where", "score >"],
        "filter 'score >' does not fit good",
    ),
    "column": ([*SCENES, "--manifest", "good.csv", "--where", "size > 1"], '"size" not found.* clip, score'),
    "reads": (
        [*SCENES, "--manifest", "good.csv", "--where", "(SELECT count(*) FROM 'other.csv') > 0"],
        "does not fit good.csv",
    ),
    "writes": (
        [*SCENES, "--manifest", "good.csv", "--where", "true); COPY (SELECT 1) TO 'written.csv'; SELECT (1"],
        "does not fit good.csv",
    ),
    "nothing": (
        [*SCENES, "--manifest", "good.csv", "--where", "score > 9"],
        "'score > 9' leaves no clip of good",
    ),
    "size": ([*SCENES, "--shard_mb", "0"], "shard_mb is 0: give 1 or more"),
    "side": ([*SCENES, "--side", "0"], "side is 0: give 1 to 4096 pixels"),
    "kind": ([*SCENES, "--layout", "film"], "layout is film, expected one of folder"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_mistakes_are_one_sentence_and_nothing_is_written(
    here: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "empty").mkdir()
    (here / "broken.parquet").write_bytes(b"PAR1 and no more")
    for name, (values, columns) in LISTS.items():
        write_list(here / name, values, columns)
    before = sorted(here.iterdir())
    words, message = WRONG[wrong]
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert re.search(message, said[0]), said[0]
    assert sorted(path for path in here.iterdir() if path.name != "cache") == before
