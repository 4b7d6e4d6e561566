"""The contract on a GPU: what it draws, and steps that keep it busy."""

import copy

import pytest
import torch
from lightning.fabric.utilities import move_data_to_device

from inbetween.functional.seeds import generators
from inbetween.methods.loading import load_method
from tests.contract.cases import CASES, windows
from tests.tiny import random_batch

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", CASES)
def test_it_draws_what_a_processor_draws(name, tiny_yaml, gpu):
    torch.manual_seed(0)
    method = load_method(tiny_yaml(*CASES[name])).eval()
    frames = []
    for device in (torch.device("cpu"), gpu):
        batch = move_data_to_device(random_batch(3, between=2, height=50, width=66), device)
        keyframes = batch["first"], batch["last"]
        with torch.no_grad():
            drawn = method.to(device).interpolate(*keyframes, batch["t"], generators(batch["seed"]))
        assert drawn.device.type == device.type
        assert drawn.shape == (3, 2, 3, 50, 66)
        frames.append(drawn.cpu())
    # a choice between keyframes may fall otherwise at a few pixels
    assert (frames[1] - frames[0]).abs().mean() < 5e-3


@pytest.mark.usefixtures("at_the_end")
def test_a_step_does_not_wait_for_the_gpu_and_has_the_processors_gradients(methods, gpu, monkeypatch):
    # TF32 keeps ten bits: on an H100 it turned the gradient of a denoiser by a cosine of 0.98
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    for name, method in methods.items():
        batch, found = windows(), []
        batch["sample"] = method.sample_of(batch)
        for device in (torch.device("cpu"), gpu):
            # the loss is held beside the model
            there = copy.deepcopy(method).to(device)
            there._perceptual = tuple(copy.deepcopy(loss).to(device) for loss in there._perceptual)
            moved = move_data_to_device(batch, device)
            there.training_loss(moved)["loss"].backward()  # builds what is kept from step to step
            there.zero_grad()
            if device.type == "cuda":
                torch.cuda.synchronize()
                torch.cuda.set_sync_debug_mode("error")
            try:
                loss = there.training_loss(moved)["loss"]
                loss.backward()
            finally:
                if device.type == "cuda":
                    torch.cuda.set_sync_debug_mode("default")
            gradients = [p.grad.flatten().cpu() for p in there.parameters() if p.grad is not None]
            found.append((float(loss), torch.cat(gradients)))
        (loss, gradient), (loss_there, gradient_there) = found
        assert loss_there == pytest.approx(loss, rel=1e-2), name
        assert torch.cosine_similarity(gradient, gradient_there, dim=0) > 0.99, name
