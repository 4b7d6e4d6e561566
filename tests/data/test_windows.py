"""How scenes are cut into windows, and what a window holds."""

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inbetween.data import Augment, FolderScenes, WindowSpec
from inbetween.data.augment import augment_images, recolor
from inbetween.data.source import WindowDataset
from inbetween.data.windows import windows_of
from inbetween.errors import UserError
from tests.conftest import drawing


@pytest.mark.parametrize("between", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("gap", [1, 2])
def test_windows_reach_to_the_last_drawing_that_fits(between: int, stride: int, gap: int) -> None:
    for length in range(20):
        found = windows_of(list(range(length)), WindowSpec(between=between, stride=stride, gaps=(gap,)))
        span = (between + 1) * gap + 1
        assert len(found) == (max((length - span) // stride + 1, 0) if length >= span else 0)
        for k, window in enumerate(found):
            assert window == tuple(range(k * stride, k * stride + span, gap))
        if found and stride == 1:
            assert found[-1][-1] == length - 1


def open_windows(root: Path, tmp_path: Path, **spec: Any) -> WindowDataset:
    spec = {"size": (48, 64), "stride": 1, **spec}
    return FolderScenes(root).dataset("train", WindowSpec(cache_dir=tmp_path / "cache", **spec))


def names(windows: WindowDataset) -> list[str]:
    return [windows[0, index]["name"] for index in range(len(windows))]


def test_a_window_holds_its_frames_exactly(scenes_root: Path, tmp_path: Path) -> None:
    windows = open_windows(scenes_root, tmp_path, gaps=(1, 2), seed=3)
    assert names(windows)[:6] == [f"cat/walk/000{k}-000{k + 4}" for k in range(1, 6)] + ["cat/walk/0001-0009"]
    window = windows[2, 5]
    assert window["t"].tolist() == [0.25, 0.5, 0.75]
    assert window["box"].tolist() == [0, 0, 48, 64]
    assert window["index"].item() == 5
    frames = torch.stack([window["first"], *window["targets"], window["last"]])
    expected = np.stack([drawing(number) for number in (0, 2, 4, 6, 8)]).transpose(0, 3, 1, 2) / np.float32(
        255
    )
    assert torch.equal(frames, torch.from_numpy(expected))
    assert window["seed"] != windows[1, 5]["seed"]
    assert window["seed"] == pickle.loads(pickle.dumps(windows))[2, 5]["seed"]
    assert len(set(names(windows))) == len(windows)


def test_holds_are_collapsed_unless_asked_for(tmp_path: Path, draw_scene: Any) -> None:
    draw_scene(tmp_path / "s" / "train" / "cat" / "walk", [0, 0, 1, 1, 1, 2, 3, 3, 4, 4])
    collapsed = open_windows(tmp_path / "s", tmp_path)
    assert names(collapsed) == ["cat/walk/0001-0009"]
    assert torch.equal(collapsed[0, 0]["targets"][1] * 255, torch.from_numpy(drawing(2)).permute(2, 0, 1))
    assert len(open_windows(tmp_path / "s", tmp_path, collapse_holds=False)) == 6


def test_no_window_spans_a_cut(tmp_path: Path) -> None:
    from tests.data.test_shots import shot

    scene = tmp_path / "s" / "train" / "cat" / "walk"
    scene.mkdir(parents=True)
    for number, frame in enumerate(shot(1, 7) + shot(2, 6)):
        Image.fromarray(frame).save(scene / f"{number}.png")
    assert names(open_windows(tmp_path / "s", tmp_path)) == [f"cat/walk/{k}-{k + 4}" for k in (0, 1, 2, 7, 8)]


def test_short_scenes_are_left_out_with_one_line(
    scenes_root: Path, tmp_path: Path, draw_scene: Any, caplog: pytest.LogCaptureFixture
) -> None:
    draw_scene(scenes_root / "train" / "ant" / "walk", 4, seed=9)
    with caplog.at_level(logging.INFO):
        windows = open_windows(scenes_root, tmp_path)
    assert len(windows) == 15
    assert "1 of 4 scenes are too short" in caplog.text
    with pytest.raises(UserError, match="needs 13 frames in a row, the longest of 4 scenes has 9"):
        open_windows(scenes_root, tmp_path, gaps=(3,))


def test_padding_lies_around_the_box(scenes_root: Path, tmp_path: Path) -> None:
    window = open_windows(scenes_root, tmp_path, size=(64, 64), background=(0, 255, 0))[0, 0]
    top, left, height, width = window["box"].tolist()
    assert (top, left, height, width) == (8, 0, 48, 64)
    green = torch.tensor([0.0, 1.0, 0.0])[:, None, None].expand(3, 8, 64)
    assert torch.equal(window["first"][:, :8], green)
    assert torch.equal(window["last"][:, 56:], green)
    assert window["first"][:, 8].min() == 1


def test_changes_come_from_seed_epoch_and_index_alone(scenes_root: Path, tmp_path: Path) -> None:
    first, second = (open_windows(scenes_root, tmp_path, augment=Augment()) for _ in range(2))
    second[0, 3]
    assert torch.equal(first[1, 2]["first"], second[1, 2]["first"])
    different = [first[epoch, 2]["first"] for epoch in range(4)]
    assert all(not torch.equal(different[0], other) for other in different[1:])
    assert all(value.shape == (3, 48, 64) for value in different)


def test_time_is_reversed_as_a_whole(scenes_root: Path, tmp_path: Path) -> None:
    plain = open_windows(scenes_root, tmp_path)[0, 0]
    back = open_windows(scenes_root, tmp_path, augment=Augment(0, 1, 1, 0))[0, 0]
    assert torch.equal(back["first"], plain["last"])
    assert torch.equal(back["targets"], plain["targets"].flip(0))
    assert torch.equal(back["t"], plain["t"])


def test_each_change_does_what_it_says() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3)).astype(np.uint8)

    def change(**augment: float) -> np.ndarray:
        off = {"flip": 0.0, "reverse": 0.0, "crop": 1.0, "color": 0.0}
        return augment_images(pictures, 20, 30, Augment(**(off | augment)), seed=1)[0]

    assert np.array_equal(change(), pictures)
    assert np.array_equal(change(flip=1.0), pictures[:, :, ::-1])
    assert np.array_equal(change(reverse=1.0), pictures[::-1])
    assert change(crop=0.5).shape == pictures.shape
    assert not np.array_equal(change(crop=0.5), pictures)
    flips = [
        not np.array_equal(augment_images(pictures, 20, 30, Augment(0.5, 0, 1, 0), seed)[0], pictures)
        for seed in range(400)
    ]
    assert 160 < sum(flips) < 240


def test_colours_change_as_documented() -> None:
    pixels = np.array([[[[100, 100, 100], [200, 50, 50], [255, 255, 255]]]], np.uint8)
    assert np.array_equal(recolor(pixels, np.zeros(3)), pixels)
    assert recolor(pixels, np.array([0.1, 0, 0]))[0, 0].tolist() == [[110] * 3, [220, 55, 55], [255] * 3]
    assert recolor(pixels, np.array([0, -0.5, 0]))[0, 0, 0].tolist() == [114] * 3
    # a third of the circle: red becomes green, greys stay
    turned = recolor(pixels, np.array([0, 0, 2 / 3]))[0, 0]
    assert turned.tolist() == [[100] * 3, [50, 200, 50], [255] * 3]


@pytest.mark.parametrize(
    ("between", "index", "numbers"),
    [
        (1, 0, (0, 2, 4)),
        (1, 4, (4, 6, 8)),
        (1, 5, (3, 5, 7)),  # nothing follows: the keyframe before
        (3, 0, (0, 4, 8)),
        (3, 1, None),  # drawings 1 to 5 of 0 to 8
        (3, 4, (0, 4, 8)),
    ],
)
def test_three_keyframes_as_far_apart_as_those_of_the_window(
    scenes_root: Path, tmp_path: Path, between: int, index: int, numbers: tuple[int, ...] | None
) -> None:
    found = open_windows(scenes_root, tmp_path, between=between, size=(64, 64)).keyframe_triplet(index)
    if numbers is None:
        assert found is None
        return
    assert found is not None
    drawn = np.stack([drawing(number) for number in numbers]).transpose(0, 3, 1, 2) / np.float32(255)
    assert torch.equal(found[..., 8:56, :], torch.from_numpy(drawn))
    assert (found[..., :8, :] == 1).all()


def test_keyframe_triplets_know_holds_and_cuts(tmp_path: Path, draw_scene: Any) -> None:
    from tests.data.test_shots import shot

    draw_scene(tmp_path / "held" / "train" / "cat" / "walk", [0, 0, 1, 1, 1, 2, 3, 3, 4, 4])
    held = open_windows(tmp_path / "held", tmp_path, between=1).keyframe_triplet(0)
    drawn = np.stack([drawing(number) for number in (0, 2, 4)]).transpose(0, 3, 1, 2) / np.float32(255)
    assert held is not None
    assert torch.equal(held, torch.from_numpy(drawn))
    scene = tmp_path / "cut" / "train" / "cat" / "walk"
    scene.mkdir(parents=True)
    for number, frame in enumerate(shot(1, 4) + shot(2, 7)):
        Image.fromarray(frame).save(scene / f"{number}.png")
    windows = open_windows(tmp_path / "cut", tmp_path, between=1)
    assert names(windows)[:3] == ["cat/walk/0-2", "cat/walk/1-3", "cat/walk/4-6"]
    assert windows.keyframe_triplet(0) is None  # four drawings, where five are needed
    assert windows.keyframe_triplet(1) is None
    after = windows.keyframe_triplet(2)
    assert after is not None
    assert torch.equal(after[2], windows[0, 4]["last"])


MISTAKES = [
    ({"between": 0}, "between is 0"),
    ({"gaps": (0,)}, r"gaps is \[0\]"),
    ({"gaps": ()}, r"gaps is \[\]"),
    ({"stride": 0}, "stride is 0"),
    ({"size": (0, 64)}, r"size is \[0, 64\]"),
    ({"size": (64, 100_000)}, r"size is \[64, 100000\]"),
    ({"background": (0, 0, 256)}, "background is"),
]


@pytest.mark.parametrize(("values", "sentence"), MISTAKES)
def test_impossible_windows_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        WindowSpec(**values)


@pytest.mark.parametrize("values", [{"flip": 1.1}, {"reverse": -1}, {"crop": 0}, {"crop": 1.5}, {"color": 2}])
def test_impossible_changes_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"augment.{next(iter(values))} is"):
        Augment(**values)


def test_pictures_that_come_back_have_ids_and_changed_ones_none(scenes_root: Path, tmp_path: Path) -> None:
    windows = open_windows(scenes_root, tmp_path, between=2)
    early, late = windows[0, 0], windows[1, 1]
    assert early["frame_ids"].dtype == torch.int64
    assert len(set(early["frame_ids"].tolist())) == 4
    assert (
        early["frame_ids"][1:].tolist() == late["frame_ids"][:3].tolist()
    )  # a drawing further on, any epoch
    assert windows[0, 0]["frame_ids"].tolist() == early["frame_ids"].tolist()
    other_size = open_windows(scenes_root, tmp_path, between=2, size=(24, 32))[0, 0]
    assert not set(other_size["frame_ids"].tolist()) & set(early["frame_ids"].tolist())

    path = scenes_root / "train" / "cat" / "walk" / "0001.png"
    os.utime(path, ns=(1, 1))
    touched = open_windows(scenes_root, tmp_path, between=2)[0, 0]["frame_ids"]
    assert (touched != early["frame_ids"]).tolist() == [True, False, False, False]

    backwards = Augment(flip=0, crop=1, color=0, reverse=1)
    reverse = open_windows(scenes_root, tmp_path, between=2, augment=backwards)[0, 0]
    assert reverse["frame_ids"].tolist() == touched.flip(0).tolist()
    for change in ({"flip": 0.1}, {"crop": 0.9}, {"color": 0.1}):
        augment = Augment(**{"flip": 0, "crop": 1, "color": 0, "reverse": 0, **change})
        assert "frame_ids" not in open_windows(scenes_root, tmp_path, between=2, augment=augment)[0, 0]
