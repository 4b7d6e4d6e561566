"""Outputs of frozen networks for frames that recur every epoch, cached on disk."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from inbetween.io.files import write_whole

log = logging.getLogger(__name__)

_VERSION = 1  # of the file format
RESERVE = 2**30  # bytes of disk that are left free


class LatentCache:
    """A file for each distinct frame, in a folder named by a hash of what the outputs depend on.

    That is the network's architecture and weights, its precision, and `purpose`: another backbone, or the
    same in another precision, has its own folder. Files are moved into place when complete, so any number
    of processes may share the cache, which may be deleted at any time. A file that cannot be read is
    written anew. Nothing is written when less than `RESERVE` bytes of disk are left.

    Args:
        folder: Root of the cache.
        network: Computes the outputs. While any of its weights is trained, nothing is cached.
        purpose: Name of the outputs, such as `latents`.
    """

    def __init__(self, folder: Path, network: nn.Module, purpose: str) -> None:
        self.root, self.purpose = Path(folder), purpose
        # in a list, so that it is no submodule here: it belongs to the backbone
        self._network = [network]
        self._fingerprint = ""

    @property
    def usable(self) -> bool:
        """Whether the network is frozen."""
        return not any(parameter.requires_grad for parameter in self._network[0].parameters())

    def get(self, ids: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Outputs for frames, computed for those that are not cached yet.

        Args:
            ids: (K,) int64, equal only for equal frames.
            compute: Gives the outputs (M, ...) of the frames at indices (M,) into `ids`, all of one shape.

        Returns:
            (K, ...), without gradient, on the device of `ids`.
        """
        folder = self._folder(ids.device)
        keys = ids.tolist()
        read = {key: self._read(folder / _name(key)) for key in dict.fromkeys(keys)}
        found = {key: value for key, value in read.items() if value is not None}
        missing = [key for key in read if key not in found]
        if missing:
            rows = torch.tensor([keys.index(key) for key in missing], device=ids.device)
            with torch.no_grad():
                computed = compute(rows).cpu()
            for key, value in zip(missing, computed, strict=True):
                found[key] = value.contiguous()
                self._write(folder / _name(key), found[key])
        return torch.stack([found[key] for key in keys]).to(ids.device)

    def _folder(self, device: torch.device) -> Path:
        self._fingerprint = self._fingerprint or fingerprint(self._network[0])
        mixed = torch.is_autocast_enabled(device.type)
        precision = str(torch.get_autocast_dtype(device.type)) if mixed else "full"
        text = repr((_VERSION, self.purpose, self._fingerprint, precision))
        return self.root / hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    def _read(self, path: Path) -> Tensor | None:
        try:
            # read at once: load_file opens a file twice, and another process may delete it in between
            value: Tensor = load(path.read_bytes())["value"]
            return value
        except (OSError, SafetensorError, KeyError):
            return None

    def _write(self, path: Path, value: Tensor) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(path.parent).free < RESERVE:
                return
            write_whole(path, save({"value": value}), durable=False)
        except (OSError, SafetensorError) as error:  # training does not need the cache
            log.warning("The latent cache %s cannot be written (%s).", path.parent, error)


class FrozenOutputs:
    """Outputs of frozen networks for training frames, from a `LatentCache` of each where there is a folder.

    Args:
        folder: Root of the caches; None computes everything anew.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._caches: dict[str, LatentCache] = {}

    def get(
        self,
        network: nn.Module | None,
        purpose: str,
        frames: Tensor,
        frame_ids: Tensor,
        compute: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """The outputs of `compute` for frames, cached where possible.

        Args:
            network: What `compute` runs. Without one, or while it is trained, nothing is cached.
            purpose: See `LatentCache`.
            frames: (B, K, 3, H, W).
            frame_ids: (B, K) int64, equal only for equal frames; (B, 0) where they have none.
            compute: Takes (M, 3, H, W) to (M, ...).

        Returns:
            (B, K, ...).
        """
        flat, cache = frames.flatten(0, 1), None
        if self.folder is not None and network is not None and frame_ids.shape[1]:
            cache = self._caches.setdefault(purpose, LatentCache(self.folder, network, purpose))
        if cache is not None and cache.usable:
            outputs = cache.get(frame_ids.flatten(), lambda rows: compute(flat[rows]))
        else:
            outputs = compute(flat)
        return outputs.view(*frames.shape[:2], *outputs.shape[1:])


def fingerprint(network: nn.Module) -> str:
    """Hash of a network's layers, weights and dtypes; takes a second per gigabyte."""
    content = hashlib.blake2b(repr(network).encode(), digest_size=12)
    content.update(repr(getattr(network, "config", None)).encode())
    for name, value in network.state_dict().items():
        content.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        content.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return content.hexdigest()


def _name(key: int) -> str:
    return f"{key & (2**64 - 1):016x}.safetensors"
