"""Positions of the frames between keyframes: a chart, or spacing maps on disk."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from inbetween.data.keyframes import Keyframes, one_size, read_spacing_map
from inbetween.errors import UserError
from inbetween.io.sequences import SourceImage, SourceImageReader


@dataclass(frozen=True)
class Places:
    """Positions of the frames between two neighbouring keyframes.

    Args:
        t: Rising numbers in (0, 1), the same between all keyframes; empty where `maps` are given.
        maps: Spacing maps of each pair of keyframes; empty where `t` is given.
        reader: Reads the maps.
    """

    t: tuple[float, ...]
    maps: tuple[tuple[SourceImage, ...], ...]
    reader: SourceImageReader = field(default_factory=SourceImageReader)

    @property
    def count(self) -> int:
        """Number of frames between two keyframes."""
        return len(self.t) or len(self.maps[0])

    def between(self, pair: int, part: range) -> Tensor:
        """`t` (1, n), or the spacing (1, n, 1, H, W), in [0, 1], of some frames of a pair of keyframes."""
        if self.t:
            return torch.tensor([self.t[part.start : part.stop]])
        maps = self.maps[pair][part.start : part.stop]
        return torch.stack([read_spacing_map(image, self.reader) for image in maps])[None]

    def __str__(self) -> str:
        where = " ".join(f"{t:.3g}" for t in self.t)
        count = f"{self.count} frame{'s' if self.count > 1 else ''}"
        return f"{count} at {where}" if where else f"{count} by spacing maps"


def maps_per_pair(maps: tuple[SourceImage, ...], keys: Keyframes) -> tuple[tuple[SourceImage, ...], ...]:
    """Assign spacing maps to the pairs of keyframes, and check each.

    Raises:
        UserError: Their number is no multiple of the pairs', their size is not the keyframes', or one is not
            grey.
    """
    pairs, reader = len(keys.source_images) - 1, SourceImageReader()
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
