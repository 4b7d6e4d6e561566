"""Processes that share a cache do each piece of work once, and all of them read the same."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from inbetween.data import FolderScenes, VideoScenes, WindowSpec, store
from inbetween.io.images import read_image, read_layers
from tests.data import test_video
from tests.faults.conftest import leftovers

PROCESSES = 3


def at_once(act: Callable[[Path], np.ndarray], folder: Path) -> list[np.ndarray]:
    """What several processes get that begin at the same moment; each notes its work in `notes`."""
    context = multiprocessing.get_context("fork")
    gate, results = context.Barrier(PROCESSES), context.Queue()

    def work() -> None:
        cv2.setNumThreads(0)
        gate.wait()
        results.put(act(folder))

    processes = [context.Process(target=work) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    return found


def note(folder: Path, text: str) -> None:
    with (folder / "notes").open("a") as notes:
        notes.write(f"{text}\n")


def noted(folder: Path) -> list[str]:
    return (folder / "notes").read_text().splitlines()


def test_a_store(scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, background: tuple[int, int, int]) -> np.ndarray:
        note(tmp_path, path.name)
        return read_image(path, background)

    monkeypatch.setattr(store, "read_image", read)

    def act(folder: Path) -> np.ndarray:
        spec = WindowSpec(size=(48, 64), stride=1, cache_dir=folder / "frames")
        windows = FolderScenes(scenes_root).dataset("val", spec)
        return np.stack([windows[0, index]["first"].numpy() for index in range(len(windows))])

    first, *others = at_once(act, tmp_path)
    assert all(np.array_equal(first, other) for other in others)
    assert len(noted(tmp_path)) == 9  # each frame once
    assert leftovers(tmp_path) == []


def test_unpacked_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in "abc":
        test_video.write(clips / f"{name}.mp4")
    unpack = VideoScenes.unpack

    def counted(self: VideoScenes, file: Path, folder: Path) -> str | None:
        note(tmp_path, file.name)
        return unpack(self, file, folder)

    monkeypatch.setattr(VideoScenes, "unpack", counted)

    def act(folder: Path) -> np.ndarray:
        source = VideoScenes(clips, cache_dir=folder / "video")
        scenes = [scene for split in ("train", "val") for scene in source.scenes(split)]
        return np.stack([read_layers(scene.frames[4]).color for scene in scenes])

    first, *others = at_once(act, tmp_path)
    assert all(np.array_equal(first, other) for other in others)
    assert sorted(noted(tmp_path)) == ["a.mp4", "b.mp4", "c.mp4"]
    assert leftovers(tmp_path) == []
