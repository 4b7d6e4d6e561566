"""The manifest of shards: Parquet files with a row for each clip, queried through DuckDB."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from inbetween.data.fit import Fit
from inbetween.data.sharded.libraries import needed
from inbetween.data.sharded.parts import Parts
from inbetween.data.sharded.tables import check_lasting, literal, querying, wrong_filter
from inbetween.data.source import WindowSpec
from inbetween.types import Split

# what `Clip` is made of
_READ = """clip, animation, name, kind, shard, "offset", bytes, frames, distinct_frames, height, width,
    array_to_string(stems, '/'), hold_starts, digest"""


class ContentDigest:
    """A digest of a clip's image files, added one by one."""

    def __init__(self) -> None:
        self._whole = hashlib.blake2b(digest_size=16)

    def add(self, content: bytes) -> None:
        """The next file."""
        self._whole.update(len(content).to_bytes(8, "little") + content)

    def text(self) -> str:
        """Of all files so far."""
        return self._whole.hexdigest()


@dataclass(frozen=True)
class ShardFacts:
    """One shard's part in a data set.

    Args:
        name: Its file.
        windows: Windows in it, at least 1.
        decoded: Bytes of the clips that have them when decoded.
        bytes: Length that the file must have at least.
    """

    name: str
    windows: int
    decoded: int
    bytes: int


class Clip(NamedTuple):
    """A row of the manifest, in little memory: see `COLUMNS`."""

    clip: str
    animation: str
    name: str
    kind: str
    shard: str
    offset: int
    bytes: int
    frames: int
    distinct_frames: int
    height: int
    width: int
    stems: str  # parted by slashes
    hold_starts: array[int]
    digest: str
    caption: str


@dataclass(frozen=True)
class Manifest:
    """The clips of a split that pass a filter. No clip is kept in memory.

    Args:
        parts: The files.
        split: Which split.
        where: An SQL expression on their columns; None takes every clip.

    Raises:
        UserError: The expression means something else each time.
    """

    parts: Parts
    split: Split
    where: str | None

    def __post_init__(self) -> None:
        if self.where:
            with querying() as connection:
                check_lasting(self.where, connection)

    @property
    def address(self) -> str:
        """The name in messages."""
        return self.parts.address

    def splits(self) -> dict[str, int]:
        """Number of clips in each split, whether they pass the filter or not."""
        rows = self._ask(f"SELECT split, count(*) FROM {self.parts.table()} GROUP BY split", filtered=False)
        return dict(rows)

    def shards(self, spec: WindowSpec) -> list[ShardFacts]:
        """The shards that have windows, by name."""
        length = "distinct_frames" if spec.collapse_holds else "frames"
        windows = " + ".join(
            f"greatest(0, ({length} - {(spec.between + 1) * gap} + {spec.stride - 1}) // {spec.stride})"
            for gap in spec.gaps
        )
        # frames of few sizes: how large each is stored is computed here
        rows = self._ask(
            f"""SELECT shard, height, width, sum(windows)::BIGINT, sum(frames)::BIGINT, max("offset" + bytes)
            FROM (SELECT *, {windows} AS windows FROM {self._kept()})
            WHERE windows > 0 GROUP BY ALL ORDER BY ALL"""
        )
        found: dict[str, ShardFacts] = {}
        for shard, height, width, count, frames, size in rows:
            stored = Fit((height, width), spec.size, spec.fit, spec.keep).store
            before = found.get(shard, ShardFacts(shard, 0, 0, 0))
            found[shard] = ShardFacts(
                shard,
                before.windows + count,
                before.decoded + frames * stored[0] * stored[1] * 3,
                max(before.bytes, size),
            )
        return list(found.values())

    def longest(self, spec: WindowSpec) -> tuple[int, int]:
        """Number of clips, and of the frames of the longest one; (0, 0) where there is no clip."""
        length = "distinct_frames" if spec.collapse_holds else "frames"
        ((clips, longest),) = self._ask(f"SELECT count(*), max({length}) FROM {self._kept()}")
        return clips, longest or 0

    def clips(self, shard: str, captioned: bool) -> list[Clip]:
        """The clips in a shard, in the order of their place in it."""
        caption = "coalesce(caption, '')" if captioned else "''"
        rows = self._ask(
            f"""SELECT {_READ}, {caption} FROM {self._kept(shard)}
            ORDER BY "offset\""""
        )
        return [Clip._make([*row[:-3], array("i", row[-3]), *row[-2:]]) for row in rows]

    def captions(self) -> Iterator[str]:
        """Every different caption, in order."""
        query = f"SELECT DISTINCT coalesce(caption, '') AS words FROM {self._kept()} ORDER BY words"
        with self.parts.opened() as connection, self._explained(filtered=True):
            found = connection.execute(query)
            while rows := found.fetchmany(1000):
                yield from (row[0] for row in rows)

    def _kept(self, shard: str | None = None) -> str:
        """The clips that are used, as a table in SQL; those of a shard alone where one is given."""
        # an expression may end in a comment
        chosen = f" WHERE (\n{self.where}\n)" if self.where else ""
        split = f"(SELECT * FROM {self.parts.table(shard)} WHERE split = {literal(self.split)})"
        return f"(SELECT * FROM {split}{chosen})"

    def _ask(self, query: str, filtered: bool = True) -> list[Any]:
        with self.parts.opened() as connection, self._explained(filtered):
            rows: list[Any] = connection.execute(query).fetchall()
        return rows

    @contextmanager
    def _explained(self, filtered: bool) -> Iterator[None]:
        """Turns DuckDB's errors into ours."""
        errors = needed("duckdb")
        with self.parts.explained():
            try:
                yield
            except errors.Error as error:
                unfit = not isinstance(error, errors.OutOfMemoryException | errors.IOException)
                if filtered and self.where and unfit:
                    raise wrong_filter(self.where, self.address, error, self.parts.columns()) from None
                raise
