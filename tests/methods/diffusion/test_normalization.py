import pytest
import torch
from torch import nn

from inbetween.methods.diffusion.normalization import GroupNorm, use_fast_group_norm


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_forward_and_gradients_are_those_of_torch(memory_format):
    torch.manual_seed(0)
    reference, ours = nn.GroupNorm(4, 8), GroupNorm(4, 8)
    nn.init.normal_(reference.weight)
    nn.init.normal_(reference.bias)
    ours.load_state_dict(reference.state_dict())
    data = torch.randn(3, 8, 5, 7)
    inputs = [data.clone().contiguous(memory_format=memory_format).requires_grad_() for _ in range(2)]
    weight = torch.randn(3, 8, 5, 7)
    outputs = [module(x) for module, x in zip((reference, ours), inputs, strict=True)]
    for output in outputs:
        (output * weight).sum().backward()
    torch.testing.assert_close(outputs[1], outputs[0])
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad)
    torch.testing.assert_close(ours.weight.grad, reference.weight.grad)
    torch.testing.assert_close(ours.bias.grad, reference.bias.grad)


def test_frozen_weights_still_pass_the_gradient_on():
    norm = GroupNorm(2, 4).requires_grad_(False)
    x = torch.randn(2, 4, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    norm(x).square().sum().backward()
    assert x.grad is not None
    assert norm.weight.grad is None


def test_swap_keeps_weights_and_leaves_other_modules_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4))
    before = network.state_dict()
    use_fast_group_norm(network)
    assert type(network[0]) is nn.Conv2d
    assert type(network[1]) is GroupNorm
    assert network.state_dict().keys() == before.keys()
