"""What a training step is made of, and that two processes train as one does, for every trainable method."""

import pickle
from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor, distributed, multiprocessing
from torch.utils.data import DataLoader

from inbetween.data.loader import PreparedWindows
from inbetween.methods import TrainableMethod
from inbetween.types import WindowBatch
from tests.contract.cases import NoWaiting, windows


@pytest.mark.usefixtures("at_the_end")
def test_a_step_neither_waits_for_its_device_nor_calls_opencv(methods, monkeypatch):
    """What OpenCV computes and what is drawn at random comes with the batch."""
    prepared = {
        name: {**windows(), "sample": method.sample_of(windows())} for name, method in methods.items()
    }
    pictures = ("first", "last", "targets", "spacing", "flow_t0", "flow_t1", "box")

    def forbidden(*_, **__):
        raise AssertionError("a training step must stay on its device")

    for name in ("DISOpticalFlow", "calcOpticalFlowFarneback", "GaussianBlur", "distanceTransform", "resize"):
        monkeypatch.setattr(cv2, name, forbidden)
    for name in ("tolist", "numpy", "item", "new_tensor"):
        monkeypatch.setattr(Tensor, name, forbidden)
    monkeypatch.setattr(torch, "randn", forbidden)
    for name, method in methods.items():
        batch = {key: value for key, value in prepared[name].items() if key not in pictures}
        method.training_loss(batch)  # what is kept from step to step
        with NoWaiting():
            loss = method.training_loss(batch)["loss"]
        assert torch.isfinite(loss), name


@pytest.mark.slow  # processes for every method
@pytest.mark.parametrize("training", [True, False])
def test_data_workers_make_the_same_samples(methods, training):
    """Whatever the process and its copy of the method's settings."""
    whole = windows()
    rows = [{key: value[row] for key, value in whole.items()} for row in range(4)]
    for name, method in methods.items():
        prepare = method.preparation(training)
        copied = pickle.loads(pickle.dumps(prepare))
        loader = DataLoader(PreparedWindows(rows, copied, whole=False), batch_size=4, num_workers=1)
        (batch,) = loader
        assert set(batch) == {"t", "index", "seed", "name", "sample"}
        here = method.train(training).sample_of(whole)
        method.train()
        for field, there, value in zip(here._fields, batch["sample"], here, strict=True):
            same = (
                there == value
                if isinstance(value, tuple)
                else torch.equal(there.nan_to_num(), value.nan_to_num())
            )
            assert same, (name, field)


def step(method: TrainableMethod, batch: WindowBatch) -> dict[str, Tensor]:
    """Loss and gradients, in the mean over processes as DDP takes it."""
    method.zero_grad()
    loss = method.training_loss(batch)["loss"]
    loss.backward()
    method.on_before_optimizer_step(None)  # which changes buffers
    found = {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}
    found["loss"] = loss.detach()
    if distributed.is_initialized():
        for value in found.values():
            distributed.all_reduce(value)
            value /= distributed.get_world_size()
    return {**found, **{name: buffer.clone() for name, buffer in method.named_buffers()}}


def share(rank: int, methods: dict[str, TrainableMethod], folder: Path) -> None:
    """One of two processes: every other window."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    batch = {key: value[rank::2] for key, value in windows().items()}
    found = {name: step(method, batch) for name, method in methods.items()}
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow  # processes import everything
@pytest.mark.usefixtures("at_the_end")
def test_two_processes_train_as_one_does(methods, tmp_path):
    multiprocessing.start_processes(share, (methods, tmp_path), nprocs=2, start_method="fork")
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for name, method in methods.items():
        alone = step(method, windows())
        for key, value in alone.items():
            for together in found:
                off, scale = float((together[name][key] - value).abs().max()), float(value.abs().max())
                assert off <= max(1e-3 * scale, 1e-7), (name, key, off, scale)
