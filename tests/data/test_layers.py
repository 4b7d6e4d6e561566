"""LayeredImages: windows made of still pictures, and the truth about their motion."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from inbetween.data.layers import LayeredImages
from inbetween.data.layers.motion import Bend, Camera, Hinge, Motion, Pose
from inbetween.data.layers.moves import Mover
from inbetween.data.layers.puppet import taken_apart
from inbetween.data.layers.scene import Layer, LayerScene, spacing
from inbetween.data.layers.store import find_pictures
from inbetween.data.source import Augment, WindowSpec
from inbetween.data.synthetic.motion import Ease
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.types import Window

TRUTH = {"flow_01", "flow_10", "visible_01", "visible_10", "flow_t0", "flow_t1", "spacing"}


def smooth(seed: int, height: int, width: int) -> np.ndarray:
    """A picture (height, width, 3) without sharp edges."""
    noise = np.random.default_rng(seed).uniform(0, 255, (max(height // 8, 2), max(width // 8, 2), 3))
    picture = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return picture.clip(0, 255).astype(np.uint8)


def disc(seed: int, height: int, width: int) -> np.ndarray:
    """The same as an ellipse (height, width, 4)."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    opacity = np.where(np.hypot(x, y) < 0.97, 255, 0).astype(np.uint8)
    return np.dstack([smooth(seed, height, width), opacity])


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
    }  # fmt: skip
    for key, shape in shapes.items():
        assert window[key].shape == shape, key
        assert window[key].dtype == torch.float32, key
        assert window[key].isfinite().all(), key
    for key in ("first", "last", "targets", "visible_01", "spacing"):
        assert window[key].min() >= 0, key
        assert window[key].max() <= 1, key
    assert window["t"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert window["box"].tolist() == [0, 0, 48, 64]
    assert int(window["index"]) == 1
    assert int(window["seed"]) == sample_seed(3, 4, 1)
    assert window["name"] == "layers/flat-4.1/0-1"
    with pytest.raises(IndexError):
        dataset[0, 5]


def test_truth_is_given_only_when_asked_for(folders: tuple[Path, Path], spec: WindowSpec) -> None:
    assert TRUTH.isdisjoint(LayeredImages(*folders).dataset("train", spec)[0, 0])
    some = LayeredImages(*folders, truth="targets").dataset("train", spec)[0, 0]
    assert TRUTH & set(some) == {"flow_t0", "flow_t1", "spacing"}


def test_the_same_key_gives_the_same_window_and_another_gives_another(
    folders: tuple[Path, Path], spec: WindowSpec
) -> None:
    source = LayeredImages(*folders, random_t=True, looks=("finished",))
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
    dealt = {split: find_pictures(folders[0], split) for split in ("train", "val")}  # type: ignore[arg-type]
    assert not set(dealt["train"]) & set(dealt["val"])
    assert len(dealt["train"]) > len(dealt["val"]) > 0
    moved = folders[0] / "val"
    moved.mkdir()
    (folders[0] / "more").rename(folders[0] / "train")
    (folders[0] / "sprite1.png").rename(moved / "sprite1.png")
    assert [path.name for path in find_pictures(folders[0], "train")] == ["sprite5.png"]
    assert find_pictures(folders[0], "test") == [moved / "sprite1.png"]


def scene_of(bends: bool) -> LayerScene:
    """A background under a camera, and a sprite that turns, grows and bends, with spacings of their own."""
    size = (96, 128)
    opaque = np.dstack([smooth(1, 160, 200), np.full((160, 200), 255, np.uint8)])
    sprite = disc(2, 70, 90)
    sprite[..., :3][sprite[..., 3] == 0] = 0
    waves = np.array([[0.09, 0.04, 2.0, 3.0, 0.3, 0.0, -1.0, 1.0], [0.0, 0.1, 1.0, 0.0, 1.0, 20.0, 1.0, 1.0]])
    bend = Bend(Ease(1.5, 1.0), waves, Hinge(3.0, -2.0, 0.4, 40.0, -0.1, 0.12), 55.0)
    camera = Camera(
        Motion(Pose(-4, 2, -0.03, -0.04), Pose(5, -3, 0.04, 0.06), Ease(1.8, 1.0), shake=0.5, beat=9)
    )
    path = Motion(Pose(-14, -6, -0.2, -0.1, 0.05), Pose(16, 5, 0.2, 0.1, -0.1), Ease(1.0, 2.0), arc=0.2)
    layers = [
        Layer(opaque, 1.3, Motion(Pose(3, 4), Pose(3, 4)), endless=True),
        Layer(sprite, 1.2, path, bend if bends else None, depth=1.4),
    ]
    return LayerScene(layers, camera, size, 0.5)


@pytest.mark.parametrize("bends", [False, True])
def test_keyframes_warped_by_the_flow_give_the_frame_where_its_points_are_seen(bends: bool) -> None:
    scene = scene_of(bends)
    y, x = np.mgrid[:96, :128].astype(np.float32)
    for t in (0.3, 0.5):
        frame = scene.draw(t, (0.0, 1.0))
        for k, key in enumerate((0.0, 1.0)):
            there = scene.draw(key)
            flow = frame.flows[..., 2 * k : 2 * k + 2]
            assert np.hypot(*np.moveaxis(flow, -1, 0)).max() > 8
            warped = cv2.remap(
                there.image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
            )
            seen = (
                cv2.erode(scene.visible(frame._replace(flows=flow), there)[0], np.ones((5, 5)))[..., None] > 0
            )
            assert seen.mean() > 0.5
            difference = np.abs(warped.astype(int) - frame.image)[np.broadcast_to(seen, warped.shape)]
            unmoved = np.abs(there.image.astype(int) - frame.image)[np.broadcast_to(seen, warped.shape)]
            assert difference.mean() < 1.5
            assert np.percentile(difference, 99) < 8
            assert difference.mean() < 0.12 * unmoved.mean()


def test_a_bend_is_undone_and_never_folds() -> None:
    rng = np.random.default_rng(0)
    waves = np.column_stack([rng.normal(0, 0.2, (3, 2)), rng.normal(0, 9, (3, 2)), rng.uniform(0, 9, (3, 4))])
    bend = Bend(Ease(), waves, Hinge(5.0, 3.0, 1.0, 20.0, -1.2, 1.2), 60.0)
    points = rng.uniform(-50, 50, (200, 2))
    for s in (0.0, 0.4, 1.0):
        moved = points + bend.offsets(points, s)
        assert np.abs(bend.offsets(points, s)).max() > 0.5
        assert np.hypot(*bend.offsets(points, s).T).max() <= bend.reach
        assert np.abs(bend.undo(moved, s) - points).max() < 0.1


def test_limbs_that_do_not_swing_leave_a_sprite_as_it_is_and_those_that_do_turn_about_their_joint() -> None:
    pose = Motion(Pose(3.5, -2, 0.3), Pose(3.5, -2, 0.3))
    sprite = Layer(disc(6, 72, 88), 1.2, pose)
    still = Motion(Pose(), Pose())
    paper = Layer(np.full((96, 128, 4), 255, np.uint8), 1.0, still, depth=0.0, endless=True)
    rng = np.random.default_rng(0)

    def drawn(layers: list[Layer]) -> np.ndarray:
        frame = LayerScene([paper, *layers], Camera(still), (96, 128), 0.5).draw(0.7)
        return frame.image.astype(int)[cv2.erode(frame.layer, np.ones((5, 5))) > 0]

    whole = drawn([sprite])
    limbs = 0
    for _ in range(6):
        parts = taken_apart(sprite, Mover((96, 128), 1e-6, 1.0, rng), rng)
        limbs += len(parts) - 1
        assert np.abs(drawn(parts) - whole).max() < 24  # but for its edge, which lies there twice
        for part in taken_apart(sprite, Mover((96, 128), 0.5, 1.0, rng), rng):
            joint = [[*part.motion.pivot, 1.0]]
            for s in (0.0, 0.6):
                assert part.motion.matrix(s) @ joint[0] == pytest.approx(joint[0]) or part.motion is pose
    assert limbs >= 6


def test_an_in_between_is_where_its_own_spacing_puts_it_and_the_map_says_so() -> None:
    texture = disc(3, 16, 16)
    still = Motion(Pose(), Pose())
    paper = Layer(np.full((40, 60, 4), 255, np.uint8), 1.0, still, depth=0.0, endless=True)
    slow = Layer(texture, 1.0, Motion(Pose(-16, -10), Pose(16, -10), Ease(2.0, 1.0)))
    held = Layer(texture, 1.0, Motion(Pose(0, 10), Pose(0, 10)))
    scene = LayerScene([paper, slow, held], Camera(still), (40, 60), 0.5)
    frame = scene.draw(0.5, (0.0, 1.0))
    flows = frame.flows.transpose(2, 0, 1)
    shares = spacing(flows[:2], flows[2:], 0.5)[0]
    share = Ease(2.0, 1.0)(0.5)
    assert share < 0.4
    assert shares[frame.layer == 1] == pytest.approx(share, abs=1e-3)
    assert (shares[frame.layer != 1] == 0.5).all()
    columns = np.nonzero(frame.layer == 1)[1]
    assert columns.mean() == pytest.approx(29.5 - 16 + 32 * share, abs=0.5)
    assert (flows[:, frame.layer != 1] == 0).all()
    assert flows[2][frame.layer == 1] == pytest.approx(32 * (1 - share), abs=1e-3)


def test_a_hidden_point_is_not_visible() -> None:
    still = Motion(Pose(), Pose())
    paper = Layer(np.full((32, 64, 4), 255, np.uint8), 1.0, still, depth=0.0, endless=True)
    disc_over = Layer(disc(4, 20, 20), 1.0, Motion(Pose(-20, 0), Pose(20, 0)))
    scene = LayerScene([paper, disc_over], Camera(still), (32, 64), 0.5)
    first, last = scene.draw(0.0, (1.0,)), scene.draw(1.0, (0.0,))
    visible = scene.visible(first, last)[0]
    assert visible[first.layer == 1].min() == 1
    assert visible[15, 51] == 0
    assert visible[2, 30] == 1


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


def test_looks_differ_lines_are_on_paper(folders: tuple[Path, Path], spec: WindowSpec) -> None:
    def share_of_paper(look: Any) -> float:
        dataset = LayeredImages(*folders, looks=(look,)).dataset("val", spec)
        frames = [(dataset[0, k]["first"].permute(1, 2, 0).reshape(-1, 3) * 32).int() for k in range(16)]
        return float(np.median([f.unique(dim=0, return_counts=True)[1].max() / len(f) for f in frames]))

    finished, sketch = share_of_paper("finished"), share_of_paper("sketch")
    assert finished < 0.4 < sketch


def test_colours_of_all_frames_change_alike_and_nothing_else_does(
    folders: tuple[Path, Path], spec: WindowSpec
) -> None:
    source = LayeredImages(*folders, looks=("finished",))
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
    Image.fromarray(np.zeros((20, 20, 4), np.uint8)).save(find_pictures(folders[0], "train")[0])
    source.dataset("train", spec)
    assert "next to nothing" in caplog.text


def test_opaque_pictures_among_the_sprites_are_backgrounds(
    folders: tuple[Path, Path], spec: WindowSpec, caplog: pytest.LogCaptureFixture
) -> None:
    for path in find_pictures(folders[0], "train")[:2]:
        Image.fromarray(smooth(9, 40, 40)).save(path)
    LayeredImages(folders[0]).dataset("train", spec)
    assert "2 opaque pictures" in caplog.text
    for path in find_pictures(folders[0], "train"):
        Image.fromarray(smooth(9, 40, 40)).save(path)
    with pytest.raises(UserError, match="no picture with transparency"):
        LayeredImages(*folders).dataset("train", spec)


def test_a_folder_or_picture_that_cannot_be_used_is_named(
    folders: tuple[Path, Path], spec: WindowSpec, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, words in (((empty,), "has no pictures"), ((folders[0], empty), "has no pictures"),
                             ((tmp_path / "nowhere",), "no folder")):  # fmt: skip
        with pytest.raises(UserError, match=words):
            LayeredImages(*arguments).dataset("train", spec)
    Image.fromarray(disc(0, 20, 20)).save(empty / "only.png")
    with pytest.raises(UserError, match="for the val split"):
        LayeredImages(empty).dataset("val", spec)
    broken = find_pictures(folders[0], "train")[0]
    broken.write_bytes(b"no picture")
    with pytest.raises(UserError, match=broken.name):
        LayeredImages(*folders).dataset("train", spec)
    assert not list(spec.cache_dir.glob("*.partial"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"looks": ["painted"]}, "painted"), ({"looks": []}, "finished, flat, sketch"),
        ({"length": {"train": 0}}, "train: 0"), ({"length": {"valid": 3}}, "valid"),
        ({"motion": 0.0}, "motion"), ({"motion": 2.0}, "motion"), ({"side": 5}, "side"),
    ],
)  # fmt: skip
def test_mistakes_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        LayeredImages(Path("sprites"), **arguments)
