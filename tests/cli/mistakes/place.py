"""Where a mistake is made: files that are right, made once, and a folder for those that are not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from inbetween.__main__ import main
from tests.conftest import drawing

#: A regular file that not even root can read, and a folder that not even root can write to.
UNREADABLE, UNWRITABLE = Path("/proc/self/mem"), Path("/proc")
BLEND = "tests.cli.mistakes.blend.Blend"


@dataclass(frozen=True)
class Shared:
    """What all rows read and none writes to.

    Args:
        folder: Holds all of it.
    """

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """`Blend` after two steps, to go on from."""
        return self.folder / "logs/version_0/checkpoints/last.ckpt"

    @property
    def weights(self) -> Path:
        """The same to draw with."""
        return self.folder / "logs/version_0/weights.safetensors"


def make_shared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """Two keyframes, scenes with train and val, and a run of `Blend`."""
    for number in range(2):
        (folder / "keys").mkdir(exist_ok=True)
        Image.fromarray(drawing(4 * number, 32, 32)).save(folder / f"keys/{number}.png")
    for scene in ("train/cat/walk", "val/fox/walk"):
        (folder / "scenes" / scene).mkdir(parents=True)
        for number in range(5):
            Image.fromarray(drawing(number, 32, 32)).save(folder / "scenes" / scene / f"{number}.png")
    place = Place(Shared(folder), folder)
    (folder / "blend.yaml").write_text(yaml.safe_dump({"model": {"class_path": BLEND}}))
    place.overlay(SYNTHETIC | {"trainer": TRAINER}, "run.yaml")
    (folder / "run").mkdir()
    monkeypatch.chdir(folder / "run")
    assert main([str(arg) for arg in place.fit()]) == 0
    return place.shared


SYNTHETIC: dict[str, Any] = {
    "data": {
        "source": {
            "class_path": "inbetween.data.SyntheticAnimation",
            "init_args": {"length": {"val": 2, "test": 2}},
        },
        "size": 32,
        "between": 1,
        "batch_size": 2,
        "num_workers": 0,  # which need room for what they hand over
    },
}
TRAINER: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "max_steps": 2,
    "val_check_interval": 2,
    "check_val_every_n_epoch": None,
    "log_every_n_steps": 1,
    "callbacks": [
        {"class_path": "inbetween.callbacks.FrameMetrics"},
        {"class_path": "inbetween.callbacks.WeightsWriter"},
        {
            "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
            "init_args": {"save_last": True, "save_on_exception": True},
        },
    ],
}


def logger(folder: Path | str) -> dict[str, Any]:
    """TensorBoard in `<folder>/logs`."""
    init_args = {"save_dir": str(folder), "name": "logs"}
    return {"class_path": "lightning.pytorch.loggers.TensorBoardLogger", "init_args": init_args}


def callback(name: str, **init_args: Any) -> dict[str, Any]:
    """The run's callbacks and one of Lightning's."""
    item = {"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": init_args}
    return {"callbacks": [*TRAINER["callbacks"], item]}


@dataclass
class Place:
    """A folder in which one mistake is made.

    Args:
        shared: What is right.
        folder: For what is wrong; commands run in `folder / "cwd"`.
    """

    shared: Shared
    folder: Path

    @property
    def blend(self) -> Path:
        """YAML that names the method."""
        return self.shared.folder / "blend.yaml"

    @property
    def keys(self) -> Path:
        """Folder of two keyframes."""
        return self.shared.folder / "keys"

    def fit(self, *args: str | Path, **overlay: Any) -> list[str | Path]:
        """A run of `Blend` on synthetic animation, two steps long."""
        return self.trainer("fit", *args, **overlay)

    def trainer(self, command: str, *args: str | Path, **overlay: Any) -> list[str | Path]:
        """A command of the trainer's, with keys laid over."""
        overlay["trainer"] = {"logger": logger(self.folder)} | overlay.get("trainer", {})
        configs: list[str | Path] = ["--config", self.blend, "--config", self.shared.folder / "run.yaml"]
        configs += ["--config", self.overlay(overlay)]
        return [command, *configs, "--data.cache_dir", self.folder / "cache", *args]

    def folder_data(self, command: str, root: Path, *args: str | Path) -> list[str | Path]:
        """A command of the trainer's on drawings below `root`."""
        source = {"class_path": "inbetween.data.FolderScenes", "init_args": {"root": str(root)}}
        return self.trainer(command, *args, data={"source": source})

    def interpolate(self, *args: str | Path, keyframes: Path | None = None) -> list[str | Path]:
        """Drawing between two keyframes with `Blend`."""
        return [
            "interpolate",
            "--keyframes",
            keyframes or self.keys,
            "--method",
            self.blend,
            "--cuts",
            "interpolate",
            *args,
        ]

    def compare(self, *args: str | Path) -> list[str | Path]:
        """Hold, cross-fade and `Blend` on two windows."""
        data = self.overlay(SYNTHETIC | {"methods": [str(self.blend)], "image_windows": 0}, "compare.yaml")
        return ["compare", "--config", data, "--precision", "32-true", "--accelerator", "cpu", *args]

    def benchmark(self, *args: str | Path) -> list[str | Path]:
        """One line of `Blend`."""
        quick = [
            "--memory",
            "false",
            "--repeats",
            "1",
            "--batch_size",
            "1",
            "--precision",
            "32-true",
            "--sizes",
            "32x32:1",
        ]
        return ["benchmark", "--config", self.blend, *quick, *args]

    def overlay(self, content: dict[str, Any], name: str = "overlay.yaml") -> Path:
        """A YAML file."""
        return self.write(name, yaml.safe_dump(content))

    def write(self, name: str, content: bytes | str) -> Path:
        """A file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def link(self, name: str, target: Path) -> Path:
        """Another name for what is elsewhere."""
        (self.folder / name).symlink_to(target)
        return self.folder / name

    def scenes(self, break_it: Callable[[Path], object]) -> Path:
        """A copy of the scenes, in which `break_it` has had a middle frame of val."""
        for split in ("train/cat", "val/fox"):
            for number in range(5):
                self.picture(drawing(number, 32, 32), f"scenes/{split}/walk/{number}.png")
        break_it(self.folder / "scenes/val/fox/walk/2.png")
        return self.folder / "scenes"

    def one_animation(self) -> Path:
        """Scenes of one animation, which all go to train."""
        for number in range(5):
            self.picture(drawing(number, 32, 32), f"one/cat/walk/{number}.png")
        return self.folder / "one"

    def keyframes(self, break_it: Callable[[Path], object]) -> Path:
        """A copy of the keyframes, in which `break_it` has had the second one."""
        for number in range(2):
            self.picture(drawing(4 * number, 32, 32), f"mine/{number}.png")
        break_it(self.folder / "mine/1.png")
        return self.folder / "mine"

    def picture(self, pixels: np.ndarray, name: str) -> Path:
        """A PNG."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    def changed(self, change: Callable[[dict[str, Any]], object], name: str = "changed.ckpt") -> Path:
        """The checkpoint, after `change` has had its content."""
        content = torch.load(self.shared.checkpoint, weights_only=True)
        change(content)
        torch.save(content, self.folder / name)
        return self.folder / name
