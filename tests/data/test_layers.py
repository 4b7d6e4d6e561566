"""LayeredImages: windows made of still images, and the truth about their motion."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inbetween.data.layers import LayeredImages
from inbetween.data.layers.store import find_images
from inbetween.data.source import Augment, WindowSpec
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.functional.warp import backward_warp
from inbetween.types import Window
from tests.data.layer_pictures import disc, smooth

TRUTH = {"flow_01", "flow_10", "visible_01", "visible_10", "flow_t0", "flow_t1", "spacing"}
TRUTH |= {"visible_t0", "visible_t1"}


@pytest.fixture
def spec(tmp_path: Path) -> WindowSpec:
    return WindowSpec(between=2, size=(48, 64), seed=3, cache_dir=tmp_path / "cache")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve sprites, one in a folder below, and six backgrounds."""
    sprites, backgrounds = tmp_path / "sprites", tmp_path / "backgrounds"
    (sprites / "more").mkdir(parents=True)
    backgrounds.mkdir()
    for k in range(12):
        folder = sprites / "more" if k == 5 else sprites
        Image.fromarray(disc(k, 40 + 3 * k, 60 - 2 * k)).save(folder / f"sprite{k}.png")
    for k in range(6):
        Image.fromarray(smooth(50 + k, 70, 90)).save(backgrounds / f"background{k}.png")
    return sprites, backgrounds


def equal(a: Window, b: Window) -> bool:
    return all(torch.equal(a[key], b[key]) for key in ("first", "last", "targets", "t"))


def test_window_has_the_promised_shapes_ranges_and_facts(
    folders: tuple[Path, Path], spec: WindowSpec
) -> None:
    dataset = LayeredImages(*folders, length={"train": 5}, truth=True).dataset("train", spec)
    assert len(dataset) == 5
    assert set(dataset.truth) == TRUTH
    window = dataset[4, 1]
    shapes = {
        "first": (3, 48, 64), "last": (3, 48, 64), "targets": (2, 3, 48, 64), "t": (2,),
        "flow_01": (2, 48, 64), "flow_10": (2, 48, 64), "visible_01": (1, 48, 64), "visible_10": (1, 48, 64),
        "flow_t0": (2, 2, 48, 64), "flow_t1": (2, 2, 48, 64), "spacing": (2, 1, 48, 64),
        "visible_t0": (2, 1, 48, 64), "visible_t1": (2, 1, 48, 64),
    }  # fmt: skip
    for key, shape in shapes.items():
        assert window[key].shape == shape, key
        assert window[key].dtype == torch.float32, key
        assert window[key].isfinite().all(), key
    for key in ("first", "last", "targets", "visible_01", "visible_t0", "spacing"):
        assert window[key].min() >= 0, key
        assert window[key].max() <= 1, key
    assert window["t"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert window["box"].tolist() == [0, 0, 48, 64]
    assert int(window["index"]) == 1
    assert int(window["seed"]) == sample_seed(3, 4, 1)
    assert window["name"] == "layers/flat-4.1/0-1"
    with pytest.raises(IndexError):
        dataset[0, 5]


def test_what_is_visible_in_a_keyframe_looks_the_same_there(
    folders: tuple[Path, Path], spec: WindowSpec
) -> None:
    windows = LayeredImages(*folders, truth=True, motion=0.5).dataset("val", spec)
    seen, hidden = [], []
    for index in range(8):
        window = windows[0, index]
        for keyframe, number in (("first", 0), ("last", 1)):
            keyframes = window[keyframe].expand(2, -1, -1, -1)
            warped = backward_warp(keyframes, window[f"flow_t{number}"])
            off = (warped - window["targets"]).abs().mean(1, keepdim=True)
            visible = window[f"visible_t{number}"] > 0
            seen.append(off[visible])
            hidden.append(off[~visible])
    assert torch.cat(hidden).numel() > 500
    assert torch.cat(seen).mean() < 0.5 * torch.cat(hidden).mean()


def test_truth_is_given_only_when_asked_for(folders: tuple[Path, Path], spec: WindowSpec) -> None:
    assert TRUTH.isdisjoint(LayeredImages(*folders).dataset("train", spec)[0, 0])
    some = LayeredImages(*folders, truth="targets").dataset("train", spec)[0, 0]
    assert TRUTH & set(some) == {"flow_t0", "flow_t1", "spacing"}


def test_the_same_key_gives_the_same_window_and_another_gives_another(
    folders: tuple[Path, Path], spec: WindowSpec
) -> None:
    source = LayeredImages(*folders, random_t=True, styles=("finished",))
    dataset, again = source.dataset("train", spec), source.dataset("train", spec)
    other = source.dataset("train", replace(spec, seed=4))
    assert equal(dataset[0, 7], again[0, 7])
    assert not torch.equal(dataset[0, 7]["first"], dataset[1, 7]["first"])
    assert not torch.equal(dataset[0, 7]["first"], dataset[0, 8]["first"])
    assert not torch.equal(dataset[0, 7]["first"], other[0, 7]["first"])
    t = torch.stack([dataset[0, k]["t"] for k in range(6)])
    assert (t.diff(dim=1) > 0).all()
    assert t.std(dim=0).min() > 0.02


def test_evaluation_depends_on_neither_seed_nor_epoch(folders: tuple[Path, Path], spec: WindowSpec) -> None:
    source = LayeredImages(*folders, random_t=True)
    dataset, moved = source.dataset("val", spec), source.dataset("val", replace(spec, seed=99))
    assert len(dataset) == 48
    assert equal(dataset[0, 5], moved[3, 5])
    assert dataset[0, 5]["t"].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_splits_share_no_picture(folders: tuple[Path, Path]) -> None:
    by_split = {split: find_images(folders[0], split) for split in ("train", "val")}  # type: ignore[arg-type]
    assert not set(by_split["train"]) & set(by_split["val"])
    assert len(by_split["train"]) > len(by_split["val"]) > 0
    moved = folders[0] / "val"
    moved.mkdir()
    (folders[0] / "more").rename(folders[0] / "train")
    (folders[0] / "sprite1.png").rename(moved / "sprite1.png")
    assert [path.name for path in find_images(folders[0], "train")] == ["sprite5.png"]
    assert find_images(folders[0], "test") == [moved / "sprite1.png"]


def test_motion_limits_how_far_things_move(folders: tuple[Path, Path], spec: WindowSpec) -> None:
    def mean_motion(motion: float | None) -> float:
        dataset = LayeredImages(*folders, truth=True, motion=motion).dataset("val", spec)
        return float(np.mean([dataset[0, k]["flow_01"].norm(dim=0).mean() for k in range(16)]))

    assert mean_motion(0.03) < 0.4 * mean_motion(0.3)
    assert 0 < mean_motion(None) < 48 / 3


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (24, 200)])
@pytest.mark.parametrize("behind", [True, False])
def test_any_size_is_drawn_with_or_without_backgrounds(
    folders: tuple[Path, Path], spec: WindowSpec, size: tuple[int, int], behind: bool
) -> None:
    source = LayeredImages(folders[0], folders[1] if behind else None, truth=True)
    dataset = source.dataset("train", replace(spec, size=size, between=1))
    for index in range(24):
        window = dataset[0, index]
        assert window["first"].shape == (3, *size)
        assert all(window[key].isfinite().all() for key in TRUTH)


def test_styles_differ_and_lines_are_on_plain_background(
    folders: tuple[Path, Path], spec: WindowSpec
) -> None:
    def share_of_background(style: Any) -> float:
        dataset = LayeredImages(*folders, styles=(style,)).dataset("val", spec)
        frames = [(dataset[0, k]["first"].permute(1, 2, 0).reshape(-1, 3) * 32).int() for k in range(16)]
        return float(np.median([f.unique(dim=0, return_counts=True)[1].max() / len(f) for f in frames]))

    finished, sketch = share_of_background("finished"), share_of_background("sketch")
    assert finished < 0.4 < sketch


def test_colours_of_all_frames_change_alike_and_nothing_else_does(
    folders: tuple[Path, Path], spec: WindowSpec
) -> None:
    source = LayeredImages(*folders, styles=("finished",))
    plain = source.dataset("train", spec)[0, 1]
    strong = replace(spec, augment=Augment(flip=1.0, reverse=1.0, crop=0.5, color=0.5))
    changed = source.dataset("train", strong)[0, 1]
    assert torch.equal(plain["t"], changed["t"])
    before, after = (
        torch.cat([w["first"][None], w["targets"], w["last"][None]]).permute(0, 2, 3, 1).reshape(-1, 3)
        for w in (plain, changed)
    )
    unclipped = ((after > 0) & (after < 1)).all(1)
    inputs = torch.cat([before, torch.ones(len(before), 1)], dim=1)[unclipped].double()
    matrix = torch.linalg.lstsq(inputs, after[unclipped].double()).solution
    assert (inputs @ matrix - after[unclipped]).abs().max() < 3 / 255
    assert (before - after).abs().max() > 0.02


def test_pictures_are_decoded_once_and_again_when_they_change(
    folders: tuple[Path, Path], spec: WindowSpec, caplog: pytest.LogCaptureFixture
) -> None:
    source = LayeredImages(*folders)
    before = source.dataset("train", spec)[0, 0]
    stores = {path: path.stat().st_mtime_ns for path in spec.cache_dir.glob("*.rgba")}  # type: ignore[union-attr]
    assert len(stores) == 2
    dataset = source.dataset("train", spec)
    assert {path: path.stat().st_mtime_ns for path in stores} == stores
    assert equal(before, dataset[0, 0])
    for path in stores:
        path.unlink()
    with pytest.raises(UserError, match="deleted or damaged"):
        dataset[0, 0]
    assert equal(before, source.dataset("train", spec)[0, 0])
    Image.fromarray(np.zeros((20, 20, 4), np.uint8)).save(find_images(folders[0], "train")[0])
    source.dataset("train", spec)
    assert "nearly empty" in caplog.text


def test_opaque_pictures_among_the_sprites_are_backgrounds(
    folders: tuple[Path, Path], spec: WindowSpec, caplog: pytest.LogCaptureFixture
) -> None:
    for path in find_images(folders[0], "train")[:2]:
        Image.fromarray(smooth(9, 40, 40)).save(path)
    LayeredImages(folders[0]).dataset("train", spec)
    assert "2 opaque images" in caplog.text
    for path in find_images(folders[0], "train"):
        Image.fromarray(smooth(9, 40, 40)).save(path)
    with pytest.raises(UserError, match="no image with transparency"):
        LayeredImages(*folders).dataset("train", spec)


def test_a_folder_or_picture_that_cannot_be_used_is_named(
    folders: tuple[Path, Path], spec: WindowSpec, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, words in (((empty,), "has no images"), ((folders[0], empty), "has no images"),
                             ((tmp_path / "nowhere",), "no folder")):  # fmt: skip
        with pytest.raises(UserError, match=words):
            LayeredImages(*arguments).dataset("train", spec)
    Image.fromarray(disc(0, 20, 20)).save(empty / "only.png")
    with pytest.raises(UserError, match="for the val split"):
        LayeredImages(empty).dataset("val", spec)
    broken = find_images(folders[0], "train")[0]
    broken.write_bytes(b"no picture")
    with pytest.raises(UserError, match=broken.name):
        LayeredImages(*folders).dataset("train", spec)
    assert not list(spec.cache_dir.glob("*.partial"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"styles": ["painted"]}, "painted"), ({"styles": []}, "finished, flat, sketch"),
        ({"length": {"train": 0}}, "train: 0"), ({"length": {"valid": 3}}, "valid"),
        ({"motion": 0.0}, "motion"), ({"motion": 2.0}, "motion"), ({"side": 5}, "side"),
    ],
)  # fmt: skip
def test_mistakes_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        LayeredImages(Path("sprites"), **arguments)
