"""Static drawings as sprites: what is transparent as it is, what is opaque cut from flat paper."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.errors import UserError
from inbetween.io.files import write_whole
from inbetween.io.images import Layers, Pixels, read_layers
from inbetween.io.png import encode_pixels

SIDE = 384  # pixels of a sprite's longer side, at most
FOLDER = "layers"  # of sprites and backgrounds, in the output
_PAPER = 10  # of 255: largest difference of flat paper from its colour
_FLAT = 0.9  # share of an opaque drawing's border that is paper
_LEAST = 0.002  # share of a sheet's pixels that a figure on it has
_MOST = 24  # figures cut from one sheet
_OPAQUE = 0.995  # share of opaque pixels from which an image is a background; as in `LayeredImages`


@dataclass
class Sprites:
    """Images to be moved as layers, by split.

    Args:
        train: Names and images (H, W, 4), or (H, W, 3) of backgrounds.
        val: The same of the drawings held out.
        transparent: Number of drawings with transparency.
        sheets: Number of opaque drawings that figures were cut from.
        behind: Number of opaque drawings that are backgrounds.
        held_out: Number of drawings held out.
        different: Number of those that differ from each other.
        copies: Number of drawings left out, being like one that is held out elsewhere.
    """

    train: dict[str, Pixels] = field(default_factory=dict)
    val: dict[str, Pixels] = field(default_factory=dict)
    transparent: int = 0
    sheets: int = 0
    behind: int = 0
    held_out: int = 0
    different: int = 0
    copies: int = 0

    @property
    def usable(self) -> bool:
        """Whether there is something to move in both splits."""
        return self.movable and any(image.shape[2] == 4 for image in self.val.values())

    @property
    def movable(self) -> bool:
        """Whether there is something to move in training."""
        return any(image.shape[2] == 4 for image in self.train.values())


def make_sprites(paths: Sequence[Path], hold_out: bool, without: Collection[bytes] = ()) -> Sprites:
    """Sprites of static drawings.

    Every fourth drawing that shows something to move is held out, with its copies.

    Args:
        paths: The drawings.
        hold_out: Whether some are held out, to test on; else all are for training.
        without: Digests of drawings to leave out; see `digest`.

    Raises:
        UserError: A drawing cannot be read.
    """
    found, held = Sprites(), set[bytes]()
    movable = 0
    cuts: list[tuple[bytes, int, list[Pixels]]] = []
    for number, path in enumerate(paths):
        layers = read_layers(path)
        key = digest(layers)
        if key in without:
            found.copies += 1
            continue
        cut = cut_out(layers)
        cuts.append((key, number, cut))
        background = not any(image.shape[2] == 4 for image in cut)
        found.behind += background
        found.transparent += layers.opacity is not None and not background
        found.sheets += layers.opacity is None and not background
        if hold_out and not background:
            movable += 1
            if movable % 4 == 2:
                held.add(key)
    found.different = len(held)
    for key, number, cut in cuts:  # once all that is held out is known: a copy may come before it
        found.held_out += key in held
        part = found.val if key in held else found.train
        part |= {f"{number:04d}_{place}": image for place, image in enumerate(cut)}
    return found


def digest(layers: Layers) -> bytes:
    """What is equal of drawings that look the same: without colours that nobody sees."""
    opacity = layers.opacity if layers.opacity is not None else np.full_like(layers.color[..., 0], 255)
    seen = np.dstack([np.where(opacity[..., None] > 0, layers.color, 0), opacity])
    return hashlib.blake2b(seen.tobytes(), digest_size=16).digest()


def cut_out(layers: Layers) -> list[Pixels]:
    """The figures of a drawing (h, w, 4), or itself (H, W, 3) if it is opaque and not on flat paper."""
    color, opacity = layers.color, layers.opacity
    if opacity is not None and float(np.mean(opacity > 250)) < _OPAQUE:
        return [_small(np.dstack([color, opacity]))]
    mask = figure_mask(color)
    if mask is None:
        return [_small(color)]
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= _LEAST * mask.size]
    large = sorted(large, key=lambda n: -stats[n, cv2.CC_STAT_AREA])[:_MOST]
    figures = []
    for n in large:
        left, top, width, height = stats[n, :4]
        area = slice(top, top + height), slice(left, left + width)
        alpha = np.where(label[area] == n, 255, 0).astype(np.uint8)
        figures.append(_small(np.dstack([color[area], alpha])))
    return figures or [_small(color)]


def figure_mask(color: Pixels) -> NDArray[np.uint8] | None:
    """Where a drawing (H, W, 3) is not paper: 1, else 0 (H, W); None if its border is not flat paper.

    Paper is what is connected to the border and has its colour: white inside a figure belongs to it.
    """
    border = np.concatenate([color[0], color[-1], color[:, 0], color[:, -1]]).astype(np.int16)
    paper = np.median(border, axis=0)
    if float(np.mean(np.abs(border - paper).max(1) <= _PAPER)) < _FLAT:
        return None
    like = (np.abs(color.astype(np.int16) - paper).max(2) <= _PAPER).astype(np.uint8)
    # a frame of paper around it, so that all paper at the border is connected
    _, label = cv2.connectedComponents(np.pad(like, 1, constant_values=1), connectivity=4)
    return np.asarray(label[1:-1, 1:-1] != label[0, 0], np.uint8)


def write_sprites(sprites: Sprites, folder: Path) -> None:
    """Write them into the folders `train` and `val`, as `LayeredImages` reads them."""
    for split, images in (("train", sprites.train), ("val", sprites.val)):
        for name, image in images.items():
            write_whole(folder / split / f"{name}.png", encode_pixels(image), durable=False)


def nothing_to_move(root: Path) -> UserError:
    """The error for drawings that are all opaque and on no flat paper, or all but one."""
    return UserError(
        f"{root} has no sequence, and fewer than two static drawings with something to move: give drawings"
        " with transparency, or on paper of one colour."
    )


def _small(image: NDArray[np.uint8]) -> Pixels:
    share = SIDE / max(image.shape[:2])
    if share >= 1:
        return image
    height, width = (max(round(length * share), 1) for length in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
