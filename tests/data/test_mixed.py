"""Windows of several sources: in their shares, the same everywhere, and fit for one batch."""

import math
from collections import Counter
from pathlib import Path

import pytest
import torch

from inbetween.data import (
    FolderScenes,
    MixedWindows,
    SyntheticAnimation,
    WindowDataModule,
    WindowSource,
    WindowSpec,
)
from inbetween.data.source import WindowDataset
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.types import Split, Window


class Numbered(WindowSource):
    """Windows that say which source, epoch and index they are of, and nothing else."""

    def __init__(self, name: str, length: int, captions: list[str] | None = None) -> None:
        self.name, self.length, self.texts = name, length, captions or []

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        return _Numbers(f"{self.name}/{split}", self.length, self.texts)


class _Numbers(WindowDataset):
    def __init__(self, name: str, length: int, captions: list[str]) -> None:
        self.name, self.length, self.texts = name, length, captions

    def captions(self) -> list[str]:
        return sorted(set(self.texts))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> Window:
        epoch, index = key
        assert 0 <= index < self.length
        nothing = torch.tensor(0)
        empty = dict.fromkeys(Window.__required_keys__, nothing)
        window: Window = {**empty, "name": f"{self.name}/{epoch}.{index}", "frame_ids": nothing}
        return {**window, "caption": self.texts[index % len(self.texts)]} if self.texts else window


def mixed(weights: list[float], length: int = 4000) -> MixedWindows:
    return MixedWindows([Numbered("a", 5), Numbered("b", 400)], weights, length)


def names(windows: WindowDataset, epoch: int = 0) -> list[str]:
    return [windows[epoch, index]["name"] for index in range(len(windows))]


def test_sources_are_drawn_in_their_shares_and_windows_evenly() -> None:
    drawn = names(mixed([30, 10]).dataset("train", WindowSpec()))
    assert len(drawn) == 4000
    count = Counter(drawn)
    of_a = [count[f"a/train/0.{index}"] for index in range(5)]
    # five standard deviations of the binomial distribution
    assert sum(of_a) == pytest.approx(3000, abs=5 * math.sqrt(4000 * 0.75 * 0.25))
    assert of_a == pytest.approx([600] * 5, abs=5 * math.sqrt(600))
    assert len(count) - 5 > 300  # of 400; 1000 draws miss about 33


def test_the_draw_depends_on_seed_epoch_and_index_alone() -> None:
    windows = mixed([1, 1], 100).dataset("train", WindowSpec(seed=3))
    whole = names(windows, 7)
    assert names(mixed([1, 1], 50).dataset("train", WindowSpec(seed=3)), 7) == whole[:50]
    assert windows[7, 41]["name"] == whole[41]
    assert names(windows, 8) != whole
    assert names(mixed([1, 1], 100).dataset("train", WindowSpec(seed=4)), 7) != whole
    window = windows[7, 41]
    assert (int(window["index"]), int(window["seed"])) == (41, sample_seed(3, 7, 41))
    assert set(window) == Window.__required_keys__ | {"animation"}
    # a source that names none
    assert window["name"].startswith(window["animation"] + "/")


def test_captions_come_with_every_window_or_with_none() -> None:
    captioned = Numbered("a", 5, ["a cat", "a dog"])
    for split in ("train", "val"):
        windows = MixedWindows([captioned, Numbered("b", 5)], [1, 1], 20).dataset(split, WindowSpec())
        assert sorted(windows.captions()) == ["", "a cat", "a dog"]
        seen = {windows[0, index]["name"][0]: set() for index in range(len(windows))}
        for index in range(len(windows)):
            window = windows[0, index]
            seen[window["name"][0]].add(window["caption"])
        assert seen == {"a": {"a cat", "a dog"}, "b": {""}}
    both = MixedWindows([captioned, captioned], [1, 1], 20).dataset("train", WindowSpec())
    assert set(both.captions()) == {"a cat", "a dog"}
    plain = mixed([1, 1], 4).dataset("train", WindowSpec())
    assert list(plain.captions()) == []
    assert "caption" not in plain[0, 0]
    assert windows.frame_ids(0) is None


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_takes_every_window_once(split: Split) -> None:
    windows = mixed([1000, 1], 7).dataset(split, WindowSpec())
    assert names(windows) == [f"a/{split}/0.{k}" for k in range(5)] + [f"b/{split}/0.{k}" for k in range(400)]
    assert [int(windows[0, index]["index"]) for index in (0, 4, 5, 404)] == [0, 4, 5, 404]


def test_cels_and_scenes_on_disk_share_a_batch(scenes_root: Path, tmp_path: Path) -> None:
    source = MixedWindows([SyntheticAnimation(truth=True), FolderScenes(scenes_root)], [1, 1], 8)
    data = WindowDataModule(source, size=32, batch_size=8, num_workers=0, cache_dir=tmp_path / "frames")
    data.setup("fit")
    (batch,) = data.train_dataloader()
    animations = {name.partition("/")[0] for name in batch["name"]}
    assert {"synthetic"} < animations <= {"synthetic", "cat", "dog", "hen"}
    assert batch["targets"].shape == (8, 3, 3, 32, 32)
    # what synthetic animation knows is NaN in the others' windows
    truth = {"flow_01": (2,), "flow_10": (2,), "visible_01": (1,), "visible_10": (1,)}
    truth |= {"flow_t0": (3, 2), "flow_t1": (3, 2), "spacing": (3, 1)}
    truth |= {"visible_t0": (3, 1), "visible_t1": (3, 1)}
    assert set(batch) == Window.__required_keys__ | {"animation"} | set(truth)
    own = [name.rpartition("/")[0] if name.startswith("synthetic/") else name[:3] for name in batch["name"]]
    assert batch["animation"] == own
    drawn = torch.tensor([name.startswith("synthetic/") for name in batch["name"]])
    for name, shape in truth.items():
        assert batch[name].shape == (8, *shape, 32, 32)
        assert torch.equal(batch[name].isfinite().flatten(1).all(1), drawn)
        assert torch.equal(batch[name].isnan().flatten(1).all(1), ~drawn)


def test_keyframe_triplets_are_those_of_the_sources(scenes_root: Path, tmp_path: Path) -> None:
    sources = [SyntheticAnimation(length={"val": 2}), FolderScenes(scenes_root)]
    spec = WindowSpec(between=1, size=(32, 32), cache_dir=tmp_path / "frames")
    windows = MixedWindows(sources, [1, 1]).dataset("val", spec)
    own = [source.dataset("val", spec) for source in sources]
    for index, triplet in ((1, own[0].keyframe_triplet(1)), (2, own[1].keyframe_triplet(0))):
        assert triplet is not None
        assert torch.equal(windows.keyframe_triplet(index), triplet)


@pytest.mark.parametrize("weights", [[], [1], [1, 0], [1, -1], [1, math.nan], [1, math.inf]])
def test_each_source_needs_a_weight(weights: list[float]) -> None:
    with pytest.raises(UserError, match="give a number above 0 for each of its 2 sources"):
        mixed(weights)


def test_an_epoch_has_a_window() -> None:
    with pytest.raises(UserError, match="length of the mixture is 0"):
        mixed([1, 1], 0)


def test_sources_have_a_name_in_messages(tmp_path: Path) -> None:
    synthetic = SyntheticAnimation()
    assert str(synthetic) == "SyntheticAnimation"
    mixture = MixedWindows([synthetic, FolderScenes(tmp_path)], [1, 1])
    assert str(mixture) == f"SyntheticAnimation and {tmp_path}"
