"""Stable Diffusion 1.5's real size, random weights: trained, saved and drawn with by the real commands."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.sd15 import write_sd15_sized_backbone
from inbetween.commands.machine import peak_memory
from tests.cli.conftest import Run, write_yaml


@pytest.mark.slow
def test_fit_and_predict_at_224(run: Run, tmp_path: Path) -> None:
    """About 90 seconds of one core, 2.4 GB of disk for the time being."""
    folder = write_sd15_sized_backbone(tmp_path / "sd15")
    overlay = {
        "model": {
            "init_args": {
                "backbone": {"init_args": {"pretrained": str(folder)}},
                "sampling": {"num_inference_steps": 4, "strength": 0.5},
                "warmup_steps": 0,
            }
        },
        "data": {
            "source": {"init_args": {"length": {"train": 2, "val": 1, "test": 1}}},
            "batch_size": 1,
            "val_batch_size": 1,
            "val_windows": 1,
        },
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "max_steps": 2,
            "limit_val_batches": 0,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "log_every_n_steps": 1,
        },
    }
    configs = ["--config", "exp1.yaml", "--config", "backbone/sd15.yaml"]
    configs += ["--config", str(write_yaml(tmp_path / "overlay.yaml", overlay))]
    run("fit", *configs)
    saved = torch.load(Path("logs/exp1/version_0/checkpoints/last.ckpt"), weights_only=True)
    assert saved["global_step"] == 2
    # cross-attention and the time token, 44 million float32 weights out of 1247 million
    assert sum(value.numel() * 4 for value in saved["state_dict"].values()) == pytest.approx(178e6, rel=0.01)
    del saved

    weights = Path("logs/exp1/version_0/weights.safetensors")
    assert weights.stat().st_size < 100e6
    assert all(value.isfinite().all() for value in load_file(weights).values())
    run("predict", *configs, "--ckpt_path", weights)
    assert len(list(Path("logs").rglob("*.png"))) == 3 + 2  # the in-betweens and their keyframes
    assert peak_memory(torch.device("cpu")) < 16e9
    shutil.rmtree(folder)
