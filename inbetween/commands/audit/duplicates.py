"""Near-duplicates: frames of two splits that show the same drawing, mirrored or recoloured or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from inbetween.commands.audit.features import DeepFeatures
from inbetween.commands.audit.frames import Frame
from inbetween.functional.perceptual_hash import (
    SQUARE,
    drawing_box,
    edge_map,
    hash_bits,
    hash_distances,
    middle,
    squared,
)
from inbetween.io.images import Pixels, resize

HASH_THRESHOLD = 0.14  # share of the bits: largest distance of a copy where there are hashes alone
CANDIDATE = 0.4  # share of the bits beyond which two frames are not compared further; chance is a half
# Views of a frame and of another one that are compared: both whole, both without their margins, and one
# whole with the middle of the other, of which it may be a crop.
WHOLE, DRAWING, MIDDLE = range(3)
VIEWS = ((WHOLE, WHOLE), (DRAWING, DRAWING), (WHOLE, MIDDLE), (MIDDLE, WHOLE))
PER_VIEW = 2  # candidates of a frame, for each of them, and of its mirror image
CHUNK = 32  # frames whose candidates are compared at once
COLOR_SIDE = 16  # pixels of a side at which colours are compared
COLORFUL = 0.01  # of [0, 1]: mean distance from grey below which an image has no colours to compare
RECOLORED = 0.35  # of [0, 1]: difference of two images' colours, as a share of both, beyond which they differ
INVERTED = 0.3  # correlation of two images' brightness below which one has other tones


@dataclass(frozen=True)
class Fingerprints:
    """What is compared of a split's frames, except blank ones; n frames.

    Each has three views: the whole frame, its drawing without the margin, and its middle.
    """

    frames: list[Frame]
    squares: NDArray[np.uint8]  # (n, 3, 64, 64) edges
    bits: NDArray[np.bool_]  # (n, 3, bits)
    mirrored: NDArray[np.bool_]  # (n, 3, bits) of their mirror images
    colors: NDArray[np.uint8]  # (n, 3, 16, 16, 3)
    blank: int  # frames left out, since all blank ones are alike


@dataclass(frozen=True)
class Match:
    """A frame, and the nearest of another split that shows the same drawing.

    Args:
        frame: The frame.
        copy: The nearest one.
        mirrored: Whether one is mirrored.
        recolored: Whether their colours differ.
        distance: In deep features, or of hashes where there are hashes alone.
        bits: Of hashes, as a share of the bits.
    """

    frame: Frame
    copy: Frame
    mirrored: bool
    recolored: bool
    distance: float
    bits: float

    @property
    def kind(self) -> str:
        """In words."""
        parts = ["mirrored"] * self.mirrored + ["recoloured"] * self.recolored
        return " and ".join(parts) or "same"


def fingerprints(frames: Sequence[Frame], split: str) -> Fingerprints:
    """Read the frames of a split and hash them."""
    kept, squares, colors = [], [], []
    for frame in tqdm(frames, f"hashing {split}", unit="frame", leave=False, delay=1, disable=None):
        pixels = frame.read()
        edges = edge_map(pixels)
        if edges is None:
            continue
        kept.append(frame)
        views = ((slice(None), slice(None)), drawing_box(edges), middle(edges))
        small = resize(pixels, *edges.shape)
        squares.append([np.rint(squared(edges[view]) * 255).astype(np.uint8) for view in views])
        colors.append([_tiny(small[view]) for view in views])
    stacked = np.asarray(squares, np.uint8).reshape(len(kept), 3, SQUARE, SQUARE)
    bits, mirrored = (
        np.asarray([[hash_bits(square.astype(np.float32)) for square in three] for three in every], np.bool_)
        for every in (stacked, np.ascontiguousarray(stacked[..., ::-1]))
    )
    return Fingerprints(kept, stacked, bits, mirrored, np.asarray(colors, np.uint8), len(frames) - len(kept))


def _tiny(image: Pixels) -> Pixels:
    return np.asarray(cv2.resize(image, (COLOR_SIDE, COLOR_SIDE), interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True)
class Candidate:
    """Two frames that may show the same drawing, by their index."""

    frame: int
    copy: int
    views: tuple[int, int]
    mirrored: bool
    bits: float


def find_matches(
    queries: Fingerprints, references: Fingerprints, features: DeepFeatures | None, threshold: float
) -> list[Match]:
    """For each frame, the nearest of another split that shows the same drawing, if any; nearest first.

    Hashes propose candidates, deep features decide.

    Args:
        queries: The frames.
        references: Of the other split.
        features: Of which the distance is taken; None decides by hashes.
        threshold: Largest distance of a copy.
    """
    if not queries.frames or not references.frames:
        return []
    matches = []
    starts = range(0, len(queries.frames), CHUNK)
    for start in tqdm(starts, "comparing", unit="chunk", leave=False, delay=1, disable=None):
        rows = range(start, min(start + CHUNK, len(queries.frames)))
        candidates = _candidates(queries, references, rows)
        if features is None:
            distances = [candidate.bits for candidate in candidates]
        else:
            distances = _deep_distances(queries, references, candidates, features)
        best: dict[int, tuple[float, Candidate]] = {}
        for distance, candidate in zip(distances, candidates, strict=True):
            if distance <= threshold and distance < best.get(candidate.frame, (np.inf,))[0]:
                best[candidate.frame] = distance, candidate
        matches += [
            Match(
                queries.frames[found.frame],
                references.frames[found.copy],
                found.mirrored,
                _is_recolored(queries, references, found),
                distance,
                found.bits,
            )
            for distance, found in best.values()
        ]
    return sorted(matches, key=lambda match: match.distance)


def _candidates(queries: Fingerprints, references: Fingerprints, rows: range) -> list[Candidate]:
    found = []
    for mirrored, bits in enumerate((queries.bits, queries.mirrored)):
        for view, other in VIEWS:
            distances = hash_distances(bits[rows.start : rows.stop, view], references.bits[:, other])
            nearest = np.argsort(distances, axis=1, kind="stable")[:, :PER_VIEW]
            found += [
                Candidate(row, int(copy), (view, other), bool(mirrored), float(distances[place, copy]))
                for place, row in enumerate(rows)
                for copy in nearest[place]
                if distances[place, copy] <= CANDIDATE
            ]
    return found


def _deep_distances(
    queries: Fingerprints, references: Fingerprints, candidates: list[Candidate], features: DeepFeatures
) -> list[float]:
    """Distances of candidates in deep features of their edges, drawn in black on white."""
    if not candidates:
        return []
    keys = [((one.frame, one.views[0], one.mirrored), (one.copy, one.views[1])) for one in candidates]
    own = {key: place for place, key in enumerate(dict.fromkeys(key for key, _ in keys))}
    others = {key: place for place, key in enumerate(dict.fromkeys(key for _, key in keys))}
    ours = [queries.squares[frame, view, :, :: -1 if flip else 1] for frame, view, flip in own]
    theirs = [references.squares[copy, view] for copy, view in others]
    a, b = (_embedded(squares, features) for squares in (ours, theirs))
    return [float((a[own[key]] - b[others[other]]).square().sum()) for key, other in keys]


def _embedded(squares: list[NDArray[np.uint8]], features: DeepFeatures) -> Tensor:
    edges = torch.from_numpy(np.stack(squares)).float()[:, None] / 255
    return torch.cat([features.embed(1 - part.expand(-1, 3, -1, -1)) for part in torch.split(edges, 64)])


def _is_recolored(queries: Fingerprints, references: Fingerprints, pair: Candidate) -> bool:
    """Whether hues differ, or tones are inverted; another brightness or contrast does not count."""
    one = queries.colors[pair.frame, pair.views[0]].astype(np.float32) / 255
    other = references.colors[pair.copy, pair.views[1]].astype(np.float32) / 255
    both = np.stack([one[:, ::-1] if pair.mirrored else one, other])
    tones = both.mean(axis=3)
    hues = both - tones[..., None]
    amounts = np.abs(hues).mean(axis=(1, 2, 3))
    if amounts.max() > COLORFUL and np.abs(hues[0] - hues[1]).mean() > RECOLORED * amounts.sum():
        return True
    a, b = (tone - tone.mean() for tone in tones)
    return bool((a * b).sum() < INVERTED * np.sqrt((a * a).sum() * (b * b).sum()))


def repeated_within(prints: Fingerprints) -> int:
    """How many frames of a split show a drawing of another of its animations, by hashes alone."""
    animations = np.asarray([frame.animation for frame in prints.frames])
    repeated = np.zeros(len(animations), np.bool_)
    for start in range(0, len(animations), CHUNK * 8):
        rows = slice(start, start + CHUNK * 8)
        elsewhere = animations[rows, None] != animations
        for bits in (prints.bits, prints.mirrored):
            for view in (WHOLE, DRAWING):
                near = hash_distances(bits[rows, view], prints.bits[:, view]) <= HASH_THRESHOLD
                repeated[rows] |= (near & elsewhere).any(axis=1)
    return int(repeated.sum())
