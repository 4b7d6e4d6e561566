"""Drawings that are held out: no training window shows one of them, whatever its folder."""

import shutil
from pathlib import Path

import pytest

from inbetween.data import HeldOutScenes, WindowSpec
from inbetween.data.windows import SceneWindows
from inbetween.errors import UserError
from inbetween.types import Split
from tests.conftest import DrawScene


@pytest.fixture
def spec(tmp_path: Path) -> WindowSpec:
    return WindowSpec(between=1, gaps=(1, 2), stride=1, size=(32, 32), cache_dir=tmp_path / "store")


def files_of(source: HeldOutScenes, split: Split, spec: WindowSpec) -> set[tuple[str, int]]:
    """Folder and number of each drawing in the windows of a split."""
    windows = source.dataset(split, spec)
    assert isinstance(windows, SceneWindows)
    return {
        (windows.scenes[place].scene.animation, number)
        for place, numbers in windows.windows
        for number in numbers
    }


def test_a_scene_is_held_out(tmp_path: Path, draw_scene: DrawScene, spec: WindowSpec) -> None:
    for seed, name in enumerate(("walk", "run")):
        draw_scene(tmp_path / name, seed=seed)
    source = HeldOutScenes(tmp_path, ["walk", "run"], {"run": (0, 8)})
    assert files_of(source, "train", spec) == {("walk", number) for number in range(9)}
    assert files_of(source, "val", spec) == {("run", number) for number in range(9)}
    assert len(source.dataset("val", spec)) == 7 + 5


def test_the_end_of_a_scene_is_held_out_with_a_margin(
    tmp_path: Path, draw_scene: DrawScene, spec: WindowSpec
) -> None:
    draw_scene(tmp_path, 15)
    source = HeldOutScenes(tmp_path, ["."], {".": (10, 14)}, margin=2)
    assert files_of(source, "train", spec) == {(".", number) for number in range(8)}
    assert files_of(source, "val", spec) == {(".", number) for number in range(10, 15)}


def test_the_margin_counts_held_drawings_once(
    tmp_path: Path, draw_scene: DrawScene, spec: WindowSpec
) -> None:
    draw_scene(tmp_path, [number // 2 for number in range(30)])
    source = HeldOutScenes(tmp_path, ["."], {".": (20, 29)}, margin=2)
    assert files_of(source, "train", spec) == {(".", number) for number in range(0, 16, 2)}
    source = HeldOutScenes(tmp_path, ["."], {".": (0, 9)}, margin=2)
    assert files_of(source, "train", spec) == {(".", number) for number in range(14, 30, 2)}


def test_what_looks_the_same_is_held_out_as_well(
    tmp_path: Path, draw_scene: DrawScene, spec: WindowSpec
) -> None:
    draw_scene(tmp_path / "walk", seed=0)
    draw_scene(tmp_path / "run", seed=1)
    # the walk begins with a pose of the run
    shutil.copy(tmp_path / "run" / "0004.png", tmp_path / "walk" / "0001.png")
    source = HeldOutScenes(tmp_path, ["walk", "run"], {"run": (0, 8)})
    assert files_of(source, "train", spec) == {("walk", number) for number in range(1, 9)}


def test_nothing_is_left(tmp_path: Path, draw_scene: DrawScene, spec: WindowSpec) -> None:
    draw_scene(tmp_path / "walk", seed=0)
    with pytest.raises(UserError, match="has no window for training"):
        HeldOutScenes(tmp_path, ["walk"], {"walk": (2, 8)}).dataset("train", spec)
    with pytest.raises(UserError, match="has no window among the drawings held out"):
        HeldOutScenes(tmp_path, ["walk"], {"walk": (7, 8)}).dataset("val", spec)
    with pytest.raises(UserError, match="run, which is none of the folders"):
        HeldOutScenes(tmp_path, ["walk"], {"run": (0, 8)})
    with pytest.raises(UserError, match="There is no folder"):
        HeldOutScenes(tmp_path, ["run"]).dataset("train", spec)
