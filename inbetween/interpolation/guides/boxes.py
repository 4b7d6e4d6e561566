"""Rectangles of images: work is done around guided regions alone."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Where = NDArray[np.bool_]  # (H, W)
Pixels = TypeVar("Pixels")


class Box(NamedTuple):
    """A rectangle of pixels, both ends as in slices."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def corner(self) -> NDArray[np.float64]:
        """Its first pixel, (2,), x then y."""
        return np.array([self.left, self.top], dtype=np.float64)

    @property
    def corners(self) -> NDArray[np.float64]:
        """The centres (4, 2) of its outermost pixels, x then y."""
        sides = (self.left, self.right - 1), (self.top, self.bottom - 1)
        return np.array([[x, y] for x in sides[0] for y in sides[1]], dtype=np.float64)

    @property
    def grid(self) -> NDArray[np.float64]:
        """Its pixels' positions (h, w, 2), x then y."""
        y, x = np.mgrid[self.slices]
        return np.stack([x, y], axis=-1).astype(np.float64)


def box_of(where: Where, margin: int = 0) -> Box | None:
    """The rectangle around what is set, with a margin inside of the image; None if nothing is."""
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    if not len(rows):
        return None
    corners = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]], dtype=np.float64)
    return box_around(corners, margin, (where.shape[0], where.shape[1]))


def box_around(points: NDArray[np.float64], margin: int, size: tuple[int, int]) -> Box | None:
    """The rectangle of pixels around points (K, 2), with a margin; None if it is outside of the image."""
    (left, top), (right, bottom) = points.min(0), points.max(0)
    box = Box(
        max(math.floor(top) - margin, 0),
        min(math.ceil(bottom) + margin + 1, size[0]),
        max(math.floor(left) - margin, 0),
        min(math.ceil(right) + margin + 1, size[1]),
    )
    return box if box.top < box.bottom and box.left < box.right else None


def dilated(where: Where, radius: int) -> Where:
    """Where any pixel of a disc around is set."""
    if not where.any():
        return where
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    found: Where = cv2.dilate(where.astype(np.uint8), disc) > 0
    return found
