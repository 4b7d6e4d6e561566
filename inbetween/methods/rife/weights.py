"""RIFE 4.26's weights: their place in the cache, and reading them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch
from torch import Tensor

from inbetween.errors import UserError
from inbetween.paths import cached

# of the published file
RIFE_SHA256 = "1195a2f0de8fcc06228590670c15cee18e27dd4f562864bf10454bed6f1e9c44"
# prefixes of parameters that only its original training used
UNUSED = ("teacher.", "caltime.")


def cached_rife() -> Path:
    """Where `fetch-weights rife` puts the weights: `inbetween/rife_4.26.pkl` in the user's cache."""
    return cached("rife_4.26.pkl")


def has_fetched_rife() -> bool:
    """Whether RIFE's weights are in the user's cache; whether they are undamaged is seen on reading."""
    try:
        return cached_rife().is_file()
    except (UserError, OSError):  # a user without a home folder, or a cache closed to them
        return False


def read_rife(path: Path | None = None, sha256: str = RIFE_SHA256) -> dict[str, Tensor]:
    """RIFE's weights by their published names, without those that inference does not use.

    Args:
        path: A file of tensors; None takes the fetched one.
        sha256: The file's expected SHA-256.

    Raises:
        UserError: There is no such file, or its SHA-256 differs.
    """
    source = path.expanduser() if path is not None else cached_rife()
    if not source.is_file():
        if path is not None:
            raise UserError(f"There is no weights file {path}; give another path.")
        raise UserError("RIFE's weights are not here: `python -m inbetween fetch-weights rife` gets them.")
    content = source.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if path is None and found == RIFE_SHA256 != sha256:
        raise UserError(
            f"{source} is RIFE as published, and the trained difference belongs to another base: give that"
            " one's file as `base` in the YAML."
        )
    if found != sha256:
        again = (
            "give the one that was trained on"
            if path
            else "`python -m inbetween fetch-weights rife` downloads them again"
        )
        raise UserError(f"{source} does not hold the expected weights of RIFE (other SHA-256): {again}.")
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return {name: value.float() for name, value in state.items() if not name.startswith(UNUSED)}
