"""Cross-attention to two keyframes against plain attention and an independent sum."""

import copy

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import nn

from inbetween.methods.diffusion.weighted_attention import WeightedAttention

HEADS = 2
LAYERS = {"down_1_0_0": HEADS, "mid_0_0": HEADS, "up_0_0_0": HEADS, "up_0_1_0": HEADS}


def denoiser():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=HEADS,  # in this class the number of heads
        norm_num_groups=4,
    )


@pytest.fixture
def unet():
    return denoiser()


def inputs(batch=3, tokens=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randn(batch, 4, 8, 8, generator=generator)
    first, last = 3 * torch.randn(2, batch, tokens, 12, generator=generator)
    return sample, torch.tensor(7), first, last


def drawn(unet, attention, sample, timestep, first, last, t):
    tokens = torch.cat([first, last], dim=1)
    return unet(sample, timestep, tokens, cross_attention_kwargs=attention.at(t)).sample


def learn(attention, scale=2.0):
    """Weights as training might leave them."""
    torch.manual_seed(2)
    for layer in attention.layers.values():
        nn.init.normal_(layer[-1].weight, std=scale)
        nn.init.normal_(layer[-1].bias, std=scale)
    return attention


@pytest.mark.parametrize("weighting", ["linear", "learned"])
def test_equal_tokens_of_both_keyframes_are_plain_attention(unet, weighting):
    sample, timestep, first, _ = inputs()
    plain = unet(sample, timestep, first).sample
    attention = learn(WeightedAttention(unet, weighting))
    found = drawn(unet, attention, sample, timestep, first, first, torch.tensor([0.2, 0.5, 0.9]))
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("weighting", ["linear", "learned"])
def test_at_the_ends_it_is_attention_to_one_keyframe(unet, weighting):
    sample, timestep, first, last = inputs()
    plain = [unet(sample, timestep, tokens).sample for tokens in (first, last)]
    attention = learn(WeightedAttention(unet, weighting))
    for t, expected, other in ((0.0, *plain), (1.0, *reversed(plain))):
        found = drawn(unet, attention, sample, timestep, first, last, torch.full((3,), t))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        assert (found - other).abs().max() > 1e-3
        near = drawn(unet, attention, sample, timestep, first, last, torch.full((3,), abs(t - 1e-6)))
        torch.testing.assert_close(near, expected, atol=1e-3, rtol=1e-3)


def test_learned_starts_as_linear(unet):
    sample, timestep, first, last = inputs()
    t = torch.tensor([0.1, 0.5, 0.75])
    twin = copy.deepcopy(unet)
    linear = drawn(unet, WeightedAttention(unet, "linear"), sample, timestep, first, last, t)
    learned = drawn(twin, WeightedAttention(twin, "learned"), sample, timestep, first, last, t)
    torch.testing.assert_close(learned, linear, atol=1e-6, rtol=1e-5)


def test_linear_weights_are_exactly_those_of_t(unet):
    t = torch.tensor([0.0, 0.125, 0.3, 1.0])
    for pair in WeightedAttention(unet).at(t)["keyframe_weights"].values():
        assert torch.equal(pair[:, 0], torch.stack([1 - t, t], dim=-1))


def test_one_layer_is_the_sum_over_heads_of_two_attentions(unet):
    """Against einsums with loops over samples, heads and keyframes."""
    attention = learn(WeightedAttention(unet, "learned"))
    layer = unet.mid_block.attentions[0].transformer_blocks[0].attn2
    assert isinstance(layer, Attention)
    torch.manual_seed(3)
    h, first, last = torch.randn(2, 6, 16), torch.randn(2, 5, 12), torch.randn(2, 5, 12)
    t = torch.tensor([0.3, 0.8])
    found = layer(h, torch.cat([first, last], dim=1), **attention.at(t))

    mlp, size = attention.layers["mid_0_0"], 16 // HEADS
    projected = torch.zeros(2, 6, 16)
    for row in range(2):
        x, s = t[row].item(), 2 * torch.pi * t[row]
        powers = torch.tensor([x, x**2, x**3, x**4])
        code = torch.cat([powers, torch.stack([s.sin(), s.cos(), (2 * s).sin(), (2 * s).cos()])])
        shift = mlp(code)
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            share = x * shift[head].exp() / (1 - x + x * shift[head].exp())
            for tokens, weight in ((first[row], 1 - share), (last[row], share)):
                q, k, v = (
                    torch.einsum("sc,dc->sd", source, projection.weight[part])
                    for source, projection in (
                        (h[row], layer.to_q),
                        (tokens, layer.to_k),
                        (tokens, layer.to_v),
                    )
                )
                scores = torch.einsum("sd,ld->sl", q, k) / size**0.5
                projected[row, :, part] += weight * torch.einsum("sl,ld->sd", scores.softmax(-1), v)
    torch.testing.assert_close(found, layer.to_out[0](projected), atol=1e-5, rtol=1e-5)
    shares = attention.learned_weights(t)["mid_0_0"]
    assert (shares[0] - shares[1]).abs().max() > 0.05  # heads differ


def test_each_sample_has_its_own_t(unet):
    sample, timestep, first, last = inputs()
    attention = learn(WeightedAttention(unet, "learned"))
    t = torch.tensor([0.2, 0.5, 0.9])
    whole = drawn(unet, attention, sample, timestep, first, last, t)
    for row in range(3):
        own = slice(row, row + 1)
        part = drawn(unet, attention, sample[own], timestep, first[own], last[own], t[own])
        torch.testing.assert_close(whole[own], part, atol=1e-5, rtol=1e-5)


def gradients(unet, attention, calls=((0.3, 1), (0.8, 2))):
    """Of two forward passes before one backward pass: each must keep its own t."""
    loss = 0
    for t, seed in calls:
        sample, timestep, first, last = inputs(seed=seed)
        loss = (
            loss + drawn(unet, attention, sample, timestep, first, last, torch.full((3,), t)).square().mean()
        )
    loss.backward()
    return {name: p.grad for module in (attention, unet) for name, p in module.named_parameters()}


def test_gradients_reach_every_layer_and_survive_checkpointing(unet):
    attention = learn(WeightedAttention(unet, "learned"))
    twin_unet, twin = copy.deepcopy((unet, attention))
    twin_unet.enable_gradient_checkpointing()
    found, expected = gradients(twin_unet.train(), twin), gradients(unet.train(), attention)
    for layer in LAYERS:
        for name in ("0.weight", "0.bias", "2.weight", "2.bias"):
            assert expected[f"layers.{layer}.{name}"].abs().sum() > 0, (layer, name)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_first_step_from_linear_moves_the_last_layers(unet):
    attention = WeightedAttention(unet, "learned")
    found = gradients(unet, attention)
    for layer in LAYERS:
        assert found[f"layers.{layer}.2.weight"].abs().sum() > 0, layer


def test_bf16_autocast_keeps_t_apart(unet):
    sample, timestep, first, last = inputs()
    attention = learn(WeightedAttention(unet, "learned"))
    t = torch.tensor([0.250, 0.251, 0.75])
    expected = drawn(unet, attention, sample, timestep, first, last, t)
    weights = attention.learned_weights(t)
    with torch.autocast("cpu", torch.bfloat16):
        found = drawn(unet, attention, sample, timestep, first, last, t)
        torch.testing.assert_close(attention.learned_weights(t), weights, atol=0, rtol=0)
    torch.testing.assert_close(found.float(), expected, atol=0.1, rtol=0.1)
    assert (weights["mid_0_0"][:, 0] != weights["mid_0_0"][:, 1]).all()


def test_low_rank_additions_to_its_projections_are_used(unet):
    peft = pytest.importorskip("peft")
    sample, timestep, first, last = inputs()
    attention = learn(WeightedAttention(unet, "learned"))
    t = torch.tensor([0.2, 0.5, 0.9])
    before = drawn(unet, attention, sample, timestep, first, last, t)
    unet.add_adapter(peft.LoraConfig(r=2, target_modules=r".*\.attn2\.to_(q|k|v|out\.0)"))
    torch.testing.assert_close(drawn(unet, attention, sample, timestep, first, last, t), before)
    found = gradients(unet, attention)
    low_rank = {name for name in found if "lora_B" in name}
    assert len(low_rank) == 4 * len(LAYERS)
    for name in low_rank:
        assert found[name].abs().sum() > 0, name


def test_only_its_own_weights_are_its_own(unet):
    before = set(unet.state_dict())
    attention = WeightedAttention(unet, "learned")
    assert set(unet.state_dict()) == before
    assert {key.split(".")[1] for key in attention.state_dict()} == set(LAYERS)
    assert WeightedAttention(denoiser(), "linear").state_dict() == {}
    learn(attention)
    other = WeightedAttention(denoiser(), "learned")
    other.load_state_dict(attention.state_dict())
    t = torch.linspace(0, 1, 5)
    torch.testing.assert_close(other.learned_weights(t), attention.learned_weights(t), atol=0, rtol=0)


@pytest.mark.parametrize("weighting", ["linear", "learned"])
def test_weights_to_look_at(unet, weighting):
    t = torch.linspace(0, 1, 7)
    found = WeightedAttention(unet, weighting).learned_weights(t)
    assert {name: len(weights) for name, weights in found.items()} == LAYERS
    assert list(found) == list(LAYERS)
    for weights in found.values():
        torch.testing.assert_close(weights, t.expand(HEADS, -1))
