"""Positions of the frames between keyframes: a chart, or spacing maps on disk."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from inbetween.data.keyframes import Keyframes, one_size, read_spacing_map
from inbetween.errors import UserError
from inbetween.io.sequences import SourceImage, SourceImageReader

MOST_SHOWN = 9  # positions of a chart in messages; of more, some are left out


@dataclass(frozen=True)
class Places:
    """Positions of the frames between neighbouring keyframes.

    Args:
        charts: For each pair of keyframes rising numbers in (0, 1); empty where `maps` are given.
        maps: Spacing maps of each pair of keyframes; empty where `charts` are given.
        rest: How many frames repeat the last keyframe at the end.
        reader: Reads the maps.
    """

    charts: tuple[tuple[float, ...], ...]
    maps: tuple[tuple[SourceImage, ...], ...] = ()
    rest: int = 0
    reader: SourceImageReader = field(default_factory=SourceImageReader)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of frames between the keyframes of each pair."""
        return tuple(len(pair) for pair in self.charts or self.maps)

    @property
    def t(self) -> list[Any]:
        """The positions as JSON: one chart where all are alike."""
        charts = [list(chart) for chart in self.charts]
        return charts[0] if charts and charts.count(charts[0]) == len(charts) else charts

    def between(self, pair: int, part: range) -> Tensor:
        """`t` (1, n), or the spacing (1, n, 1, H, W), in [0, 1], of some frames of a pair of keyframes."""
        if self.charts:
            return torch.tensor([self.charts[pair][part.start : part.stop]])
        maps = self.maps[pair][part.start : part.stop]
        return torch.stack([read_spacing_map(image, self.reader) for image in maps])[None]

    def __str__(self) -> str:
        fewest, most = min(self.counts), max(self.counts)
        count = f"{most} frame{'s' if most != 1 else ''}"
        if len(set(self.charts)) > 1:
            return f"{fewest} to {count}" if fewest < most else count
        shown = [f"{t:.3g}" for t in self.charts[0]] if self.charts else []
        if len(shown) > MOST_SHOWN:
            shown[2:-1] = ["..."]
        where = " ".join(shown)
        return f"{count} at {where}" if where else count if self.charts else f"{count} by spacing maps"


def maps_per_pair(maps: tuple[SourceImage, ...], keys: Keyframes) -> tuple[tuple[SourceImage, ...], ...]:
    """Assign spacing maps to the pairs of keyframes, and check each.

    Raises:
        UserError: Their number is no multiple of the pairs', their size is not the keyframes', or one is not
            grey.
    """
    pairs, reader = keys.pairs, SourceImageReader()
    if len(maps) % pairs:
        raise UserError(
            f"There are {len(maps)} spacing maps for {pairs} pairs of keyframes: give equally many for each."
        )
    if maps:
        one_size([keys.source_images[0], *maps], "Keyframes and spacing maps", reader)
    for image in maps:
        read_spacing_map(image, reader)
    count = len(maps) // pairs
    return tuple(maps[pair * count : (pair + 1) * count] for pair in range(pairs if maps else 0))
