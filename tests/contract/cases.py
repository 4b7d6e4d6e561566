"""The YAML files that the contract is about, what else a method can be told, and what it trains on."""

from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inbetween.configs import read_config
from inbetween.types import WindowBatch
from tests.tiny import random_batch

CONFIGS = Path(__file__).parents[2] / "configs"


def model_of(path: Path) -> dict:
    """The `model` section of a YAML, or nothing."""
    return read_config(path).get("model", {})


YAMLS = [path for path in sorted(CONFIGS.rglob("*.yaml")) if "class_path" in model_of(path)]
# All that diffusion can be told.
EVERYTHING = {
    "trained": "lora",
    "condition_dropout": 0.3,
    "objective": {
        "class_path": "inbetween.methods.diffusion.Denoising",
        "init_args": {"train_from": ["target", "slerp", "flow"], "min_snr_gamma": 5.0},
    },
    "keyframe_latents": True,
    "keyframe_dropout": 0.1,
    "line_condition": True,
    "sampling": {
        "num_inference_steps": 4,
        "strength": 0.5,
        "init": "flow",
        "guidance_scale": 2.0,
        "max_frames": 4,
        "scheduler": "diffusers.EulerAncestralDiscreteScheduler",
    },
}
CASES = {path.relative_to(CONFIGS).as_posix(): (path, {}) for path in YAMLS}
CASES |= {"exp2.yaml, everything": (CONFIGS / "exp2.yaml", EVERYTHING)}

SYNCS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal", "aten::item")


class NoWaiting(TorchDispatchMode):
    """Fails where a step would wait for its device: a number, or a shape, that depends on values."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.name().split(".")[0] not in SYNCS, func.name()
        return func(*args, **(kwargs or {}))


def windows(size: int = 4) -> WindowBatch:
    """Windows of which every other one knows its true motion: of two processes only the first has such."""
    batch, known = random_batch(size, between=3, height=48, width=64), torch.arange(size) % 2 == 0
    shape = (size, 3, 1, 48, 64)
    truth = {"spacing": torch.full(shape, 0.5), "flow_t0": torch.ones(size, 3, 2, 48, 64)}
    truth["flow_t1"] = -truth["flow_t0"]
    for name, value in truth.items():
        batch[name] = torch.where(known.view(-1, 1, 1, 1, 1), value, torch.nan)
    return batch
