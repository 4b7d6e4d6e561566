import pytest
import torch

from inbetween.methods import TemporalEncodingDiffusion
from inbetween.methods.diffusion import Backbone, Sampling
from tests.tiny import random_batch, write_tiny_backbone


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_backbone(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def method(folder):
    torch.manual_seed(0)
    return TemporalEncodingDiffusion(Backbone(str(folder)), sampling=Sampling(4, 0.5))


def test_tokens_are_the_lerped_embedding_and_the_time_token(method):
    first, last = torch.randn(4, 1, 16), torch.randn(4, 1, 16)
    tokens = method.condition(first, last, torch.tensor([0.25, 0.5, 0.75, 1.0]))
    assert tokens.shape == (4, 2, 16)
    torch.testing.assert_close(tokens[0, 0], 0.75 * first[0, 0] + 0.25 * last[0, 0])
    torch.testing.assert_close(tokens[3, 0], last[3, 0])
    torch.testing.assert_close(tokens[2, 1], method.time_token(torch.tensor(0.75)))


def test_gradients_reach_the_time_token(method):
    """The original project ran it under no_grad: it was never trained."""
    method.training_loss(random_batch(4))["loss"].backward()
    for name, parameter in method.time_token.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_each_sample_has_its_own_timestep_and_position(method, monkeypatch):
    seen = {}
    original = method.backbone.denoise

    def spy(sample, timestep, tokens):
        seen.update(timestep=timestep.clone(), tokens=tokens.detach().clone())
        return original(sample, timestep, tokens)

    monkeypatch.setattr(method.backbone, "denoise", spy)
    method.training_loss(random_batch(16))
    assert len(seen["timestep"].unique()) > 10
    times = {method.time_token(torch.tensor(t))[0].item(): t for t in (0.25, 0.5, 0.75)}
    assert {round(value, 4) for value in seen["tokens"][:, 1, 0].tolist()} == {round(v, 4) for v in times}


def test_loss_does_not_depend_on_how_the_batch_is_cut(method):
    batch = random_batch(4)
    whole = method.training_loss(batch)["loss"]
    rows = [{key: value[row : row + 1] for key, value in batch.items()} for row in range(4)]
    parts = torch.stack([method.training_loss(row)["loss"] for row in rows])
    torch.testing.assert_close(whole, parts.mean(), atol=1e-5, rtol=1e-5)


def test_loss_is_that_of_the_seed(method):
    batch = random_batch(2)
    first = method.training_loss(batch)["loss"]
    assert torch.equal(first, method.training_loss(batch)["loss"])
    batch["seed"] = batch["seed"] + 1
    assert not torch.equal(first, method.training_loss(batch)["loss"])


def test_without_strength_it_decodes_the_slerped_latents(folder):
    method = TemporalEncodingDiffusion(Backbone(str(folder)), sampling=Sampling(4, 0.0))
    batch = random_batch(1)
    ends = method.interpolate(batch["first"], batch["last"], torch.tensor([[0.0, 1.0]]))
    backbone = method.backbone
    torch.testing.assert_close(
        ends[:, 0], backbone.decode(backbone.encode(batch["first"])), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(ends[:, 1], backbone.decode(backbone.encode(batch["last"])), atol=1e-5, rtol=0)


def test_checkpoint_made_in_python_holds_no_module(method):
    checkpoint = {"hyper_parameters": dict(method.hparams), "state_dict": {}}
    method.on_save_checkpoint(checkpoint)
    assert checkpoint["hyper_parameters"] == {
        "trained": "attn2",
        "lora_rank": 8,
        "condition_dropout": 0.0,
        "keyframe_latents": False,
        "line_condition": False,
    }
