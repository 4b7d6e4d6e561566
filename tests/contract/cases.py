"""The YAML files that the contract is about, and what else a method can be told."""

from pathlib import Path

import yaml

CONFIGS = Path(__file__).parents[2] / "configs"


def model_of(path: Path) -> dict:
    """The `model` section of a YAML, or nothing."""
    return (yaml.safe_load(path.read_text()) or {}).get("model", {})


YAMLS = [path for path in sorted(CONFIGS.rglob("*.yaml")) if "class_path" in model_of(path)]
# All that diffusion can be told.
EVERYTHING = {
    "trained": "lora",
    "condition_dropout": 0.3,
    "min_snr_gamma": 5.0,
    "train_from": ["truth", "slerp", "flow"],
    "keyframe_latents": True,
    "keyframe_dropout": 0.1,
    "structure": True,
    "sampling": {
        "num_inference_steps": 4,
        "strength": 0.5,
        "start": "flow",
        "guidance_scale": 2.0,
        "max_frames": 4,
        "scheduler": "diffusers.EulerAncestralDiscreteScheduler",
    },
}
CASES = {path.relative_to(CONFIGS).as_posix(): (path, {}) for path in YAMLS}
CASES |= {"exp2.yaml, everything": (CONFIGS / "exp2.yaml", EVERYTHING)}
