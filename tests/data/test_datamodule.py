"""The data module as a trainer, a command or a worker process sees it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.cli import LightningCLI
from torch import nn
from torch.utils.data import DataLoader

from inbetween.data import (
    AnitaScenes,
    Augment,
    FolderScenes,
    LayeredImages,
    LottieScenes,
    MixedWindows,
    SceneSource,
    ShardedScenes,
    SyntheticAnimation,
    VideoScenes,
    WindowDataModule,
)
from inbetween.errors import UserError
from inbetween.types import WindowBatch

CONFIGS = Path(__file__).parents[2] / "configs" / "data"


def module(root: Path, tmp_path: Path, **options: Any) -> WindowDataModule:
    options = {"stride": 1, "size": 16, "batch_size": 4, "num_workers": 0, **options}
    return WindowDataModule(FolderScenes(root), cache_dir=tmp_path / "cache", **options)


def names(batches: Any) -> list[str]:
    return [name for batch in batches for name in batch["name"]]


def test_batches_are_as_the_types_say(scenes_root: Path, tmp_path: Path) -> None:
    data = module(scenes_root, tmp_path, size=(16, 24), between=2)
    data.setup("fit")
    batch: WindowBatch = next(iter(data.train_dataloader()))
    words = ("name", "animation")
    shapes = {key: (tuple(value.shape), value.dtype) for key, value in batch.items() if key not in words}
    assert shapes == {
        "first": ((4, 3, 16, 24), torch.float32),
        "last": ((4, 3, 16, 24), torch.float32),
        "targets": ((4, 2, 3, 16, 24), torch.float32),
        "t": ((4, 2), torch.float32),
        "box": ((4, 4), torch.int64),
        "index": ((4,), torch.int64),
        "seed": ((4,), torch.int64),
        "frame_ids": ((4, 4), torch.int64),
    }
    assert all(isinstance(text, str) for word in words for text in batch[word])
    assert 0 <= batch["first"].min() < batch["first"].max() <= 1


def test_workers_are_asked_for_by_a_trainer_alone(
    scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`compare` has none: they would take cores from what it measures."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    data = module(scenes_root, tmp_path, num_workers=None)
    assert data.num_workers == 0
    assert module(scenes_root, tmp_path, num_workers=3).num_workers == 3
    data.trainer = L.Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
    assert data.num_workers == 4


def test_only_training_is_augmented(scenes_root: Path, tmp_path: Path) -> None:
    plain, changed = module(scenes_root, tmp_path), module(scenes_root, tmp_path, augment=Augment())
    for data in (plain, changed):
        data.setup("fit")
    pairs = zip(plain.val_dataloader(), changed.val_dataloader(), strict=True)
    assert all(torch.equal(one["first"], other["first"]) for one, other in pairs)
    one, other = (next(iter(data.train_dataloader())) for data in (plain, changed))
    assert one["name"] == other["name"]
    assert not torch.equal(one["first"], other["first"])


def test_test_falls_to_val_and_test_split_chooses(scenes_root: Path, tmp_path: Path, draw_scene: Any) -> None:
    data = module(scenes_root, tmp_path)
    data.setup("test")
    assert names(data.test_dataloader()) == names(data.predict_dataloader())
    assert {name.split("/")[0] for name in names(data.test_dataloader())} == {"fox"}
    draw_scene(scenes_root / "test" / "elk" / "walk", seed=8)
    for split, animation in (("test", "elk"), ("val", "fox"), ("train", "cat")):
        data = module(scenes_root, tmp_path, test_split=split)
        data.setup("test")
        assert names(data.test_dataloader())[0].split("/")[0] == animation


def test_val_windows_caps_validation_with_the_same_windows(scenes_root: Path, tmp_path: Path) -> None:
    data = module(scenes_root, tmp_path, val_windows=2)
    data.setup("validate")
    assert names(data.val_dataloader()) == ["fox/walk/0001-0005", "fox/walk/0003-0007"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read_the_same_windows(
    scenes_root: Path, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = module(scenes_root, tmp_path, num_workers=2, augment=Augment())
    data.setup("fit")
    loader = data.train_dataloader()
    monkeypatch.setattr("inbetween.data.loader.DataLoader", with_context(method))
    through = [batch["first"] for batch in loader]
    again = [batch["first"] for batch in loader]
    data.teardown("fit")
    alone = [torch.stack([data.datasets["train"][key]["first"] for key in batch]) for batch in loader.plan()]
    assert all(torch.equal(one, other) for one, other in zip(through, alone, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(again, alone, strict=True))


def with_context(method: str) -> Any:
    def build(*args: Any, **options: Any) -> DataLoader[Any]:
        return DataLoader(*args, multiprocessing_context=method, **options)

    return build


class Reader(L.LightningModule):
    """Collects the names that each stage sees."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.seen: list[str] = []

    def test_step(self, batch: WindowBatch, batch_idx: int) -> None:
        self.seen += batch["name"]

    def predict_step(self, batch: WindowBatch, batch_idx: int) -> list[str]:
        return batch["name"]


def test_a_trainer_tests_and_predicts_each_window_once(scenes_root: Path, tmp_path: Path) -> None:
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path)
    reader, data = Reader(), module(scenes_root, tmp_path, batch_size=2)
    trainer.test(reader, data, verbose=False)
    assert reader.seen == [f"fox/walk/000{k}-000{k + 4}" for k in range(1, 6)]
    predicted = trainer.predict(reader, data)
    assert [name for batch in predicted for name in batch] == reader.seen


MISTAKES = [
    ({"batch_size": 0}, "batch_size is 0"),
    ({"val_batch_size": -1}, "val_batch_size is -1"),
    ({"val_windows": 0}, "val_windows is 0"),
    ({"num_workers": -1}, "num_workers is -1"),
    ({"between": 0}, "between is 0"),
]


@pytest.mark.parametrize(("options", "sentence"), MISTAKES)
def test_impossible_values_are_refused_at_once(
    scenes_root: Path, tmp_path: Path, options: dict[str, int], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        module(scenes_root, tmp_path, **options)


def test_batches_that_processes_cannot_share_are_refused(
    scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = module(scenes_root, tmp_path, batch_size=4)
    monkeypatch.setattr(data, "_place", lambda: (0, 3))
    with pytest.raises(UserError, match="batch_size is 4, not divisible by the 3 processes"):
        data.setup("fit")
    data = module(scenes_root, tmp_path, batch_size=8)
    monkeypatch.setattr(data, "_place", lambda: (0, 8))
    with pytest.raises(UserError, match="The val split has 5 windows for 8 processes"):
        data.setup("fit")


def test_val_is_not_needed_where_it_is_not_used(tmp_path: Path, draw_scene: Any) -> None:
    draw_scene(tmp_path / "s" / "train" / "cat" / "walk")
    data = module(tmp_path / "s", tmp_path)
    with pytest.raises(UserError, match="no animation for the val split"):
        data.setup("fit")
    data.trainer = L.Trainer(limit_val_batches=0, accelerator="cpu", logger=False)
    data.setup("fit")
    assert len(data.train_dataloader()) == 1


SOURCES = {
    "anita.yaml": AnitaScenes,
    "clips.yaml": FolderScenes,
    "clips_shards.yaml": ShardedScenes,
    "folder.yaml": FolderScenes,
    "layers.yaml": LayeredImages,
    "lottie.yaml": LottieScenes,
    "motion_mixture.yaml": MixedWindows,
    "synthetic.yaml": SyntheticAnimation,
    "synthetic_and_lottie.yaml": MixedWindows,
    "spacing_flow.yaml": MixedWindows,
    "shards.yaml": ShardedScenes,
    "video.yaml": VideoScenes,
    "drawings.yaml": MixedWindows,
}
ONLY_COLOR = Augment(flip=0, reverse=0, crop=1, color=0.2)
AUGMENTS = {
    "clips.yaml": Augment(flip=0, reverse=0.5, crop=1, color=0),
    "clips_shards.yaml": Augment(flip=0, reverse=0.5, crop=1, color=0),
    "synthetic.yaml": None,
    "layers.yaml": None,
    "spacing_flow.yaml": ONLY_COLOR,
    "motion_mixture.yaml": ONLY_COLOR,
    "drawings.yaml": Augment(flip=0, reverse=0, crop=1, color=0.4),
}


@pytest.mark.parametrize("name", SOURCES)
def test_overlays_are_understood_and_complete(name: str, tmp_path: Path) -> None:
    assert {path.name for path in CONFIGS.glob("*.yaml")} == set(SOURCES)
    root = ["--data.source.root", str(tmp_path)] if issubclass(SOURCES[name], SceneSource) else []
    cli = LightningCLI(
        Reader,
        WindowDataModule,
        args=["--config", str(CONFIGS / name), *root],
        run=False,
        save_config_callback=None,
        trainer_defaults={"logger": False, "accelerator": "cpu"},
    )
    source = cli.datamodule.source
    assert type(source) is SOURCES[name]
    assert getattr(source, "root", tmp_path) == tmp_path
    assert cli.datamodule.augment == AUGMENTS.get(name, Augment())


def test_naming_the_package_loads_no_image_library() -> None:
    code = (
        "import sys, inbetween.data as d; print([m for m in ('cv2', 'PIL', 'lightning') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
