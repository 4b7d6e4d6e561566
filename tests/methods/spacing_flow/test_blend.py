import pytest
import torch
from safetensors.torch import save_file

from inbetween.errors import UserError
from inbetween.methods.spacing_flow.blend import SpacingFlowBlend, load_blend
from inbetween.methods.spacing_flow.interpolation import build_spaced_interpolator
from inbetween.methods.spacing_flow.network import IntermediateFlow
from tests.tiny import random_batch


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    network = IntermediateFlow()
    path = tmp_path / "weights.safetensors"
    named = {f"network.{name}": value.contiguous() for name, value in network.state_dict().items()}
    save_file(named, path, {"method": "SpacingFlow", "hyper_parameters": "{}"})
    return network, path


def test_further_channels_are_warped_like_colours(weights):
    blends = load_blend("dis"), load_blend(str(weights[1]))
    batch = random_batch(2, height=64, width=80)
    first, last, t = (batch[key] for key in ("first", "last", "t"))
    for blend in blends:
        alone = blend(first, last)(t)
        both = blend(*(torch.cat([image, image - 0.5], dim=1) for image in (first, last)))(t)
        torch.testing.assert_close(both[:, :, :3], alone)
        if blend is blends[0]:
            torch.testing.assert_close(both[:, :, 3:], alone - 0.5, atol=1e-5, rtol=0)


def test_frames_are_those_of_the_network(weights):
    network, path = weights
    batch = random_batch(1, height=64, width=64)
    spacing = torch.full((1, 1, 1, 64, 64), 0.3)
    expected = build_spaced_interpolator(network, batch["first"], batch["last"])(spacing)[0]
    frames = SpacingFlowBlend(str(path))(batch["first"], batch["last"])(torch.tensor([[0.3]]))
    torch.testing.assert_close(frames, expected)


def test_the_weights_that_ship_are_found_by_name():
    assert isinstance(load_blend("spacing_flow/weights.safetensors"), SpacingFlowBlend)


def test_weights_of_something_else_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"There is no checkpoint farneback"):
        load_blend("farneback")
    save_file(
        {"network.bias": torch.zeros(1)},
        tmp_path / "other.safetensors",
        {"method": "x", "hyper_parameters": "{}"},
    )
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for name in ("other", "broken"):
        with pytest.raises(UserError, match=rf"{name}.safetensors are no weights of a spacing flow"):
            load_blend(str(tmp_path / f"{name}.safetensors"))
