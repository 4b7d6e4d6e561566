"""Lists of clips as people write them: what their columns and names mean."""

from pathlib import Path

import pytest

from inbetween.__main__ import main
from tests.commands.test_shard import VIDEOS, rows, write_list
from tests.docs.newcomer import write_video


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Works in a folder with `videos` of nine frames at 12 a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("one", "two"):
        write_video(tmp_path / "videos" / f"{name}.mp4")
    return tmp_path


def test_names_in_a_list_are_texts_and_its_folder_is_no_column(here: Path) -> None:
    videos = here / "videos" / "2024" / "05"
    videos.mkdir(parents=True)
    (here / "videos" / "one.mp4").rename(videos / "06.mp4")
    (here / "caption=none").mkdir()
    text = "clip,video,start_frame,end_frame,caption\n01,2024/05/06,0,5,1.50\n"
    (here / "caption=none" / "list.csv").write_text(text)
    assert main([*VIDEOS, "--manifest", "caption=none/list.csv"]) == 0
    assert rows(here / "shards", "clip, caption") == [("2024/05/06/01", "1.50")]


def test_a_name_of_two_videos_is_left_out(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(here / "videos" / "more" / "one.mp4")
    values = "('a', 'one', 0, 5), ('b', 'more/one', 0, 5), ('c', 'two', -3, 5)"
    write_list(here / "list.parquet", values, "clip, video, start_frame, end_frame")
    assert main([*VIDEOS, "--manifest", "list.parquet"]) == 0
    assert rows(here / "shards", 'name, start, "end"') == [("b", 0, 5), ("c", 0, 5)]
    said = "1 are left out: one may be videos/more/one.mp4 or videos/one.mp4: give its path below videos."
    assert said in caplog.text


@pytest.mark.parametrize(
    ("columns", "times"),
    [
        (
            "start_frame, end_frame",
            "3::DOUBLE, 6::DOUBLE",
        ),  # as pandas writes integers where some are missing
        ("start, end_time", "0::INTEGER, 0.5"),
        ('start, "end"', "0::INTEGER, 0.5"),
    ],
)
def test_columns_named_for_frames_count_frames_and_fractions_are_seconds(
    here: Path, columns: str, times: str
) -> None:
    write_list(here / "list.parquet", f"('a', 'one', {times})", f"clip, video, {columns}")
    assert main([*VIDEOS, "--manifest", "list.parquet"]) == 0
    expected = (3, 6) if "frame" in columns else (0, 6)
    assert rows(here / "shards", 'start, "end"') == [expected]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_whole_numbers_that_are_no_integers_need_a_unit(
    here: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values = "('a', 'one', 3::DOUBLE, 6::DOUBLE), ('b', 'two', NULL, NULL)"
    write_list(here / f"list.{kind}", values, 'clip, video, start, "end"')
    assert main([*VIDEOS, "--manifest", f"list.{kind}"]) == 2
    said = "has whole numbers that are no integers in start and end: rename the columns to start_frame and"
    assert said in capsys.readouterr().err
    assert not (here / "shards").exists()
    write_list(here / f"list.{kind}", values, "clip, video, start_frame, end_frame")
    assert main([*VIDEOS, "--manifest", f"list.{kind}"]) == 0
    assert rows(here / "shards", 'start, "end"') == [(3, 6)]


def test_a_video_is_one_animation_whatever_the_list_calls_it(here: Path) -> None:
    (here / "videos" / "more").mkdir()
    (here / "videos" / "two.mp4").rename(here / "videos" / "more" / "two.mp4")
    spelled = ["one", "one.mp4", "more/two.mp4", "more/two", "two", "two.mp4"]
    values = ", ".join(f"('{k}', '{name}', {k % 3}, {k % 3 + 4})" for k, name in enumerate(spelled))
    write_list(here / "list.parquet", values, "clip, video, start_frame, end_frame")
    assert main([*VIDEOS, "--manifest", "list.parquet"]) == 0
    found = rows(here / "shards", "DISTINCT animation, split")
    assert [animation for animation, _ in found] == ["more/two", "one"]
    assert len(rows(here / "shards", "clip")) == 6
