"""Which scenes are found, in which order, and in which split."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inbetween.data import AnitaScenes, FolderScenes, Scene, WindowSpec
from inbetween.data.scenes import SPLITS, split_by_name
from inbetween.errors import UserError
from inbetween.io.listing import natural_key


def labels(scenes: list[Scene]) -> list[str]:
    return [scene.label for scene in scenes]


def test_names_sort_as_people_count() -> None:
    names = ["10", "2", "1", "a10", "a2", "B3", "b1", "02"]
    assert sorted(names, key=natural_key) == ["1", "02", "2", "10", "a2", "a10", "b1", "B3"]


def test_frames_are_ordered_and_litter_is_ignored(tmp_path: Path, draw_scene: Any) -> None:
    scene = tmp_path / "cat" / "walk"
    for path, name in zip(draw_scene(scene, 3), ["f10.png", "f9.png", "f2.png"], strict=True):
        path.rename(scene / name)
    for name in ("._f2.png", "Thumbs.db", ".DS_Store", "notes.txt"):
        (scene / name).write_bytes(b"")
    draw_scene(tmp_path / "__MACOSX" / "walk", 3)
    draw_scene(tmp_path / ".trash" / "walk", 3)
    (found,) = FolderScenes(tmp_path).scenes("train")
    assert found.label == "cat/walk"
    assert [path.name for path in found.frames] == ["f2.png", "f9.png", "f10.png"]


def test_folders_nest_at_any_depth(tmp_path: Path, draw_scene: Any) -> None:
    for name in ("train/cat", "train/dog/a/b", "train/dog/a", "val/Füchse 狐/läuft"):
        draw_scene(tmp_path / name, 2)
    source = FolderScenes(tmp_path)
    assert labels(source.scenes("train")) == ["cat", "dog/a", "dog/a/b"]
    assert labels(source.scenes("val")) == ["Füchse 狐/läuft"]
    assert source.scenes("test") == source.scenes("val")


def test_links_are_followed_but_not_round_in_circles(tmp_path: Path, draw_scene: Any) -> None:
    draw_scene(tmp_path / "elsewhere" / "walk", 2)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "root")
    assert labels(FolderScenes(tmp_path / "root").scenes("train")) == ["cat/walk"]


def test_both_layouts_of_anita_give_the_same_scenes(tmp_path: Path, draw_scene: Any) -> None:
    for kind in ("color", "sketch"):
        draw_scene(tmp_path / "published" / "cat" / "walk" / kind, 2)
        draw_scene(tmp_path / "split" / "train" / "cat" / kind / "walk", 2)
    published = AnitaScenes(tmp_path / "published").scenes("train")
    split = AnitaScenes(tmp_path / "split").scenes("train")
    assert labels(published) == labels(split) == ["cat/walk/color", "cat/walk/sketch"]
    assert labels(AnitaScenes(tmp_path / "split", ["sketch"]).scenes("train")) == ["cat/walk/sketch"]
    with pytest.raises(UserError, match="no frames of kind 'composition': it has color, sketch"):
        AnitaScenes(tmp_path / "split", ["color", "composition"]).scenes("train")


NAMES = [f"animation {number}" for number in range(200)]


def deal(names: list[str]) -> dict[str, list[str]]:
    scenes = [Scene(name, scene, "", (Path("1.png"),)) for name in names for scene in ("a", "b")]
    return {split: labels(found) for split, found in split_by_name(scenes).items()}


def test_no_animation_is_in_two_splits() -> None:
    dealt = deal(NAMES)
    animations = [{label.split("/")[0] for label in dealt[split]} for split in SPLITS]
    assert sum(len(names) for names in animations) == len(set().union(*animations)) == len(NAMES)
    assert sum(len(found) for found in dealt.values()) == 2 * len(NAMES)
    assert [round(len(names), -1) for names in animations] == pytest.approx([160, 20, 20], abs=20)


def test_a_name_keeps_its_split_when_others_come_and_in_other_processes() -> None:
    few, many = deal(NAMES[:50]), deal(NAMES)
    assert all(set(few[split]) <= set(many[split]) for split in SPLITS)
    code = f"from tests.data.test_scenes import deal, NAMES; print(hash('a'), deal(NAMES) == {many!r})"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split()[1] == "True"


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_animations_still_train_and_validate(count: int) -> None:
    for first in range(0, 50, count):
        dealt = deal(NAMES[first : first + count])
        assert dealt["train"]
        assert bool(dealt["val"]) == (count > 1)


def test_mistakes_end_in_one_sentence(tmp_path: Path, draw_scene: Any) -> None:
    for source in (FolderScenes, AnitaScenes):
        with pytest.raises(UserError, match=r"There is no folder .*nowhere"):
            source(tmp_path / "nowhere").scenes("train")
        with pytest.raises(UserError, match="has no scenes"):
            source(tmp_path).scenes("train")
    draw_scene(tmp_path / "train" / "cat" / "walk", 9)
    with pytest.raises(UserError, match="no animation for the val split"):
        FolderScenes(tmp_path).dataset("val", WindowSpec())
