"""Perceptual hashes of drawings: of their edges, so that recoloured and inverted copies keep them."""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]  # (h, w)
Bits = NDArray[np.bool_]  # (BITS,)

SIDE = 128  # pixels of the longer side that edges are found at
BLUR = 1.0  # pixels there: removes what compression and resampling add
BLANK = 0.02  # strength of the strongest 1 % of edges below which an image is blank: 1 is black beside white
SATURATION = 0.25  # of those strongest edges: an edge this strong counts half
MARGIN = 0.4  # edges below it are outside of the drawing
STRIP = 0.025  # of a side: half of what a slight crop takes away
SQUARE = 64  # pixels of a side of the squares that are hashed
FREQUENCIES = 16  # of each axis
BITS = FREQUENCIES**2 - 1  # without the mean


def edge_map(image: NDArray[np.uint8]) -> Plane | None:
    """Edges of an image, the same up to rounding for its mirrored, recoloured and inverted copies.

    The length of the gradient over all three colours, `g = sqrt(sum_c |grad c|^2)`, does not change where
    colours are rotated or inverted; `g / (g + 0.25 g_max)` makes strong and weak edges alike, so that it
    hardly changes with contrast.

    Args:
        image: (H, W, 3) RGB.

    Returns:
        (h, w) in [0, 1), the longer side of 128 pixels; None for a blank image.
    """
    scale = SIDE / max(image.shape[:2])
    width, height = (max(round(side * scale), 1) for side in (image.shape[1], image.shape[0]))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, (width, height), interpolation=method).astype(np.float32) / 255
    small = cv2.GaussianBlur(small, (0, 0), BLUR, borderType=cv2.BORDER_REPLICATE)
    steps = [cv2.Sobel(small, cv2.CV_32F, *axis, scale=0.25) for axis in ((1, 0), (0, 1))]
    edges = np.sqrt(np.square(np.stack(steps)).sum(axis=(0, 3)))
    strongest = float(np.quantile(edges, 0.99))
    if strongest < BLANK:
        return None
    return np.asarray(edges / (edges + SATURATION * strongest), np.float32)


def drawing_box(edges: Plane) -> tuple[slice, slice]:
    """Rows and columns of an edge map that its drawing fills, so that an empty margin does not count."""
    rows, columns = (np.flatnonzero((edges > MARGIN).any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def middle(edges: Plane) -> tuple[slice, slice]:
    """Rows and columns of an edge map without a narrow strip on each side, as a slight crop leaves it."""
    rows, columns = (slice(round(STRIP * side), side - round(STRIP * side)) for side in edges.shape)
    return rows, columns


def squared(edges: Plane, side: int = SQUARE) -> Plane:
    """An edge map padded to a square and resized to (side, side)."""
    height, width = edges.shape
    longer = max(height, width)
    canvas = np.zeros((longer, longer), np.float32)
    top, left = (longer - height) // 2, (longer - width) // 2
    canvas[top : top + height, left : left + width] = edges
    method = cv2.INTER_AREA if longer > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(canvas, (side, side), interpolation=method), np.float32)


def hash_bits(square: Plane) -> Bits:
    """DCT hash: which of the 255 lowest frequencies are above their median.

    After pHash (Zauner 2010), which takes 64 of an image's luma.

    Args:
        square: (64, 64), as from `squared`.
    """
    spectrum = cv2.dct(cv2.GaussianBlur(square, (0, 0), 1.0))
    lowest = spectrum[:FREQUENCIES, :FREQUENCIES].ravel()[1:]
    return np.asarray(lowest > np.median(lowest))


def hash_distances(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Hamming distances (n, m) of hashes (n, bits) and (m, bits), as a share of the bits."""
    a, b = (np.where(bits, np.float32(1), np.float32(-1)) for bits in (one, other))
    return np.asarray((1 - a @ b.T / a.shape[1]) / 2, np.float32)
