"""Parts: layers attached to the skeleton."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.synthetic.curves import Points
from inbetween.data.synthetic.motion import Bend, Joint

Color = tuple[int, int, int]
Image = NDArray[np.uint8]
Fixed = NDArray[np.int32]  # (n, 2) polygon in OpenCV's fixed-point pixels
SHIFT = 4  # fractional bits of OpenCV's coordinates: a sixteenth of a pixel


@dataclass(frozen=True)
class Mark:
    """A filled polygon on a part, in the part's rest coordinates.

    Args:
        points: (n, 2) polygon.
        color: RGB.
        clipped: Visible only inside the part's body (patterns, shading) instead of everywhere (lines).
        opacity: In (0, 1].
    """

    points: Points
    color: Color
    clipped: bool = False
    opacity: float = 1.0


@dataclass(eq=False)
class Part:
    """One layer on a joint or a bent limb.

    Args:
        joint: The joint that it moves with.
        body: (n, 2) polygon of the fill, in rest coordinates.
        fill: RGB of the fill.
        outer: (n, 2) polygon drawn below the fill in `line`: the outline is its visible rim.
        line: RGB of the outline.
        marks: Drawn over the fill, in order.
        bend: A bent limb that the part moves with, instead of the joint alone.
        inside: Show the part only inside of the body of this one (an iris inside the eye).
        ghost: Rendered, but without ground truth (shadows, glow): its pixels belong to the layer below.
    """

    joint: Joint
    body: Points
    fill: Color
    outer: Points | None = None
    line: Color = (0, 0, 0)
    marks: Sequence[Mark] = ()
    bend: Bend | None = None
    inside: "Part | None" = None
    ghost: bool = False
    opacity: float = 1.0

    def polygons(self) -> list[Points]:
        """Body, outer (when there is one) and marks, in rest coordinates."""
        return [
            self.body,
            *([] if self.outer is None else [self.outer]),
            *(mark.points for mark in self.marks),
        ]


Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two exclusive


def window(box: Box, height: int, width: int, other: Box | None = None) -> Box | None:
    """A box clipped to the canvas and to `other`; None if it is empty."""
    left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    if other is not None:
        left, top, right, bottom = (
            max(left, other[0]),
            max(top, other[1]),
            min(right, other[2]),
            min(bottom, other[3]),
        )
    return (left, top, right, bottom) if left < right and top < bottom else None


def blend(
    canvas: Image,
    polygons: Sequence[tuple[Fixed, Color]],
    box: Box | None,
    mask: Fixed | None,
    opacity: float,
) -> None:
    """Draw polygons inside `box`, through the mask polygon and the opacity."""
    if box is None:
        return
    left, top, right, bottom = box
    below = canvas[top:bottom, left:right]
    layer = below.copy()
    move = np.array([left << SHIFT, top << SHIFT], np.int32)
    for polygon, color in polygons:
        cv2.fillPoly(layer, [polygon - move], color, cv2.LINE_AA, SHIFT)
    if opacity < 1:
        layer = cv2.addWeighted(layer, opacity, below, 1 - opacity, 0)
    if mask is None:
        below[:] = layer
    else:
        stencil = np.zeros(below.shape[:2], np.uint8)
        cv2.fillPoly(stencil, [mask - move], 255, cv2.LINE_8, SHIFT)
        cv2.copyTo(layer, stencil, below)
