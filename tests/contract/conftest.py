"""The shipped YAML files on tiny models."""

import hashlib
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from inbetween.methods import LatentInterpolation, TrainableMethod
from inbetween.methods.loading import load_method
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.methods.rife.network import RifeNetwork
from inbetween.modules.perceptual import PerceptualLoss
from tests.contract.cases import CASES, model_of
from tests.modules.test_perceptual_loss import random_vgg
from tests.tiny import write_tiny_backbone
from tests.tiny_video import write_tiny_wan


@pytest.fixture(scope="package")
def tiny_yaml(tmp_path_factory):
    """YAML path and overrides -> the same with a tiny backbone, or random weights, where it names some."""
    backbones = {
        objective: write_tiny_backbone(tmp_path_factory.mktemp(objective), image_refinement=refines)
        for objective, refines in (("Denoising", False), ("ImageRefinement", True))
    }
    video = write_tiny_wan(tmp_path_factory.mktemp("wan"))
    rife = tmp_path_factory.mktemp("rife") / "random.pkl"
    torch.manual_seed(0)
    torch.save(RifeNetwork().state_dict(), rife)
    of_rife = {"base": str(rife), "base_sha256": hashlib.sha256(rife.read_bytes()).hexdigest()}

    def write(path: Path, overrides: dict) -> Path:
        model = model_of(path)
        arguments = model.setdefault("init_args", {})
        if "backbone" in arguments:
            arguments["sampling"] = {"num_inference_steps": 4, "strength": 0.5}
            arguments |= overrides
            objective = arguments["objective"]["class_path"].rpartition(".")[2]
            backbone = backbones[objective]
            fresh = arguments["backbone"]["class_path"].endswith("UntrainedBackbone")
            arguments["backbone"]["init_args"] = (
                {"vae": str(backbone / "vae"), "channels": [16, 32], "embedding_dim": 16}
                | {
                    "encoder_layers": 1,
                    "encoder_image_size": 16,
                    "image_refinement": objective == "ImageRefinement",
                }
                if fresh
                else {"pretrained": str(backbone)}
            )
        if model["class_path"].endswith("FirstLastVideo"):
            arguments |= {
                "pretrained": str(video),
                "prompt_cache": str(video / "prompts"),
                "latent_cache": str(video / "latents"),
                "sampling": {"steps": 2},
            }
        if "LatentInterpolation" in model["class_path"]:
            arguments |= {"vae": None, "channels": 8, "encoder_blocks": [0, 1], "decoder_blocks": [1, 1]}
        if model["class_path"].endswith(".Rife"):
            arguments["weights"] = "none"
        if model["class_path"].endswith(".SpacingRife"):
            arguments |= of_rife
        if "perceptual_weight" in arguments:
            arguments["perceptual_weight"] = 0.0  # its network is not everywhere
        target = tmp_path_factory.mktemp("yaml") / path.name
        target.write_text(yaml.safe_dump({"model": model}))
        return target

    return write


@pytest.fixture(scope="module")
def vgg(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(random_vgg(), path)
    return path


@pytest.fixture(scope="module")
def methods(tiny_yaml, vgg) -> dict[str, TrainableMethod]:
    """Every method that trains, in the last part of its training, by its YAML's name."""
    found = {}
    for name, case in CASES.items():
        torch.manual_seed(0)
        method = load_method(tiny_yaml(*case))
        if any(parameter.requires_grad for parameter in method.parameters()):
            assert isinstance(method, TrainableMethod)
            if isinstance(method, PerceptualMethod):
                method.perceptual_weight, method._perceptual = 0.3, (PerceptualLoss(vgg),)
            if isinstance(method, LatentInterpolation):
                method.latent_weight = 10.0  # its latents' statistics are those of all processes
            found[name] = method.train()
    assert len(found) > 5
    return found


@pytest.fixture
def at_the_end(monkeypatch):
    """Methods find themselves in the last part of their training."""
    monkeypatch.setattr(PerceptualMethod, "progress", 1.0)
