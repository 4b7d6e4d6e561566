"""SyntheticAnimation: the windows that methods train on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from inbetween.data.source import Augment, WindowSpec
from inbetween.data.synthetic import SyntheticAnimation, SyntheticScene
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.types import Window

SPEC = WindowSpec(between=2, size=(48, 64), seed=3)
TRUTH = {"flow_01", "flow_10", "visible_01", "visible_10", "flow_t0", "flow_t1", "spacing"}
TRUTH |= {"visible_t0", "visible_t1"}


def equal(a: Window, b: Window) -> bool:
    return all(torch.equal(a[key], b[key]) for key in ("first", "last", "targets", "t"))


def test_window_has_the_promised_shapes_ranges_and_facts() -> None:
    dataset = SyntheticAnimation(length={"train": 5}, truth=True).dataset("train", SPEC)
    assert len(dataset) == 5
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
    for key in ("first", "last", "targets", "visible_01", "visible_t0", "spacing"):
        assert window[key].min() >= 0, key
        assert window[key].max() <= 1, key
    assert window["t"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert window["box"].tolist() == [0, 0, 48, 64]
    assert int(window["index"]) == 1
    assert int(window["seed"]) == sample_seed(3, 4, 1)
    assert window["name"] == "synthetic/color-4.1/0-1"


def test_frames_are_the_scene_drawn_at_t() -> None:
    window = SyntheticAnimation().dataset("val", SPEC)[0, 2]
    scene = SyntheticScene(sample_seed(2, 0, 0), 2, "composition")
    for frame, t in ((window["first"], 0.0), (window["targets"][1], 2 / 3), (window["last"], 1.0)):
        drawn = torch.from_numpy(scene.draw(t, (48, 64))).permute(2, 0, 1) / 255
        assert torch.equal(frame, drawn)


def test_visibility_of_targets_is_the_scenes() -> None:
    window = SyntheticAnimation(truth=True).dataset("val", SPEC)[0, 2]
    scene = SyntheticScene(sample_seed(2, 0, 0), 2, "composition")
    for key, t in (("visible_t0", 0.0), ("visible_t1", 1.0)):
        assert torch.equal(window[key][1], torch.from_numpy(scene.visible(2 / 3, t, (48, 64))))


def test_keyframe_triplet_is_the_window_itself() -> None:
    windows = SyntheticAnimation().dataset("val", WindowSpec(between=3, size=(48, 64)))
    window, triplet = windows[0, 2], windows.keyframe_triplet(2)
    assert triplet is not None
    assert torch.equal(triplet, torch.stack([window["first"], window["targets"][1], window["last"]]))
    assert SyntheticAnimation().dataset("val", SPEC).keyframe_triplet(2) is None  # no target at t = 1/2


def test_truth_is_given_only_when_asked_for() -> None:
    assert TRUTH.isdisjoint(SyntheticAnimation().dataset("val", SPEC)[0, 0])
    assert TRUTH.issubset(SyntheticAnimation(truth=True).dataset("val", SPEC)[0, 0])


def test_training_is_endless_and_the_same_key_gives_the_same_window() -> None:
    dataset = SyntheticAnimation(random_t=True).dataset("train", SPEC)
    again = SyntheticAnimation(random_t=True).dataset("train", SPEC)
    other = SyntheticAnimation(random_t=True).dataset("train", WindowSpec(between=2, size=(48, 64), seed=4))
    assert equal(dataset[0, 7], again[0, 7])
    assert not torch.equal(dataset[0, 7]["first"], dataset[1, 7]["first"])
    assert not torch.equal(dataset[0, 7]["first"], dataset[0, 10]["first"])
    assert not torch.equal(dataset[0, 7]["first"], other[0, 7]["first"])
    assert dataset[0, 7]["name"] != dataset[1, 7]["name"]


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_windows_do_not_depend_on_seed_or_epoch(split: str) -> None:
    dataset = SyntheticAnimation().dataset(split, SPEC)
    moved = SyntheticAnimation().dataset(split, WindowSpec(between=2, size=(48, 64), seed=99))
    assert len(dataset) == 48
    assert equal(dataset[0, 5], moved[3, 5])
    assert int(dataset[0, 5]["seed"]) != int(moved[3, 5]["seed"])


def test_splits_share_no_scene() -> None:
    firsts = []
    for split in ("train", "val", "test"):
        dataset = SyntheticAnimation().dataset(split, WindowSpec(between=1, size=(32, 32), seed=0))
        firsts += [dataset[0, k]["first"].numpy().tobytes() for k in range(6)]
    assert len(set(firsts)) == 18


def test_names_are_unique_within_a_split() -> None:
    dataset = SyntheticAnimation(length={"val": 9}).dataset("val", WindowSpec(between=1, size=(32, 32)))
    names = [dataset[0, k]["name"] for k in range(9)]
    assert len(set(names)) == 9
    assert names[:3] == ["synthetic/sketch-0/0-1", "synthetic/color-1/0-1", "synthetic/composition-2/0-1"]


def test_random_positions_ascend_inside_the_span_in_training_alone() -> None:
    spec = WindowSpec(between=4, size=(32, 32))
    source = SyntheticAnimation(random_t=True)
    train = torch.stack([source.dataset("train", spec)[0, k]["t"] for k in range(6)])
    assert (train.diff(dim=1) > 0).all()
    assert train.min() > 0
    assert train.max() < 1
    assert train.std(dim=0).min() > 0.02
    assert source.dataset("val", spec)[0, 0]["t"].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_motion_limits_how_far_things_move() -> None:
    def mean_motion(motion: float) -> float:
        spec = WindowSpec(between=1, size=(64, 64))
        dataset = SyntheticAnimation(truth=True, motion=motion).dataset("val", spec)
        return float(np.mean([dataset[0, k]["flow_01"].norm(dim=0).mean() for k in range(9)]))

    assert mean_motion(0.05) < 0.4 * mean_motion(1.0)


def test_what_fits_other_sources_is_ignored() -> None:
    plain = SyntheticAnimation().dataset("train", SPEC)[0, 1]
    spec = replace(SPEC, gaps=(1, 4), stride=7, background=(9, 9, 9), augment=Augment(color=0.0))
    assert equal(plain, SyntheticAnimation().dataset("train", spec)[0, 1])


def test_sketches_are_lines_on_paper_colour_has_plain_paper_compositions_are_painted() -> None:
    def share_of_paper(kind: str) -> float:
        shares = []
        for index in range(12):
            frame = SyntheticScene(1, index, kind).draw(0.0, (64, 64)).astype(int)
            _, counts = np.unique(frame.reshape(-1, 3) // 8, axis=0, return_counts=True)
            shares.append(counts.max() / 64**2)
        return float(np.median(shares))

    sketch, color, composition = (share_of_paper(kind) for kind in ("sketch", "color", "composition"))
    assert sketch > 0.7
    assert color > 0.4
    assert composition < 0.35


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kinds": ["colour"]}, "colour"), ({"kinds": []}, "sketch, color, composition"),
        ({"length": {"train": 0}}, "train: 0"), ({"length": {"valid": 3}}, "valid"),
        ({"motion": 0.0}, "motion"), ({"motion": 2.0}, "motion"),
    ],
)  # fmt: skip
def test_mistakes_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        SyntheticAnimation(**arguments)


def test_an_index_beyond_the_end_ends_iteration() -> None:
    with pytest.raises(IndexError):
        SyntheticAnimation(length={"val": 2}).dataset("val", SPEC)[0, 2]


def test_colours_of_all_frames_change_alike_and_nothing_else_does() -> None:
    """Pixels go through one matrix: brightness, contrast and hue."""
    source = SyntheticAnimation(kinds=("color",))
    strong = replace(SPEC, augment=Augment(flip=1.0, reverse=1.0, crop=0.5, color=0.5))
    seen = []
    for index in (0, 1):
        plain, changed = (source.dataset("train", spec)[0, index] for spec in (SPEC, strong))
        assert torch.equal(plain["t"], changed["t"])
        before, after = (
            torch.cat([w["first"][None], w["targets"], w["last"][None]]).permute(0, 2, 3, 1).reshape(-1, 3)
            for w in (plain, changed)
        )
        unclipped = ((after > 0) & (after < 1)).all(1)
        inputs = torch.cat([before, torch.ones(len(before), 1)], dim=1)[unclipped]
        matrix = torch.linalg.lstsq(inputs.double(), after[unclipped].double()).solution
        assert (inputs.double() @ matrix - after[unclipped]).abs().max() < 3 / 255
        seen.append(matrix)
        assert (before - after).abs().max() > 0.05
        assert equal(changed, source.dataset("train", strong)[0, index])
    assert not torch.allclose(seen[0], seen[1], atol=0.05)
