"""Writes clips into shards, and their manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from inbetween.data import shots
from inbetween.data.scenes import Scene
from inbetween.data.sharded.columns import COLUMNS, VERSION, VERSION_KEY
from inbetween.data.sharded.files import MANIFEST
from inbetween.data.sharded.libraries import needed
from inbetween.data.sharded.manifest import ContentDigest
from inbetween.data.sharded.tables import literal, quoted
from inbetween.data.store import scene_size
from inbetween.data.windows import shots_in
from inbetween.io.images import Pixels, open_image, read_image, read_layers
from inbetween.machine import cores
from inbetween.types import Split

_AS_THEY_ARE = {
    "PNG": "png",
    "JPEG": "jpg",
    "WEBP": "webp",
}  # formats that are stored untouched: their suffix
SHARD = re.compile(r"(train|val|test)-\d{6,}\.tar")  # file names of shards
LONGEST = 300  # frames of a clip; longer shots are parted
_WHITE = (255, 255, 255)
_AT_ONCE = 64  # frames in memory
_ROWS = 2048  # of the manifest that are read together


class ShardWriter:
    """Writes scenes into tar files of the WebDataset format, and a manifest.

    Each shot is a clip, or several: see `LONGEST`.

    A clip is one sample: `<key>.000000.png` and so on, its frames, and `<key>.json`, its row of the manifest.
    A context, at whose end an open shard is closed.

    Args:
        folder: Empty.
        size: Bytes at which a shard is closed.
        database: A connection of DuckDB, whose tables are on disk.
    """

    def __init__(self, folder: Path, size: int, database: Any) -> None:  # noqa: ANN401 - of DuckDB
        self.folder, self.size, self.database = folder, size, database
        self.open: tuple[str, BinaryIO, Any] | None = None  # shard's name, file, tar writer
        self.rows: list[tuple[Any, ...]] = []
        self.counts: dict[Split, int] = {}  # shards of each split
        self.clips = self.frames = 0
        self.tar_writer = needed("webdataset").TarWriter
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in COLUMNS.items() if name != "caption")
        database.execute(f"CREATE TABLE written ({columns}, listed VARCHAR)")

    def add(
        self,
        scene: Scene,
        split: Split,
        listed: str,
        fps: float | None = None,
        first: int = 0,
        count: Callable[[], object] = lambda: None,
    ) -> None:
        """Write a scene; nothing is written where a frame cannot be used.

        Args:
            scene: Its frames are read twice.
            split: Its split; those of one split follow each other.
            listed: Its name in the list of clips.
            fps: Frames per second, if known.
            first: Number of its first frame in what it was cut out of.
            count: Called for each frame.

        Raises:
            UserError: A frame cannot be used, or frames differ in size.
        """
        with ThreadPoolExecutor(cores()) as pool:
            height, width = scene_size(scene, pool, lambda: None)

            def thumbnail(path: Path) -> Pixels:
                return shots.thumbnail(read_image(path, _WHITE))

            def thumbnails() -> Iterator[Pixels]:
                for start in range(0, len(scene.frames), _AT_ONCE):
                    for image in pool.map(thumbnail, scene.frames[start : start + _AT_ONCE]):
                        count()
                        yield image

            hold_starts, cuts = shots.find_shots(thumbnails())
            bounds = [0, *cuts, len(scene.frames)]
            # of a clip all frames are fetched and decoded at a time
            bounds = sorted({*bounds, *(b for s, e in pairwise(bounds) for b in range(s, e, LONGEST))})
            for start, end in pairwise(bounds):
                # a hold may begin before
                held = [max(number - start, 0) for number in hold_starts[start:end]]
                row = {
                    "clip": _text(scene.label + (f"@{first + start}" if len(bounds) > 2 else "")),
                    "split": split,
                    "animation": _text(scene.animation),
                    "name": _text(scene.name),
                    "kind": _text(scene.kind),
                    "start": first + start,
                    "end": first + end,
                    "frames": end - start,
                    "height": height,
                    "width": width,
                    "fps": fps,
                    "stems": [_text(path.stem) for path in scene.frames[start:end]],
                    "hold_starts": held,
                    "distinct_frames": len(shots_in(held, [], collapse_holds=True)[0]),
                }
                self._write(row, scene.frames[start:end], pool, listed)

    def _write(
        self, row: dict[str, Any], frames: Sequence[Path], pool: ThreadPoolExecutor, listed: str
    ) -> None:
        shard, tar = self._shard(row["split"])
        key = f"{self.clips:09d}"
        offset, whole = tar.tarstream.offset, ContentDigest()
        for start in range(0, len(frames), _AT_ONCE):
            stored = pool.map(_stored, frames[start : start + _AT_ONCE])
            for number, (content, suffix) in enumerate(stored, start):
                tar.write({"__key__": key, f"{number:06d}.{suffix}": content})
                whole.add(content)
        row |= {"shard": shard, "key": key, "digest": whole.text()}
        tar.write({"__key__": key, "json": json.dumps(row).encode()})
        row |= {"offset": offset, "bytes": tar.tarstream.offset - offset}
        self.rows.append((*(row[name] for name in COLUMNS if name != "caption"), listed))
        self.clips += 1
        self.frames += row["frames"]

    def _shard(self, split: Split) -> tuple[str, Any]:
        """The shard that the next clip goes to: its name and writer."""
        if self.open is not None:
            name, _, tar = self.open
            if name.startswith(f"{split}-") and tar.tarstream.offset < self.size:
                return name, tar
            self.close()
        number = self.counts.get(split, 0)
        self.counts[split] = number + 1
        name = f"{split}-{number:06d}.tar"
        file = (self.folder / name).open("wb")
        self.open = name, file, self.tar_writer(file, encoder=False, mtime=0)
        return name, self.open[2]

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self.open is not None:  # after an error: tar files want to be closed, and may not fit the disk
            for each in (self.open[2], self.open[1]):
                with suppress(OSError):
                    each.close()

    def close(self) -> None:
        """Close the open shard."""
        if self.open is not None:
            _, file, tar = self.open
            self.open = None
            tar.close()
            file.close()
        if self.rows:
            places = ", ".join("?" * len(self.rows[0]))
            self.database.executemany(f"INSERT INTO written VALUES ({places})", self.rows)
            self.rows = []

    def finish(self, more: str | None) -> None:
        """Close the last shard and write the manifest, the rows of one shard together.

        Args:
            more: Further columns in SQL, of a table `listed`: see `ClipList.select`; None for none.
        """
        self.close()
        join = "" if more is None else "LEFT JOIN listed ON listed_clip = written.listed"
        self.database.execute(
            f"""COPY (SELECT written.* EXCLUDE (listed){more or ""} FROM written {join}
            ORDER BY shard, "offset") TO {literal(self.folder / MANIFEST)}
            (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS},
            KV_METADATA {{{VERSION_KEY}: '{VERSION}'}})"""
        )


def _stored(path: Path) -> tuple[bytes, str]:
    """The bytes of an image file in a shard, and their suffix: as they are, or else as PNG."""
    content = path.read_bytes()
    with open_image(path, content) as image:
        suffix = _AS_THEY_ARE.get(image.format or "")
    if suffix:
        return content, suffix
    color, opacity, _ = read_layers(path, content)
    pixels = color if opacity is None else np.dstack([color, opacity])
    png = BytesIO()
    Image.fromarray(pixels).save(png, "PNG", compress_level=3)
    return png.getvalue(), "png"


def _text(name: str) -> str:
    """A file's name as Parquet can hold it."""
    return name.encode("utf-8", "backslashreplace").decode()
