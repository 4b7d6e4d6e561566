"""Weights and backbones that several files need."""

import pytest
import torch
from safetensors.torch import save_file

from inbetween.methods import SpacingFlow
from inbetween.methods.diffusion import Backbone
from tests.tiny import write_tiny_backbone


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny backbone in diffusers' folder format."""
    return write_tiny_backbone(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def backbone(folder):
    return Backbone(str(folder))


@pytest.fixture(scope="module")
def flow_weights(tmp_path_factory):
    """A spacing flow, and the file of its weights as `WeightsWriter` writes it."""
    torch.manual_seed(1)
    spacing_flow = SpacingFlow().eval()
    path = tmp_path_factory.mktemp("flow") / "weights.safetensors"
    weights = {name: value.contiguous() for name, value in spacing_flow.state_dict().items()}
    save_file(weights, path, {"method": "inbetween.methods.SpacingFlow", "hyper_parameters": "{}"})
    return spacing_flow, path
