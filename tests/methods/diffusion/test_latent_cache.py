"""What frozen networks make of frames is computed once, and never mixed up."""

import multiprocessing
import shutil

import pytest
import torch
from torch import nn

from inbetween.methods.diffusion.latent_cache import LatentCache


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(3, 2).requires_grad_(False)


class Computed:
    """Rows of a table of inputs through a network, with a note of which were asked for."""

    def __init__(self, layer, inputs):
        self.layer, self.inputs, self.asked = layer, inputs, []

    def __call__(self, rows):
        self.asked.append(rows.tolist())
        return self.layer(self.inputs[rows])


def computed(layer, count=4):
    return Computed(layer, torch.arange(3.0 * count).view(count, 3))


def test_each_frame_is_computed_once(tmp_path):
    layer = network()
    once, again = computed(layer), computed(layer)
    ids = torch.tensor([7, -7, 7, 8])
    once.inputs[2] = once.inputs[0]
    expected = layer(once.inputs)
    assert torch.equal(LatentCache(tmp_path, layer, "latents").get(ids, once), expected)
    assert once.asked == [[0, 1, 3]]
    # Another run, later, that has one frame more.
    cache = LatentCache(tmp_path, network(), "latents")
    found = cache.get(torch.tensor([8, 9, 7, -7]), again)
    assert again.asked == [[1]]
    assert torch.equal(found, torch.stack([expected[3], layer(again.inputs[1]), expected[0], expected[1]]))


def test_a_training_step_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: pytest.fail("waits"))
    LatentCache(tmp_path, network(), "latents").get(torch.tensor([1]), computed(network()))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_come_back_bit_by_bit(tmp_path, dtype):
    values = torch.randn(2, 4, 5).to(dtype).transpose(1, 2)
    cache = LatentCache(tmp_path, network(), "latents")
    for _ in range(2):
        found = cache.get(torch.tensor([1, 2]), lambda rows: values[rows])
        assert found.dtype == dtype
        assert torch.equal(found, values)


def test_other_weights_purposes_and_precisions_have_files_of_their_own(tmp_path):
    ids = torch.tensor([1])

    def asks(layer, purpose="latents", mixed=False):
        compute = computed(layer)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            LatentCache(tmp_path, layer, purpose).get(ids, compute)
        return bool(compute.asked)

    other_eps = nn.LayerNorm(3, eps=1.0).requires_grad_(False)
    assert asks(network())
    assert not asks(network())
    assert asks(network(seed=1))
    assert asks(network().double().float().requires_grad_(False).apply(lambda layer: layer.bias.add_(1e-6)))
    assert asks(network(), "embeddings")
    assert asks(network(), mixed=True)
    assert asks(nn.LayerNorm(3).requires_grad_(False))
    assert asks(other_eps)


def test_a_network_in_training_is_no_use():
    layer = network()
    cache = LatentCache("unused", layer, "latents")
    assert cache.usable
    layer.bias.requires_grad_(True)
    assert not cache.usable


def test_a_damaged_file_is_written_anew(tmp_path):
    layer, ids = network(), torch.tensor([1, 2])
    expected = LatentCache(tmp_path, layer, "latents").get(ids, computed(layer))
    one, two = sorted(tmp_path.rglob("*.safetensors"))
    one.write_bytes(one.read_bytes()[:-3])
    two.write_bytes(b"")
    for asked in ([[0, 1]], []):
        compute = computed(layer)
        assert torch.equal(LatentCache(tmp_path, layer, "latents").get(ids, compute), expected)
        assert compute.asked == asked


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path, monkeypatch):
    layer, ids = network(), torch.tensor([1])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        "inbetween.methods.diffusion.latent_cache.shutil.disk_usage", lambda _: usage._replace(free=2**30 - 1)
    )
    compute = computed(layer)
    assert torch.equal(LatentCache(tmp_path, layer, "latents").get(ids, compute), layer(compute.inputs[:1]))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").touch()
    layer = network()
    compute = computed(layer)
    found = LatentCache(tmp_path / "file", layer, "latents").get(torch.tensor([1]), compute)
    assert torch.equal(found, layer(compute.inputs[:1]))
    assert "cannot be written" in caplog.text


def _fill(folder, values, rounds):
    layer = network()
    for _ in range(rounds):
        for file in folder.rglob("*.safetensors"):
            file.unlink(missing_ok=True)
        found = LatentCache(folder, layer, "latents").get(
            torch.arange(len(values)), lambda rows: values[rows]
        )
        assert torch.equal(found, values)


def test_processes_share_a_folder(tmp_path):
    """Two processes write and delete the same files; neither ever reads half a one."""
    values = torch.randn(8, 4000)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fill, args=(tmp_path, values, 30)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert not list(tmp_path.rglob(".*.partial"))
