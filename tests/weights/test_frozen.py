import copy
import pickle

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from inbetween.weights.frozen import frozen_keys, leave_frozen_out


def network():
    torch.manual_seed(0)
    module = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 3), nn.Linear(3, 1))
    module[0].requires_grad_(False)
    module[1].requires_grad_(False)
    leave_frozen_out(module)
    return module


def test_frozen_weights_and_their_buffers_are_left_out():
    assert frozen_keys(network()) >= {"0.weight", "0.running_mean", "1.weight", "1.bias"}
    assert set(network().state_dict()) == {"2.weight", "2.bias"}


def test_trainable_weights_come_back():
    source, target = network(), network()
    nn.init.normal_(source[2].weight)
    target.load_state_dict(source.state_dict())
    assert torch.equal(target[2].weight, source[2].weight)


def test_missing_trainable_weight_is_an_error():
    state = network().state_dict()
    del state["2.bias"]
    with pytest.raises(RuntimeError, match=r"2\.bias"):
        network().load_state_dict(state)


def test_unexpected_weight_is_an_error():
    with pytest.raises(RuntimeError, match="extra"):
        network().load_state_dict({**network().state_dict(), "extra": torch.zeros(1)})


def test_survives_an_average_of_the_weights():
    averaged = AveragedModel(network())
    state = averaged.state_dict()
    assert {key for key in state if key.startswith("module.")} == {"module.2.weight", "module.2.bias"}
    AveragedModel(network()).load_state_dict(state)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_leaves_out_what_is_frozen_in_the_copy(copied):
    original = network()
    twin = copied(original)
    twin.requires_grad_(True)
    assert {"1.weight", "2.weight"} <= set(twin.state_dict())
    assert "1.weight" not in original.state_dict()
