"""A clip of a shard as a scene, which is fetched and decoded when it is first read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tarfile import TarError

from torch.utils.data import get_worker_info

from inbetween.data import shots
from inbetween.data.fit import Fit
from inbetween.data.scenes import Scene
from inbetween.data.sharded.clips import ClipStore
from inbetween.data.sharded.files import ShardFiles
from inbetween.data.sharded.libraries import needed
from inbetween.data.sharded.manifest import Clip, ContentDigest
from inbetween.data.source import WindowSpec
from inbetween.data.store import StoredScene
from inbetween.io.images import Pixels, read_image
from inbetween.machine import cores

_VERSION = 1  # of the decoded clips
_AT_ONCE = 64  # decoded frames in memory


@dataclass(frozen=True)
class ShardedScene(StoredScene):
    """A clip of a shard, whose frames are fetched and decoded when they are first read.

    Args:
        clip: Its row of the manifest.
        files: The shards.
        store: For decoded clips.
        background: RGB in [0, 255] under transparency.
    """

    clip: Clip
    files: ShardFiles
    store: ClipStore
    background: tuple[int, int, int]

    @classmethod
    def of(cls, clip: Clip, spec: WindowSpec, files: ShardFiles, store: ClipStore) -> ShardedScene:
        """The scene of a row."""
        fit = Fit((clip.height, clip.width), spec.size, spec.fit, spec.keep)
        look = (_VERSION, shots.VERSION, clip.digest, *spec.size, spec.fit, *spec.background, spec.keep)
        name = hashlib.blake2b(repr(look).encode(), digest_size=16).hexdigest()
        frames = (Path(f"{stem}.png") for stem in clip.stems.split("/"))
        scene = Scene(clip.animation, clip.name, clip.kind, tuple(frames))
        ids = tuple(_frame_id(name, number) for number in range(clip.frames))
        file = store.folder / f"{name}.npy"
        return cls(scene, file, fit, tuple(clip.hold_starts), (), ids, clip, files, store, spec.background)

    def read(self, numbers: tuple[int, ...]) -> Pixels:
        """See `StoredScene.read`.

        Raises:
            UserError: The shard is missing, damaged or out of reach, or the store cannot be written.
        """
        shape = (self.clip.frames, *self.fit.store)
        return self.store.read(self.file.stem, numbers, shape, self._decoded)

    def _decoded(self) -> Iterator[Pixels]:
        """All frames, as they are stored."""
        contents = self._contents()

        def decode(place: int) -> Pixels:
            path = Path(f"{self.files.address(self.clip.shard)}:{self.scene.frames[place].name}")
            return self.fit.resized(read_image(path, self.background, contents[place]))

        # data workers fill the cores already
        with ThreadPoolExecutor(1 if get_worker_info() else cores()) as pool:
            for start in range(0, len(contents), _AT_ONCE):
                yield from pool.map(decode, range(start, min(start + _AT_ONCE, len(contents))))

    def _contents(self) -> list[bytes]:
        """The image files of the clip, out of its part of the shard."""
        read_tar = needed("webdataset.tariterators").tar_file_iterator
        files, clip = self.files, self.clip
        part = files.read(clip.shard, clip.offset, clip.bytes)
        try:
            found = [file["data"] for file in read_tar(BytesIO(part)) if not file["fname"].endswith(".json")]
        except (TarError, OSError, ValueError):
            raise files.damaged(clip.shard, clip.clip) from None
        digest = ContentDigest()
        for content in found:
            digest.add(content)
        if digest.text() != clip.digest:
            raise files.damaged(clip.shard, clip.clip)
        return found


def _frame_id(name: str, number: int) -> int:
    digest = hashlib.blake2b(f"{name} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
