"""Shards are compared with folders, at a size where it takes a moment."""

import pytest

from benchmarks.shards import measure


@pytest.mark.slow  # draws and decodes frames many times
def test_shards_are_about_as_fast_as_folders(capsys: pytest.CaptureFixture[str]) -> None:
    found = measure(scenes=8, frames=12, height=216, width=288, size=128, rounds=3)
    out = capsys.readouterr().out
    assert "frames per second" in out
    assert "ratio" in out
    assert "streamed" in found
    # a busy machine may slow down one of them, but not by half
    for folders, shards in zip(found["folders"], found["shards"], strict=True):
        assert shards > folders / 2
