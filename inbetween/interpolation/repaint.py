"""In-betweens in the flat colours of their keyframes, and mixtures of two where these meet."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.interpolation.palette import (
    NEIGHBOURS,
    Colours,
    FlatColours,
    Packed,
    between,
    common_palette,
    pack,
    premultiplied,
    unpack,
)
from inbetween.io.images import Pixels

Labels = NDArray[np.uint8]  # (H, W) indices of a palette; NONE where no colour is certain
Bits = NDArray[np.int64]  # a set of colours: one bit each

NONE = 255
CERTAIN = 12.0  # levels of 255: a pixel as near to a flat colour has it
EXPLAINED = 20.0  # levels: a pixel as near to a mixture of two colours nearby is one
NEARBY = 2  # pixels
BLOCK = 8  # pixels: where nothing nearby explains a pixel, colours of its block and those around may
CELLS = 16  # along the longer side of the image: colours of the keyframes are known by cell
RIDGE = 0.15  # least coverage of a line thinner than a pixel, and least contrast to both sides
VISIBLE = 24.0  # levels: difference of what it cannot show
AT_ONCE = 2**20  # numbers computed at once, which bounds memory


class Mixture(NamedTuple):
    """Pixels (N,) as mixtures of two colours."""

    major: NDArray[np.intp]  # index of the colour that covers more
    minor: NDArray[np.intp]
    coverage: Colours  # (N,) of the minor one, in [0, 0.5]
    error: Colours  # (N,) squared distance to the mixture


class PairPalette:
    """The palette of two keyframes, in which their in-betweens are repainted.

    A pixel of an in-between gets the flat colour that it has, or the one that covers more of it if it is a
    mixture of two colours found near it. Where flat colours then meet, its mixture of the two stays.

    Args:
        first: The first keyframe (H, W, 4), RGB not multiplied by opacity, then opacity.
        last: The last keyframe.
        colours: Flat colours of each, together `MOST` at most.
    """

    def __init__(self, first: Pixels, last: Pixels, colours: tuple[FlatColours, FlatColours]) -> None:
        self.packed = common_palette(*colours)
        self.hard = all(found.hard for found in colours)
        self.colours = premultiplied(self.packed)
        ends = [pack(image) for image in (first, last)]
        self._still = np.where(ends[0] == ends[1], ends[0], np.uint32(0))
        self._is_still = ends[0] == ends[1]
        self._cell = max(8, max(self._still.shape) // CELLS)
        # in the keyframes themselves each colour may be anywhere
        shape = tuple(-(-side // self._cell) for side in self._still.shape)
        self._regional: Bits = np.full(shape, (1 << len(self.packed)) - 1, np.int64)
        shown = ends[:1] if self._is_still.all() else ends
        found = np.bitwise_or.reduce([by_cell(self._bits(self._labels(end)), self._cell) for end in shown])
        self._regional = dilate(found, 2)

    def repaint(self, image: Pixels) -> Pixels:
        """An in-between (H, W, 4), not multiplied by opacity, in the colours of the palette."""
        packed = pack(image)
        painted = self._painted(packed)
        # what the keyframes share stays as it is
        painted = np.where(self._is_still & (packed == self._still), packed, painted)
        return unpack(painted)

    def fidelity(self, image: Pixels) -> float:
        """Share of the pixels of a keyframe (H, W, 4) that the palette can show, without the commonest."""
        packed = pack(image)
        shown = premultiplied(packed)
        difference = np.abs(premultiplied(self._painted(packed)) - shown).max(-1)
        values, counts = np.unique(packed, return_counts=True)
        content = packed != values[counts.argmax()]
        return 1.0 - float((difference[content] > VISIBLE).mean()) if content.any() else 1.0

    def _painted(self, packed: Packed) -> Packed:
        labels = self._labels(packed)
        painted = self.packed[labels]
        if not self.hard:
            self._antialias(packed, labels, painted)
        return painted

    def _labels(self, packed: Packed) -> Labels:
        """The flat colour that each pixel has, or that covers more of it."""
        labels = self._seeds(packed)
        bits = self._bits(labels)
        y, x = (labels == NONE).nonzero()
        own = premultiplied(packed[y, x])
        nearby = dilate(bits, NEARBY)
        mixture = self._fit(own, nearby[y, x])
        poor = (mixture.error > EXPLAINED**2).nonzero()[0]
        far = dilate(by_cell(bits, BLOCK), 1)[y[poor] // BLOCK, x[poor] // BLOCK]
        far |= self._regional[y[poor] // self._cell, x[poor] // self._cell]
        better = self._fit(own[poor], far)
        taken = (better.error <= EXPLAINED**2) | (nearby[y[poor], x[poor]] == 0)
        parts: list[tuple[NDArray[Any], NDArray[Any]]] = list(zip(mixture, better, strict=True))
        for old, new in parts:
            old[poor[taken]] = new[taken]
        labels[y, x] = np.where(self._on_ridge(packed, y, x, mixture), mixture.minor, mixture.major)
        return labels

    def _seeds(self, packed: Packed) -> Labels:
        """Labels of pixels that have a flat colour for certain, and are not part of an antialiased edge."""
        flat = packed.ravel()
        starts = np.concatenate([[0], (flat[1:] != flat[:-1]).nonzero()[0] + 1])
        values, index = np.unique(flat[starts], return_inverse=True)
        least = np.full(len(values), CERTAIN**2, np.float32)
        label = np.full(len(values), NONE, np.uint8)
        shown = premultiplied(values)
        for number, colour in enumerate(self.colours):
            distance = ((shown - colour) ** 2).sum(-1)
            nearer = distance < least
            least[nearer], label[nearer] = distance[nearer], number
        lengths = np.diff(starts, append=flat.size)
        labels: Labels = np.repeat(label[index], lengths).reshape(packed.shape)
        y, x = (_at_edges(labels) & (labels != NONE)).nonzero()
        padded = np.pad(packed, 1, mode="edge")
        around = np.stack([padded[y + 1 + dy, x + 1 + dx] for dy, dx in NEIGHBOURS])
        mixed = between(packed[y, x], around)
        labels[y[mixed], x[mixed]] = NONE
        return labels

    def _antialias(self, packed: Packed, labels: Labels, painted: Packed) -> None:
        """Paint mixtures of the two colours that meet at a pixel."""
        y, x = _at_edges(labels).nonzero()
        own = premultiplied(packed[y, x])
        mixes = ((own - self.colours[labels[y, x]]) ** 2).sum(-1) > CERTAIN**2
        y, x, own = y[mixes], x[mixes], own[mixes]
        met = self._fit(own, dilate(self._bits(labels), 1)[y, x])
        share = met.coverage[:, None]
        mixed = (1 - share) * self.colours[met.major] + share * self.colours[met.minor]
        mixed[:, :3] *= 255 / np.maximum(mixed[:, 3:], 1e-3)
        painted[y, x] = pack(np.rint(mixed).clip(0, 255).astype(np.uint8)[None])[0]

    def _on_ridge(
        self, packed: Packed, y: NDArray[np.intp], x: NDArray[np.intp], mixture: Mixture
    ) -> NDArray[np.bool_]:
        """Where a colour covers less than half of a pixel, but more than on both sides: on a thin line."""
        thin = (mixture.coverage >= RIDGE).nonzero()[0]
        padded = np.pad(packed, 2, mode="edge")
        own = mixture.coverage[thin]
        start = self.colours[mixture.major[thin]]
        step = self.colours[mixture.minor[thin]] - start
        step /= np.maximum((step**2).sum(-1, keepdims=True), 1)

        def coverage(dy: int, dx: int, of: NDArray[np.intp] | slice = slice(None)) -> Colours:
            at = thin[of]
            shown = premultiplied(padded[y[at] + 2 + dy, x[at] + 2 + dx])
            covered: Colours = ((shown - start[of]) * step[of]).sum(-1)
            return covered

        ridge = np.zeros(len(thin), bool)
        for dy, dx in NEIGHBOURS[:4]:
            sides = coverage(dy, dx), coverage(-dy, -dx)
            beyond = np.maximum(coverage(2 * dy, 2 * dx), coverage(-2 * dy, -2 * dx))
            narrow = (own >= np.maximum(*sides)) & (own >= np.minimum(*sides) + RIDGE / 2)
            ridge |= narrow & (own >= beyond + RIDGE)
        # near a corner of an area, which holds a square of three pixels, as no thin line does
        of = ridge.nonzero()[0]
        square = [[coverage(dy, dx, of) >= 0.7 * own[of] for dx in range(-2, 3)] for dy in range(-2, 3)]
        covered = np.array(square)
        for top in range(3):
            for left in range(3):
                ridge[of] &= ~covered[top : top + 3, left : left + 3].all((0, 1))
        found = np.zeros(len(y), bool)
        found[thin] = ridge
        return found

    def _fit(self, own: Colours, among: Bits) -> Mixture:
        """The best mixtures of pixels (N, 4), each of two colours of a set (N,)."""
        major, minor = np.zeros(len(own), np.intp), np.zeros(len(own), np.intp)
        coverage, error = np.zeros(len(own), np.float32), np.full(len(own), np.inf, np.float32)
        order = np.argsort(among, kind="stable")
        sets, starts = np.unique(among[order], return_index=True)
        for bits, group in zip(sets.tolist(), np.split(order, starts[1:]), strict=False):
            members = np.array([number for number in range(len(self.packed)) if bits >> number & 1])
            if not len(members):
                continue
            a, b = np.triu_indices(len(members), min(1, len(members) - 1))
            one, other = self.colours[members[a]], self.colours[members[b]]
            step = other - one
            length = np.maximum((step**2).sum(-1), 1e-3)
            rows = max(1, AT_ONCE // len(a))
            for part in np.split(group, range(rows, len(group), rows)):
                here = own[part]
                along = here @ step.T - (one * step).sum(-1)
                share = (along / length).clip(0, 1)
                distance = (here**2).sum(-1)[:, None] - 2 * here @ one.T + (one**2).sum(-1)
                distance += share * (share * length - 2 * along)
                best = distance.argmin(1)
                picked = np.arange(len(part)), best
                ends = members[a[best]], members[b[best]]
                less = share[picked] < 0.5
                major[part] = np.where(less, *ends)
                minor[part] = np.where(less, *ends[::-1])
                coverage[part] = np.where(less, share[picked], 1 - share[picked])
                error[part] = distance[picked]
        return Mixture(major, minor, coverage, error)

    def _bits(self, labels: Labels) -> Bits:
        table = np.zeros(256, np.int64)
        table[: len(self.packed)] = 1 << np.arange(len(self.packed))
        return table[labels]


def dilate(bits: Bits, radius: int) -> Bits:
    """Sets (H, W) joined with all of a square of 2 radius + 1 pixels around."""
    for axis in (0, 1):
        lines = np.moveaxis(bits.copy(), axis, 0)
        source = np.moveaxis(bits, axis, 0)
        for shift in range(1, min(radius, len(lines) - 1) + 1):
            lines[shift:] |= source[:-shift]
            lines[:-shift] |= source[shift:]
        bits = np.moveaxis(lines, 0, axis)
    return bits


def by_cell(bits: Bits, size: int) -> Bits:
    """Sets (H, W) joined in each square cell of `size` pixels."""
    for axis in (0, 1):
        bits = np.bitwise_or.reduceat(bits, range(0, bits.shape[axis], size), axis)
    return bits


def _at_edges(labels: Labels) -> NDArray[np.bool_]:
    square = np.ones((3, 3), np.uint8)
    different: NDArray[np.bool_] = cv2.dilate(labels, square) != cv2.erode(labels, square)
    return different
