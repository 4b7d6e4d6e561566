"""`fit` of a video model on captioned shards: cached, killed and resumed, and on two processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from inbetween.__main__ import main
from inbetween.methods.diffusion.video.wan import WanVideo
from tests.methods.diffusion.video.test_video_runs import VERSION, draw

STEPS = 30
CAPTIONS = {"cat/walk": "a cat walks", "dog/walk": "a dog", "fox/walk": "a fox"}  # none of hen/walk
RUNS = Path("logs/wan_14b")


@pytest.fixture
def training(wan_folder_2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`fit` on shards of a clip each, in a folder to work in; a checkpoint after each step."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for seed, name in enumerate(("train/cat", "train/dog", "train/hen", "val/fox")):
        draw(Path("drawings", name, "walk"), range(9), seed)
    lines = [f"{clip},{caption},{place}" for place, (clip, caption) in enumerate(CAPTIONS.items())]
    Path("captions.csv").write_text("\n".join(["clip,caption,score", *lines]))
    with monkeypatch.context() as patch:
        patch.setattr("inbetween.commands.shard.MEGABYTE", 2000)
        words = ["--root", "drawings", "--manifest", "captions.csv", "--output", "shards"]
        assert main(["shard", *words, "--shard_mb", "1"]) == 0
    checkpoints = {"save_last": True, "every_n_train_steps": 1}
    content = {
        "model": {
            "init_args": {
                **{"pretrained": str(wan_folder_2), "sampling": {"steps": 1}, "frozen_dtype": "float32"},
                **{"latent_cache": True, "schedule": "constant", "prompt": "a drawing"},
                "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 5.0}},
            }
        },
        "data": {
            "source": {
                "class_path": "inbetween.data.ShardedScenes",
                "init_args": {
                    "root": "shards",
                    "shuffle_shards": 1,
                    "where": "score >= 0 OR clip = 'hen/walk'",
                },
            },
            **{"size": [32, 48], "between": 3, "stride": 2, "batch_size": 2, "val_batch_size": 2},
            **{"num_workers": 1, "augment": None, "cache_dir": "frames"},
        },
        "trainer": {
            **{"accelerator": "cpu", "devices": 1, "precision": "32-true", "max_steps": STEPS},
            **{"limit_val_batches": 0, "enable_progress_bar": False, "enable_model_summary": False},
            "callbacks": [
                {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": checkpoints}
            ],
        },
    }
    Path("shards.yaml").write_text(yaml.safe_dump(content))
    return ["fit", "--config", "wan_14b.yaml", "--config", "shards.yaml"]


def checkpoint(run: str) -> Any:
    return torch.load(RUNS / run / "checkpoints/last.ckpt", weights_only=True)


def assert_close(run: str, other: str) -> None:
    one, two = checkpoint(run), checkpoint(other)
    assert one["global_step"] == two["global_step"] == STEPS
    torch.testing.assert_close(one["state_dict"], two["state_dict"], atol=1e-5, rtol=1e-4)


def started(words: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "inbetween", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow  # new processes import everything
def test_captioned_shards_train_the_same_however_they_are_read(
    training: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = WanVideo.encode_prompts

    def counted(self: WanVideo, pipeline: Any, prompts: list[str]) -> Any:
        encoded.extend(prompts)
        return encode(self, pipeline, prompts)

    monkeypatch.setattr(WanVideo, "encode_prompts", counted)
    assert main([*training, VERSION, "straight"]) == 0
    # the clip without caption has the prompt of the run
    assert {"a cat walks", "a dog", "a drawing"} < set(encoded)
    assert len(encoded) == len(set(encoded))

    # nothing is encoded again, and the same windows come after SIGKILL
    process = started([*training, VERSION, "killed"])
    last = RUNS / "killed/checkpoints/last.ckpt"
    deadline = time.monotonic() + 120
    while not last.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < checkpoint("killed")["global_step"] < STEPS
    with monkeypatch.context() as patch:
        patch.setattr(WanVideo, "encode_prompts", None)
        patch.setattr(WanVideo, "encode_clips", None)
        assert main([*training, VERSION, "resumed", "--ckpt_path", str(last)]) == 0
    assert_close("straight", "resumed")

    two = started([*training, VERSION, "two", "--trainer.devices", "2", "--trainer.strategy", "ddp"])
    _, said = two.communicate(timeout=240)
    assert two.returncode == 0, said.decode()
    assert_close("straight", "two")
