"""The shipped YAML files on tiny models."""

from pathlib import Path

import pytest
import yaml

from tests.contract.cases import model_of
from tests.tiny import write_tiny_backbone


@pytest.fixture(scope="package")
def tiny_yaml(tmp_path_factory):
    """YAML path and overrides -> the same with a tiny backbone where it names one."""
    backbone = write_tiny_backbone(tmp_path_factory.mktemp("backbone"))

    def write(path: Path, overrides: dict) -> Path:
        model = model_of(path)
        arguments = model.setdefault("init_args", {})
        if "backbone" in arguments:
            fresh = arguments["backbone"]["class_path"].endswith("FreshBackbone")
            arguments["backbone"]["init_args"] = (
                {"vae": str(backbone / "vae"), "channels": [16, 32], "embedding_dim": 16}
                | {"encoder_layers": 1, "encoder_image_size": 16, "corrects": True}
                if fresh
                else {"pretrained": str(backbone)}
            )
            arguments["sampling"] = {"num_inference_steps": 4, "strength": 0.5}
            arguments |= overrides
        if "LatentInterpolation" in model["class_path"]:
            arguments |= {"vae": None, "channels": 8, "encoder_blocks": [0, 1], "decoder_blocks": [1, 1]}
        if "perceptual_weight" in arguments:
            arguments["perceptual_weight"] = 0.0  # its network is not everywhere
        target = tmp_path_factory.mktemp("yaml") / path.name
        target.write_text(yaml.safe_dump({"model": model}))
        return target

    return write
