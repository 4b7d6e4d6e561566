"""What a frozen network makes of frames that come back every epoch, kept on disk."""

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

_VERSION = 1  # of the files written here
RESERVE = 2**30  # bytes of disk that are left to others


class LatentCache:
    """A file for each distinct frame, below a folder named by what the file's content depends on.

    These are the network's weights and shape, the type it computes in, and `purpose`. So another backbone,
    or the same one in another precision, never reads what this one wrote. Files are moved into place when
    complete: any number of processes may share the folder, which may be deleted at any time. A file that
    cannot be read is written anew. Nothing is written when less than `RESERVE` bytes of disk are left.

    Args:
        folder: Root of the cache.
        network: Computes what is kept. While any of its weights is trained, nothing is.
        purpose: What is made of the frames, such as `latents`.
    """

    def __init__(self, folder: Path, network: nn.Module, purpose: str) -> None:
        self.root, self.purpose = Path(folder), purpose
        # not a submodule: it belongs to the backbone
        self._network = [network]
        self._fingerprint = ""

    @property
    def usable(self) -> bool:
        """Whether the network stays as it is."""
        return not any(parameter.requires_grad for parameter in self._network[0].parameters())

    def get(self, ids: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """What the network makes of frames, computed for those that are not there yet.

        Args:
            ids: (K,) int64, equal only for equal frames.
            compute: Gives the rows (M, ...) of the frames at positions (M,) of `ids`, all of one shape.

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


def fingerprint(network: nn.Module) -> str:
    """Hash of a network's layers, weights and their types; a second for each gigabyte."""
    content = hashlib.blake2b(repr(network).encode(), digest_size=12)
    content.update(repr(getattr(network, "config", None)).encode())
    for name, value in network.state_dict().items():
        content.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        content.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return content.hexdigest()


def _name(key: int) -> str:
    return f"{key & (2**64 - 1):016x}.safetensors"
