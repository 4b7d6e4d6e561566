from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.loggers import TensorBoardLogger


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., L.Trainer]:
    """A trainer on the CPU that writes TensorBoard events to the test's folder."""

    def make(*callbacks: L.Callback, **options: Any) -> L.Trainer:
        settings: dict[str, Any] = {
            "accelerator": "cpu",
            "logger": TensorBoardLogger(tmp_path, name="", version=""),
            "callbacks": list(callbacks),
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
            "log_every_n_steps": 1,
        }
        return L.Trainer(**{**settings, **options})

    return make


@pytest.fixture
def no_alexnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without AlexNet's weights."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
