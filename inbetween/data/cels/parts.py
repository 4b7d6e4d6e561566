"""Cut-outs: what hangs on the skeleton, and how it is drawn and labelled."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.cels.curves import Points
from inbetween.data.cels.motion import Bend, Joint, Memo

Color = tuple[int, int, int]
Image = NDArray[np.uint8]
SHIFT = 4  # fractional bits of OpenCV's coordinates: a sixteenth of a pixel


@dataclass(frozen=True)
class Mark:
    """A filled polygon on a part, in the part's rest coordinates.

    Args:
        points: (n, 2) polygon.
        color: RGB.
        clipped: Seen only inside the part's body (patterns, shading) instead of everywhere (lines).
        opacity: In (0, 1].
    """

    points: Points
    color: Color
    clipped: bool = False
    opacity: float = 1.0


@dataclass(eq=False)
class Part:
    """One cut-out on a joint or a bent limb.

    Args:
        joint: What carries it.
        body: (n, 2) polygon of the fill, in rest coordinates.
        fill: RGB of the fill.
        outer: (n, 2) polygon drawn below the fill in `line`: the outline is the rim that stays seen.
        line: RGB of the outline.
        marks: Drawn over the fill, in order.
        bend: Carries the part instead of the joint alone.
        inside: Show the part only inside of the body of this one (an iris inside the eye).
        ghost: Drawn but without truth of its own (shadows, glow): pixels belong to what is below.
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
    cuts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        pieces = (
            [self.body] + ([self.outer] if self.outer is not None else []) + [m.points for m in self.marks]
        )
        self.cuts = [0, *np.cumsum([len(piece) for piece in pieces]).tolist()]
        self.points = np.concatenate(pieces)
        self.carrier = None if self.bend is None else self.bend.triangle(self.points)

    @property
    def pieces(self) -> int:
        """Number of affine pieces: 1, or the triangles of the limb."""
        return 1 if self.bend is None else len(self.bend.corners)

    def affines(self, t: float, memo: Memo) -> NDArray[np.float64]:
        """(pieces, 2, 3) affines from rest to world coordinates at t."""
        if self.bend is None:
            return self.joint.world(t, memo)[None, :2]
        return self.bend.affines(t, memo)

    def place(self, t: float, memo: Memo, scale: float, dx: float, dy: float) -> list[NDArray[np.int32]]:
        """Body, outer (when there is one) and marks at t in OpenCV's fixed-point pixels.

        Args:
            t: In [0, 1].
            memo: Joint frames of this t.
            scale: Pixels for a world unit.
            dx: Pixel x of the world's origin.
            dy: Pixel y of the world's origin.
        """
        affines = self.affines(t, memo)
        if self.carrier is None:
            world = self.points @ affines[0, :, :2].T + affines[0, :, 2]
        else:
            chosen = affines[self.carrier]
            world = (chosen[:, :, :2] @ self.points[:, :, None])[:, :, 0] + chosen[:, :, 2]
        unit = 1 << SHIFT
        pixels = np.rint(world * (scale * unit) + [dx * unit, dy * unit])
        fixed = np.clip(pixels, -(2**26), 2**26).astype(np.int32)
        return [fixed[a:b] for a, b in zip(self.cuts[:-1], self.cuts[1:], strict=True)]


Placed = list[NDArray[np.int32]]


def _window(polygon: NDArray[np.int32], height: int, width: int) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of a polygon inside the canvas; None when outside."""
    low, high = polygon.min(0) >> SHIFT, (polygon.max(0) >> SHIFT) + 2
    left, top = max(int(low[0]) - 1, 0), max(int(low[1]) - 1, 0)
    right, bottom = min(int(high[0]), width), min(int(high[1]), height)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _blend(canvas: Image, polygons: list[tuple[NDArray[np.int32], Color]], mask: NDArray[np.int32] | None,
           opacity: float) -> None:  # fmt: skip
    """Draw polygons through the mask polygon and the opacity."""
    bounds = np.concatenate([p for p, _ in polygons])
    window = _window(bounds, *canvas.shape[:2])
    if mask is not None and window is not None:
        other = _window(mask, *canvas.shape[:2])
        if other is None:
            return
        window = (
            max(window[0], other[0]),
            max(window[1], other[1]),
            min(window[2], other[2]),
            min(window[3], other[3]),
        )
    if window is None or window[0] >= window[2] or window[1] >= window[3]:
        return
    left, top, right, bottom = window
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


def draw(
    canvas: Image, groups: Sequence[Sequence[Part]], t: float, scale: float, dx: float, dy: float
) -> None:
    """Draw groups of parts onto `canvas` (H, W, 3) uint8, in place.

    The outlines of a group are drawn before its fills, so that its parts melt into one silhouette.
    """
    memo: Memo = {}
    height, width = canvas.shape[:2]
    seen: dict[Part, Placed] = {}
    for group in groups:
        placed = [(part, part.place(t, memo, scale, dx, dy)) for part in group]
        for part, pieces in placed:
            seen[part] = pieces
            if part.outer is not None and part.inside is None:
                cv2.fillPoly(canvas, [pieces[1]], part.line, cv2.LINE_AA, SHIFT)
        for part, pieces in placed:
            if _window(pieces[0], height, width) is None:
                continue
            skip = 1 if part.outer is None else 2
            marks = list(zip(part.marks, pieces[skip:], strict=True))
            if part.inside is not None or part.opacity < 1:
                polygons = [(pieces[1], part.line)] if part.outer is not None else []
                polygons += [(pieces[0], part.fill)] + [(p, m.color) for m, p in marks]
                mask = None if part.inside is None else seen[part.inside][0]
                _blend(canvas, polygons, mask, part.opacity)
                continue
            cv2.fillPoly(canvas, [pieces[0]], part.fill, cv2.LINE_AA, SHIFT)
            k = 0
            while k < len(marks):
                mark, polygon = marks[k]
                k += 1
                if not mark.clipped and mark.opacity == 1:
                    cv2.fillPoly(canvas, [polygon], mark.color, cv2.LINE_AA, SHIFT)
                    continue
                run = [(polygon, mark.color)]
                while (
                    k < len(marks)
                    and marks[k][0].clipped == mark.clipped
                    and marks[k][0].opacity == mark.opacity
                ):
                    run.append((marks[k][1], marks[k][0].color))
                    k += 1
                _blend(canvas, run, pieces[0] if mark.clipped else None, mark.opacity)


def label(
    shape: tuple[int, int], groups: Sequence[Sequence[Part]], t: float, scale: float, dx: float, dy: float,
    first: dict[Part, int],
) -> NDArray[np.int32]:  # fmt: skip
    """Which affine piece is on top at each pixel, (H, W) int32; 0 is the background.

    Args:
        shape: H, W.
        groups: As for `draw`.
        t: In [0, 1].
        scale: Pixels for a world unit.
        dx: Pixel x of the world's origin.
        dy: Pixel y of the world's origin.
        first: Label of each part's first piece; the parts that are missing have no truth.
    """
    memo: Memo = {}
    height, width = shape
    labels = np.zeros(shape, np.int32)
    unit = 1 << SHIFT
    bodies: dict[Part, NDArray[np.int32]] = {}
    for group in groups:
        chosen = [(part, part.place(t, memo, scale, dx, dy)) for part in group if part in first]
        for phase in ("line", "fill"):
            for part, pieces in chosen:
                bodies[part] = pieces[0]
                skip = 1 if part.outer is None else 2
                if phase == "line":
                    solid = pieces[1:skip]
                else:
                    solid = [pieces[0]] + [
                        p
                        for m, p in zip(part.marks, pieces[skip:], strict=True)
                        if not m.clipped and m.opacity == 1
                    ]
                if not solid:
                    continue
                window = _window(np.concatenate(solid), height, width)
                if window is None:
                    continue
                left, top, right, bottom = window
                below = labels[top:bottom, left:right]
                move = np.array([left << SHIFT, top << SHIFT], np.int32)
                stencil = np.zeros(below.shape, np.uint8)
                for polygon in solid:
                    cv2.fillPoly(stencil, [polygon - move], 255, cv2.LINE_8, SHIFT)
                if part.inside is not None:
                    lid = np.zeros(below.shape, np.uint8)
                    cv2.fillPoly(lid, [bodies[part.inside] - move], 255, cv2.LINE_8, SHIFT)
                    stencil &= lid
                if part.bend is None:
                    below[stencil > 0] = first[part]
                    continue
                piece = np.full(below.shape, first[part], np.int32)
                corners = part.bend.rest[part.bend.corners]  # (K, 3, 2)
                affines = part.affines(t, memo)
                posed = corners @ affines[:, :, :2].transpose(0, 2, 1) + affines[:, None, :, 2]
                fixed = np.rint(posed * (scale * unit) + [dx * unit, dy * unit]).astype(np.int32) - move
                for k in range(len(fixed)):
                    cv2.fillConvexPoly(piece, fixed[k], first[part] + k, cv2.LINE_8, SHIFT)
                below[stencil > 0] = piece[stencil > 0]
    return labels
