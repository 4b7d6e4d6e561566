"""`shard --part`: the parts have, each clip once, what a run without it writes."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from inbetween.__main__ import main
from inbetween.data import ShardedScenes, WindowSpec
from inbetween.data.scenes import SPLITS
from inbetween.data.sharded.share import Share
from tests.commands.test_shard import rows, write_list
from tests.docs.newcomer import write_video

VIDEOS = ("one", "two", "three", "four", "five")
COLUMNS = 'clip, split, animation, start, "end", frames, digest'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Works in a folder with `videos`, of nine frames each."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in VIDEOS:
        write_video(tmp_path / "videos" / f"{name}.mp4")
    return tmp_path


def write_both_ways(words: list[str], parts: int = 2) -> list[list[Any]]:
    """The rows that each part has, which together must be those of an unparted run."""
    assert main(["shard", *words, "--output", "whole"]) == 0
    shutil.rmtree("cache", ignore_errors=True)
    found = []
    for number in range(1, parts + 1):
        output = f"parts/{number}"
        assert main(["shard", *words, "--output", output, "--part", f"{number}/{parts}"]) == 0
        found.append(rows(Path(output), COLUMNS))
    assert sorted(row for part in found for row in part) == rows(Path("whole"), COLUMNS)
    assert all(found)
    animations = [{row[2] for row in part} for part in found]
    assert not set.intersection(*animations)
    return found


def test_folders_and_a_list_that_adds_to_them(here: Path, draw_scene: Any) -> None:
    for seed, name in enumerate(VIDEOS):
        for scene in ("walk", "sit"):
            draw_scene(here / "scenes" / name / scene, 4, seed=seed)
    write_list(here / "list.csv", "('one/walk', 'a'), ('two/walk', 'b'), ('four/sit', 'c')", "clip, caption")
    found = write_both_ways(["--root", "scenes", "--manifest", "list.csv"])
    assert sum(map(len, found)) == 10
    spec = WindowSpec(between=1, size=(24, 32))
    captions = {w for s in SPLITS for w in ShardedScenes("parts").dataset(s, spec).captions()}
    assert captions == {"", "a", "b", "c"}


def test_anita(here: Path, draw_scene: Any) -> None:
    for seed, name in enumerate(VIDEOS):
        for kind in ("sketch", "color"):
            draw_scene(here / "anita" / name / "a" / kind, 4, seed=seed)
    write_both_ways(["--root", "anita", "--layout", "anita"])


@pytest.mark.parametrize(
    "columns", ["clip, video, start_frame, end_frame", "clip, video, animation, start, end_frame"]
)
def test_clips_of_videos(here: Path, columns: str) -> None:
    animation = "animation" in columns
    initial = "'{}', " if animation else ""
    values = ", ".join(
        f"('{name}:{start}', '{name}', {initial.format(name[0])}{start}, {start + 5})"
        for name in VIDEOS
        for start in (0, 3)
    )
    write_list(here / "list.parquet", values, columns)
    found = write_both_ways(["--root", "videos", "--manifest", "list.parquet"])
    assert sum(map(len, found)) == 2 * len(VIDEOS)
    assert {row[2] for part in found for row in part} == ({"o", "t", "f"} if animation else set(VIDEOS))


def test_only_the_videos_of_a_part_are_decoded(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inbetween.data import video

    decode, decoded = video.write_video_frames, []

    def counted(file: Path, *rest: Any) -> str | None:
        decoded.append(file.stem)
        return decode(file, *rest)

    monkeypatch.setattr(video, "write_video_frames", counted)
    found = write_both_ways(["--root", "videos", "--layout", "video"])
    assert sorted(decoded) == sorted(2 * VIDEOS)
    shutil.rmtree("cache")
    decoded.clear()
    assert main(["shard", "--root", "videos", "--layout", "video", "--output", "again", "--part", "2/2"]) == 0
    assert sorted(decoded) == sorted(row[2] for row in found[1])


def test_a_video_that_cannot_be_read_is_left_out_of_its_part(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (here / "videos" / "six.mp4").write_bytes(b"no video")
    found = write_both_ways(["--root", "videos", "--layout", "video"])
    assert sum(map(len, found)) == len(VIDEOS)
    assert caplog.text.count("six.mp4") == 2  # without parts, and in its own


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("0/3", "part is 0/3: give 1/8 for the first of eight parts, up to 8/8"),
        ("4/3", "part is 4/3: give"),
        ("2", "part is 2: give"),
        ("EMPTY", "There is no clip to write: part {} has no animation: go on with the next"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_is_written(
    here: Path, part: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if part == "EMPTY":
        empty = next(n for n in range(1, 51) if not any(Share(n, 50).has(name) for name in VIDEOS))
        part = f"{empty}/50"
    words = ["shard", "--root", "videos", "--layout", "video", "--output", "shards", "--part", part]
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert message.format(part) in said[0]
    assert not (here / "shards").exists()
