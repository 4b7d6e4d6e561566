"""The palette of flat-coloured keyframes: colours that cover areas or lines, but none of antialiasing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inbetween.io.images import Pixels

PaletteMode = Literal["none", "keep"]
Packed = NDArray[np.uint32]  # (H, W), RGBA of a pixel in one number; 0 where it is transparent
Colours = NDArray[np.float32]  # (..., 4) in [0, 255], RGB multiplied by opacity, then opacity

MOST = 62  # colours of a palette: one bit of a signed integer each
LEAST_AREA = 1e-5  # of the image: what a colour covers at least, in pixels whose neighbours have it as well
LEAST = 8  # pixels: the same in small images, and of a line
CLOSE = 16.0  # levels of 255: distance to a mixture of two colours, up to which a pixel is one
SAMPLE = 1000  # pixels by which colours of thin lines are judged
CANDIDATES = 64  # for each of them
LEAST_GAIN = 0.0015  # of the pixels at edges that one of them explains
SAME = 8  # levels of 255, up to which colours are the same
HARD = 0.02  # of the pixels at edges that are mixtures: up to here edges are not antialiased
NEIGHBOURS = (
    (-1, -1),
    (-1, 0),
    (-1, 1),
    (0, -1),
    (0, 1),
    (1, -1),
    (1, 0),
    (1, 1),
)  # y, x; opposite in reverse


@dataclass(frozen=True)
class FlatColours:
    """Flat colours of one drawing.

    Args:
        packed: (K,) the colours, those of the largest areas first.
        hard: Its edges are not antialiased.
    """

    packed: Packed
    hard: bool


def pack(image: Pixels) -> Packed:
    """RGBA (H, W, 4), not multiplied by opacity, with one number for each pixel."""
    packed = np.ascontiguousarray(image).view(np.uint32)[..., 0]
    return np.where(image[..., 3] > 0, packed, np.uint32(0))


def unpack(packed: Packed) -> Pixels:
    """The opposite of `pack`: (..., 4)."""
    return np.ascontiguousarray(packed)[..., None].view(np.uint8)


def premultiplied(packed: Packed) -> Colours:
    """Colours (...) as (..., 4), multiplied by opacity."""
    colours = unpack(packed).astype(np.float32)
    colours[..., :3] *= colours[..., 3:] / 255
    return colours


def flat_colours(image: Pixels) -> FlatColours:
    """Find the flat colours of a drawing.

    A colour is flat if it covers areas, pixels with all neighbours, or lines: pixels that have neighbours
    along the line, and are not between two that face each other, as those of antialiased edges are.

    Args:
        image: (H, W, 4), not multiplied by opacity.
    """
    packed = pack(image)
    padded = np.pad(packed, 1, mode="edge")
    inside = np.ones(packed.shape, bool)
    for y, x in NEIGHBOURS:
        inside &= packed == padded[1 + y :, 1 + x :][: packed.shape[0], : packed.shape[1]]
    areas = _frequent(packed[inside], max(LEAST, int(LEAST_AREA * packed.size)))
    rows, columns = (~inside).nonzero()
    here = packed[rows, columns]
    around = np.stack([padded[rows + 1 + y, columns + 1 + x] for y, x in NEIGHBOURS])
    mixed = between(here, around)
    hard = bool(mixed.sum() <= HARD * len(mixed))
    on_line = ~mixed & ((around == here).sum(0) >= 2)
    if hard:
        lines = _frequent(here, 1)
        found = np.concatenate([areas, lines[~np.isin(lines, areas)]])[: MOST + 1]
        return FlatColours(found, hard)
    lines = _frequent(here[on_line], max(LEAST, int(LEAST_AREA * packed.size)))
    found = areas[: MOST + 1]
    for line in lines:
        if len(found) <= MOST and not _explained(premultiplied(line[None]), found).any():
            found = np.append(found, line)
    return FlatColours(_with_thin_lines(here, mixed, found), hard)


def _with_thin_lines(here: Packed, mixed: NDArray[np.bool_], found: Packed) -> Packed:
    """Add colours that no pixel is covered by often, but that others are mixtures with.

    Args:
        here: (N,) pixels at edges.
        mixed: (N,) which of them are mixtures of neighbours.
        found: (K,) the other flat colours.

    Returns:
        (K + L,) colours: each explains most of what the ones before do not.
    """
    own = premultiplied(here)
    while 0 < len(found) <= MOST:
        left = (~_explained(own, found)).nonzero()[0]
        # those are thinned out evenly
        sample = own[left[:: len(left) // SAMPLE + 1]]
        ends = here[left[~mixed[left]]]
        boxes = (unpack(ends) >> 4).astype(np.int64) @ (1, 16, 256, 4096)
        order = np.argsort(boxes, kind="stable")
        counted = np.unique(boxes[order], return_index=True, return_counts=True)
        few = np.argsort(-counted[2], kind="stable")[:CANDIDATES]
        candidates = ends[order][counted[1][few] + counted[2][few] // 2]
        gains = [int(_explained(sample, found, candidate).sum()) for candidate in candidates]
        if not gains or max(gains) * len(left) < LEAST_GAIN * len(here) * len(sample) or len(left) < LEAST:
            break
        found = np.append(found, candidates[int(np.argmax(gains))])
    return found


def between(here: Packed, around: Packed) -> NDArray[np.bool_]:
    """Which pixels (N,) are between two of their neighbours (8, N) that face each other: mixtures of both."""
    own = premultiplied(here)
    found = np.zeros(len(here), bool)
    for one, other in zip(around[:4], around[:3:-1], strict=True):
        # of flat or equal neighbours there is no mixture
        open_ = ((one != here) & (other != here) & (one != other) & ~found).nonzero()[0]
        a, b, own_here = premultiplied(one[open_]), premultiplied(other[open_]), own[open_]
        inside = (own_here >= np.minimum(a, b) - 2) & (own_here <= np.maximum(a, b) + 2)
        far = (np.abs(a - own_here).max(-1) > SAME) & (np.abs(b - own_here).max(-1) > SAME)
        found[open_] = inside.all(-1) & far
    return found


def common_palette(first: FlatColours, last: FlatColours) -> Packed:
    """The flat colours (K,) of two keyframes, each once."""
    both = np.concatenate([first.packed, last.packed])
    found: Packed = both[np.sort(np.unique(both, return_index=True)[1])]
    return found


def _frequent(packed: Packed, least: int) -> Packed:
    """Colours that occur at least so often, the most frequent first."""
    colours, counts = np.unique(packed, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return colours[order][counts[order] >= least]


def _explained(own: Colours, among: Packed, end: np.uint32 | None = None) -> NDArray[np.bool_]:
    """Which pixels (N, 4) are colours (K,), or mixtures of two, of which `end` is one if given."""
    others = premultiplied(among)
    a, b = np.triu_indices(len(others))
    one, other = others[a], others[b]
    if end is not None:
        one, other = np.broadcast_to(premultiplied(np.array([end])), others.shape), others
    found = np.zeros(len(own), bool)
    for start, stop in zip(one, other, strict=True):
        step = stop - start
        left = (~found).nonzero()[0]
        share = ((own[left] - start) @ step / max(float(step @ step), 1.0)).clip(0, 1)
        found[left] = ((own[left] - start - share[:, None] * step) ** 2).sum(-1) <= CLOSE**2
    return found
