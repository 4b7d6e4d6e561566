"""Windows read from shards."""

from __future__ import annotations

import hashlib
import logging
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from inbetween.data.sharded.clips import ClipStore
from inbetween.data.sharded.files import ShardFiles
from inbetween.data.sharded.manifest import Clip, Manifest
from inbetween.data.sharded.order import FEWEST_LANES, LaneOrder
from inbetween.data.sharded.parts import Parts
from inbetween.data.sharded.scene import ShardedScene
from inbetween.data.source import WindowDataset, WindowSource, WindowSpec
from inbetween.data.store import StoredScene
from inbetween.data.windows import StoredWindows, shots_of, windows_of
from inbetween.errors import UserError, check_at_least
from inbetween.machine import machines
from inbetween.paths import cache_folder
from inbetween.types import Split, Window

log = logging.getLogger(__name__)

_SHARDS_KEPT = 256  # of which a process keeps the rows of the manifest, about a kilobyte a clip
# of the decoded clips in use that fit the cache: with 1.5 times their bytes they are decoded about once
# per epoch, with 1.0 times 1.6 times, and with 0.7 times 6 times
_ROOM = 1.5
_SCENES_KEPT = 256  # about 20 kB each


class ShardedScenes(WindowSource):
    """Scenes in shards, which `python -m inbetween shard` writes, in a folder or an object store.

    A clip is fetched and decoded when a window of it is first read. Decoded clips are kept in `cache_dir`,
    `cache_gb` of them at most; the least recently used make room. Training windows are shuffled so that
    each place of a batch reads few shards at a time. Without a test split, `test` means val.

    Args:
        root: The folder, or its URL: `s3://`, `gs://`, `https://` or any other that fsspec knows. Where it
            has no manifest, all its subfolders that have one are one data set together.
        where: Clips to use: an SQL expression on the manifest's columns, such as
            `aesthetic_score >= 5 and fps >= 12`; null uses all.
        shuffle_shards: Shards whose windows are shuffled together, for each window of a batch.
        cache_gb: Gigabytes of decoded clips kept on disk.
        storage_options: Of the URL's file system, such as `{anon: true}` for a public bucket.

    Raises:
        UserError: A number out of range.
    """

    def __init__(
        self,
        root: str,
        where: str | None = None,
        shuffle_shards: int = 2,
        cache_gb: float = 50.0,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        check_at_least(1, shuffle_shards=shuffle_shards)
        check_at_least(0, cache_gb=cache_gb)
        self.files = ShardFiles(str(root), dict(storage_options or {}))
        self.where, self.shuffle_shards = where, shuffle_shards
        self.cache_bytes = int(cache_gb * 1e9)
        self.checked: object = None  # state of the manifests that were compared

    def __str__(self) -> str:
        return self.files.root

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        """Windows of a split; reads the manifest alone.

        Raises:
            UserError: A file is missing or damaged, the filter does not fit, no window is left, or two parts
                have the same clip, or an animation in different splits.
        """
        folder = cache_folder(spec.cache_dir, "frames") / "shards"
        parts = Parts(self.files.parts(folder / "manifests"), str(self), folder / "spilt")
        columns = parts.columns()
        # the same for every split, so looked for once
        if self.checked != parts.states():
            parts.check_disjoint()
            self.checked = parts.states()
        manifest = Manifest(parts, split, self.where)
        splits = manifest.splits()
        if split == "test" and "test" not in splits:
            log.info("%s has no test split: testing on its val split.", self)
            split = "val"
            manifest = Manifest(parts, split, self.where)
        if split not in splits:
            raise UserError(
                f"{self} has no clip for the {split} split: its splits are {', '.join(sorted(splits))}."
            )
        return ShardedWindows(self, manifest, spec, folder / "clips", "caption" in columns)


class ShardedWindows(StoredWindows):
    """Windows of one split of shards.

    Args:
        source: The shards.
        manifest: The clips used.
        spec: How to cut and fit them.
        folder: For decoded clips.
        captioned: Whether the manifest has captions.

    Raises:
        UserError: No clip or no window is left, the filter does not fit, or a file is missing or damaged.
    """

    def __init__(
        self, source: ShardedScenes, manifest: Manifest, spec: WindowSpec, folder: Path, captioned: bool
    ) -> None:
        super().__init__(spec)
        self.files, self.group, self.manifest = source.files, source.shuffle_shards, manifest
        self.captioned, self.warned = captioned, False
        self.store = ClipStore(folder, source.cache_bytes)
        self.shards = manifest.shards(spec)
        if not self.shards:
            raise self._empty()
        self.files.check(shard.name for shard in self.shards)
        self.ends = list(accumulate(shard.windows for shard in self.shards))
        log.info("%d windows in %d shards of %s.", self.ends[-1], len(self.shards), source)

    def _empty(self) -> UserError:
        clips, longest = self.manifest.longest(self.spec)
        split, where = self.manifest.split, self.manifest.where
        if not clips:
            return UserError(
                f"The filter {where!r} leaves no clip of the {split} split in {self.manifest.address}:"
                " widen it."
            )
        need = (self.spec.between + 1) * min(self.spec.gaps) + 1
        return UserError(
            f"No clip is long enough: a window of between {self.spec.between} and gap {min(self.spec.gaps)}"
            f" needs {need} frames in a row, the longest of {clips} clips has {longest}: lower between or"
            " gaps."
        )

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, key: tuple[int, int]) -> Window:
        window = super().__getitem__(key)
        if self.captioned:
            place, clip, _ = self._place(key[1])
            window["caption"] = _clips_of(self, place)[0][clip].caption
        return window

    def order(self, seed: int, epoch: int, batch_size: int) -> Sequence[int]:
        """See `WindowDataset.order`; `LaneOrder` reads few shards at a time."""
        counts = np.array([shard.windows for shard in self.shards], np.int64)
        order = LaneOrder(counts, self.group, batch_size, seed, epoch)
        shards = min(-(-order.lanes // machines()) * self.group, len(self.shards))
        decoded = sorted((shard.decoded for shard in self.shards), reverse=True)
        wanted = _ROOM * sum(decoded[:shards])
        if wanted > self.store.limit and not self.warned:
            self.warned = True
            log.warning(
                "This machine reads its windows from %d shards at a time: give cache_gb %.2g, so that their"
                " decoded clips stay, or lower shuffle_shards; otherwise clips are decoded many times.",
                shards,
                wanted / 1e9,
            )
        return order

    def order_settings(self) -> dict[str, int]:
        """See `WindowDataset.order_settings`."""
        facts = repr(([(one.name, one.windows, one.bytes) for one in self.shards], self.manifest.where))
        content = int.from_bytes(hashlib.blake2b(facts.encode(), digest_size=7).digest(), "little")
        return {
            "shards": len(self.shards),
            "shuffle_shards": self.group,
            "fewest lanes": FEWEST_LANES,
            "shards and filter of digest": content,
        }

    def captions(self) -> Iterable[str]:
        """See `WindowDataset.captions`."""
        return self.manifest.captions() if self.captioned else ()

    def at(self, index: int) -> tuple[StoredScene, tuple[int, ...]]:
        """See `StoredWindows.at`."""
        place, clip, number = self._place(index)
        scene, windows = _scene_of(self, place, clip)
        return scene, windows[number]

    def _place(self, index: int) -> tuple[int, int, int]:
        """Of a window, the shard's place, the clip's place in it, and the window's in the clip."""
        place = bisect_right(self.ends, index)
        number = index - (self.ends[place] - self.shards[place].windows)
        _, ends = _clips_of(self, place)
        clip = bisect_right(ends, number)
        return place, clip, number - (ends[clip - 1] if clip else 0)


# Kept outside the data set, which is sent to data workers; enough of them that the shards in use stay.


@lru_cache(_SHARDS_KEPT)
def _clips_of(dataset: ShardedWindows, place: int) -> tuple[list[Clip], list[int]]:
    """The clips of a shard, and the number of windows up to each one's last."""
    spec = dataset.spec
    clips = dataset.manifest.clips(dataset.shards[place].name, dataset.captioned)
    lengths = (clip.distinct_frames if spec.collapse_holds else clip.frames for clip in clips)
    ends = list(accumulate(len(windows_of([*range(length)], spec)) for length in lengths))
    if ends[-1:] != [dataset.shards[place].windows]:
        raise UserError(
            f"The filter {dataset.manifest.where!r} gives other clips of {dataset.shards[place].name} than at"
            " the start of the run: use columns alone, without the date or the time."
        )
    return clips, ends


@lru_cache(_SCENES_KEPT)
def _scene_of(dataset: ShardedWindows, place: int, clip: int) -> tuple[ShardedScene, list[tuple[int, ...]]]:
    """The scene of a shard's clip, and its windows."""
    scene = ShardedScene.of(_clips_of(dataset, place)[0][clip], dataset.spec, dataset.files, dataset.store)
    (shot,) = shots_of(scene, dataset.spec.collapse_holds)
    return scene, windows_of(shot, dataset.spec)
