"""The command line in process, at a size where every command takes a moment."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from inbetween.__main__ import main
from inbetween.commands import machine
from tests.tiny import write_tiny_backbone

Run = Callable[..., None]
Compare = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny backbone."""
    return write_tiny_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No LPIPS, and no cache but the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture(autouse=True)
def other_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Commands run in a folder of their own, where nothing may be left but what they are to write."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert {path.name for path in folder.iterdir()} <= {"logs"}


def write_yaml(path: Path, content: dict[str, Any]) -> Path:
    """A YAML file."""
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """An overlay for all methods: few 32x32 windows, on one CPU, float32, results in `logs`."""
    overlay = {
        "data": {
            "source": {
                "class_path": "inbetween.data.SyntheticAnimation",
                "init_args": {"length": {"train": 8, "val": 3, "test": 2}},
            },
            "size": 32,
            "between": 2,
            "batch_size": 2,
            "num_workers": 0,
            "cache_dir": str(tmp_path / "frames"),
        },
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "precision": "32-true",
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "log_every_n_steps": 1,
        },
    }
    return ["--config", str(write_yaml(tmp_path / "tiny.yaml", overlay))]


@pytest.fixture
def exp1(tmp_path: Path, tiny: list[str], backbone: Path) -> list[str]:
    """exp1 on a tiny ordinary backbone and tiny synthetic animation: four steps, validation each two."""
    overlay = {
        "model": {
            "init_args": {
                "backbone": {
                    "class_path": "inbetween.methods.diffusion.Backbone",
                    "init_args": {"pretrained": str(backbone)},
                },
                "objective": {"class_path": "inbetween.methods.diffusion.Denoising"},
                "sampling": {"num_inference_steps": 4, "strength": 0.5},
                "warmup_steps": 0,
            }
        },
        "trainer": {"max_steps": 4, "val_check_interval": 2},
    }
    return ["--config", "exp1.yaml", *tiny, "--config", str(write_yaml(tmp_path / "exp1.yaml", overlay))]


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrix work that takes a moment."""
    monkeypatch.setattr(machine, "CONVOLUTION", (1, 8, 8))
    monkeypatch.setattr(machine, "PRODUCT", 64)
    monkeypatch.setattr("inbetween.commands.benchmark.measuring.MIN_SECONDS", 0.001)


@pytest.fixture
def folder_data(tmp_path: Path, scenes_root: Path) -> list[str]:
    """An overlay: 32x32 windows of the scenes drawn on disk."""
    source = {"class_path": "inbetween.data.FolderScenes", "init_args": {"root": str(scenes_root)}}
    return ["--config", str(write_yaml(tmp_path / "folder.yaml", {"data": {"source": source}}))]


@pytest.fixture
def run() -> Run:
    """Runs a command in process and expects it to end well."""

    def run(*args: str | Path) -> None:
        assert main([str(arg) for arg in args]) == 0

    return run


@pytest.fixture
def compare(run: Run, scenes_root: Path, tmp_path: Path) -> Compare:
    """Compares on the scenes drawn on disk, and gives compare.json."""

    def call(*args: str, root: Path = scenes_root, methods: list[str] | None = None) -> dict[str, Any]:
        content = {
            "methods": ["dis.yaml"] if methods is None else methods,
            "data": {
                "source": {"class_path": "inbetween.data.FolderScenes", "init_args": {"root": str(root)}},
                "between": 2,
                "size": 32,
                "stride": 1,
                "batch_size": 4,
                "cache_dir": str(tmp_path / "frames"),
            },
        }
        run(
            "compare",
            "--config",
            write_yaml(tmp_path / "compare.yaml", content),
            "--precision",
            "32-true",
            *args,
        )
        report: dict[str, Any] = json.loads(Path("logs/compare/compare.json").read_text())
        return report

    return call
