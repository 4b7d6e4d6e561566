"""Tensors by key on disk, in files of many entries that any number of processes may share."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from inbetween.io.files import write_whole
from inbetween.methods.diffusion.latent_cache import RESERVE

log = logging.getLogger(__name__)

_OPEN = 16  # shards that are held open


class TensorShards:
    """A dictionary on disk, from keys to named tensors, that only grows.

    Entries are written in shards: immutable safetensors files of about `shard_bytes`, with names of their
    own, moved into place when complete. So any number of processes and machines may read and write one
    folder at once; an entry that two of them wrote is there twice, and either is taken. An entry is read
    without the rest of its shard. The folder may be deleted at any time.

    Entries are kept in memory until their shard is full or `flush` is called; those of a killed process are
    lost. A shard that cannot be read is ignored, with a line in the log, and its entries are missing.
    Nothing is written, which is logged once, when less than `RESERVE` bytes of disk are free or the disk
    cannot be written.

    A copy in another process (by pickle) knows what is on disk, and not what the original has in memory.

    Args:
        folder: Of the shards; made when the first is written.
        shard_bytes: A shard is written when its entries have this many bytes.
        shard_entries: Or when it has this many entries.
    """

    def __init__(self, folder: Path, shard_bytes: int = 64 * 2**20, shard_entries: int = 4096) -> None:
        self.folder = Path(folder)
        self.shard_bytes, self.shard_entries = shard_bytes, shard_entries
        self._pending: dict[str, dict[str, Tensor]] = {}
        self._bytes = 0
        self._index: dict[str, tuple[str, tuple[str, ...]]] = {}  # of a key: its shard, its tensors' names
        self._shards: set[str] = set()  # shards that were looked into, whether they could be read or not
        self._warned = False
        #: Whether entries could not be written when that was last tried.
        self.failed = False

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is in memory: the copy's own entries would be written twice."""
        return {**self.__dict__, "_pending": {}, "_bytes": 0}

    def get(self, key: str) -> dict[str, Tensor] | None:
        """The tensors of an entry, on the CPU; None where there is none.

        Args:
            key: Of the entry.
        """
        while key not in self._pending and not self.missing([key]):
            shard, names = self._index[key]
            try:
                opened = _opened(self.folder / shard)
                # cloned: views of the mapped file would take all of it along to another process
                return {name: opened.get_tensor(f"{key}/{name}").clone() for name in names}
            except (OSError, SafetensorError) as error:  # deleted, or damaged since
                self._ignore(shard, error)
        return self._pending.get(key)

    def put(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Add an entry, replacing one of the same key that is not written yet.

        Args:
            key: Any text without a slash.
            tensors: At least one, of any dtypes, shapes and device, by names without a slash.
        """
        self._bytes -= _size(self._pending.get(key, {}))
        self._pending[key] = {
            name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()
        }
        self._bytes += _size(self._pending[key])
        if self._bytes >= self.shard_bytes or len(self._pending) >= self.shard_entries:
            self.flush()

    def flush(self) -> None:
        """Write the entries that are in memory; after it no entry is there."""
        if not self._pending:
            return
        content = {
            f"{key}/{name}": value for key, entry in self._pending.items() for name, value in entry.items()
        }
        self._pending, self._bytes = {}, 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free < RESERVE:
                self._warn(f"less than {RESERVE // 2**20} MiB of disk are free")
                return
            write_whole(self.folder / f"{secrets.token_hex(12)}.safetensors", save(content))
            self.failed = False
        except OSError as error:  # nobody needs the entries: they can be computed again
            self._warn(str(error))

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of many keys that have no entry, in their order; looks at the folder once.

        Args:
            keys: Any number of keys.
        """
        missing = [key for key in keys if key not in self._pending and key not in self._index]
        if missing:
            self._look()
        return [key for key in missing if key not in self._index]

    def _look(self) -> None:
        """Read the lists of contents of the shards that appeared since."""
        for path in sorted(self.folder.glob("*.safetensors")) if self.folder.is_dir() else ():
            if path.name in self._shards:
                continue
            self._shards.add(path.name)
            try:
                entries: dict[str, list[str]] = {}
                for full in _opened(path).keys():  # noqa: SIM118 - not a mapping
                    key, _, name = full.rpartition("/")
                    entries.setdefault(key, []).append(name)
                self._index |= {key: (path.name, tuple(names)) for key, names in entries.items()}
            except (OSError, SafetensorError) as error:
                self._ignore(path.name, error)

    def _ignore(self, shard: str, error: Exception) -> None:
        if not isinstance(error, FileNotFoundError):  # which was deleted meanwhile
            log.warning(
                "The shard %s cannot be read (%s): what it had is computed again. It may be deleted.",
                self.folder / shard,
                error,
            )
        self._index = {key: found for key, found in self._index.items() if found[0] != shard}

    def _warn(self, reason: str) -> None:
        self.failed = True
        if not self._warned:
            log.warning("The shards in %s cannot be written (%s).", self.folder, reason)
        self._warned = True


def _size(entry: Mapping[str, Tensor]) -> int:
    return sum(value.nbytes for value in entry.values())


@lru_cache(_OPEN)
def _opened(path: Path) -> Any:  # noqa: ANN401 - safe_open has no types
    return safe_open(path, "pt")
