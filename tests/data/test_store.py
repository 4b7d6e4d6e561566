"""The frame store: built once, rebuilt when it must be, shared by processes, and fast."""

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inbetween.data import FolderScenes, WindowSpec, store
from inbetween.errors import UserError
from inbetween.io.images import read_image
from tests.conftest import drawing


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded."""
    seen: list[str] = []

    def read(path: Path, background: tuple[int, int, int]) -> np.ndarray:
        seen.append(path.name)
        return read_image(path, background)

    monkeypatch.setattr(store, "read_image", read)
    return seen


def first_frames(root: Path, cache: Path) -> np.ndarray:
    windows = FolderScenes(root).dataset("val", WindowSpec(size=(48, 64), stride=1, cache_dir=cache))
    return np.stack([windows[0, index]["first"].numpy() * 255 for index in range(len(windows))])


EXPECTED = np.stack([drawing(number, seed=3) for number in range(5)]).transpose(0, 3, 1, 2)


def test_frames_are_decoded_once(scenes_root: Path, tmp_path: Path, decoded: list[str]) -> None:
    cache = tmp_path / "cache"
    assert np.array_equal(first_frames(scenes_root, cache), EXPECTED)
    assert len(decoded) == 9
    assert np.array_equal(first_frames(scenes_root, cache), EXPECTED)
    assert len(decoded) == 9
    assert sorted(path.suffix for path in cache.rglob("*") if path.is_file()) in (
        [".json", ".npy"],
        ["", ".json", ".npy"],  # and the lock
    )


def test_a_changed_file_is_decoded_anew(scenes_root: Path, tmp_path: Path, decoded: list[str]) -> None:
    first_frames(scenes_root, tmp_path / "cache")
    Image.fromarray(drawing(20)).save(scenes_root / "val" / "fox" / "walk" / "0001.png")
    changed = first_frames(scenes_root, tmp_path / "cache")
    assert np.array_equal(changed[0], drawing(20).transpose(2, 0, 1))
    assert len(decoded) == 18


def test_another_look_does_not_replace_the_first(
    scenes_root: Path, tmp_path: Path, decoded: list[str]
) -> None:
    first_frames(scenes_root, tmp_path / "cache")
    FolderScenes(scenes_root).dataset("val", WindowSpec(size=(24, 32), cache_dir=tmp_path / "cache"))
    assert np.array_equal(first_frames(scenes_root, tmp_path / "cache"), EXPECTED)
    assert len(decoded) == 18


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_index(file: Path) -> None:
    file.write_text(json.dumps({"frames": 3}))


DAMAGE = [
    (".npy", truncate),
    (".npy", empty),
    (".npy", Path.unlink),
    (".json", truncate),
    (".json", empty),
    (".json", other_index),
    (".json", Path.unlink),
]


@pytest.mark.parametrize(("suffix", "damage"), DAMAGE)
def test_a_damaged_store_is_rebuilt(scenes_root: Path, tmp_path: Path, suffix: str, damage: Any) -> None:
    cache = tmp_path / "cache"
    first_frames(scenes_root, cache)
    (file,) = cache.rglob(f"*{suffix}")
    damage(file)
    assert np.array_equal(first_frames(scenes_root, cache), EXPECTED)
    assert len(json.loads(next(cache.rglob("*.json")).read_text())["frames"]) == 9


def build_in_process(root: Path, cache: Path, results: Any) -> None:
    results.put(np.array_equal(first_frames(root, cache), EXPECTED))


@pytest.mark.slow
def test_processes_that_build_at_once_both_get_a_valid_store(scenes_root: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (scenes_root, tmp_path / "cache", results)
    processes = [context.Process(target=build_in_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    assert [results.get(timeout=120) for _ in processes] == [True] * 3
    for process in processes:
        process.join()


def test_a_damaged_frame_stops_the_build_and_leaves_no_store(scenes_root: Path, tmp_path: Path) -> None:
    path = scenes_root / "val" / "fox" / "walk" / "0005.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"0005\.png is damaged or cut short"):
        first_frames(scenes_root, tmp_path / "cache")
    assert not [
        file for file in (tmp_path / "cache").rglob("*") if file.suffix in (".json", ".npy", ".partial")
    ]
    path.write_bytes(whole)
    assert np.array_equal(first_frames(scenes_root, tmp_path / "cache"), EXPECTED)


def test_frames_of_different_sizes_are_named(scenes_root: Path, tmp_path: Path) -> None:
    Image.fromarray(drawing(3, 48, 60)).save(scenes_root / "val" / "fox" / "walk" / "0004.png")
    with pytest.raises(UserError, match=r"0001\.png has 64x48 pixels, .*0004\.png has 60x48"):
        first_frames(scenes_root, tmp_path / "cache")


def test_a_store_that_cannot_be_written_is_one_sentence(scenes_root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        first_frames(scenes_root, tmp_path / "cache")


@pytest.mark.slow
def test_reading_a_window_is_20_times_faster_than_decoding_it(tmp_path: Path) -> None:
    """Five 1920x1080 PNGs decoded and fitted, against the same window from the second epoch on."""
    from inbetween.data.fit import Fit

    scene = tmp_path / "s" / "val" / "cat" / "walk"
    scene.mkdir(parents=True)
    random = np.random.default_rng(0)
    sheet = np.asarray(
        Image.fromarray(random.integers(0, 256, (27, 48, 3)).astype(np.uint8)).resize((1920, 1080))
    )
    for number in range(9):
        Image.fromarray(np.roll(sheet, 40 * number, axis=1)).save(scene / f"{number}.png", compress_level=6)
    windows = FolderScenes(tmp_path / "s").dataset("val", WindowSpec(cache_dir=tmp_path / "cache", stride=1))
    fit = Fit((1080, 1920), (256, 256), "pad")

    def seconds(act: Any, times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            act()
        return (time.perf_counter() - start) / times

    windows[0, 0]
    decode = seconds(lambda: [fit.picture(read_image(scene / f"{n}.png", (255,) * 3)) for n in range(5)], 3)
    read = seconds(lambda: [windows[1, index] for index in range(len(windows))], 20) / len(windows)
    print(f"decoding {1 / decode:.1f} windows/s, from the store {1 / read:.0f}: {decode / read:.0f} times")
    assert decode / read >= 20
    assert windows[1, 0]["first"].shape == torch.Size([3, 256, 256])
    assert next((tmp_path / "cache").rglob("*.npy")).stat().st_size == 128 + 9 * 144 * 256 * 3
