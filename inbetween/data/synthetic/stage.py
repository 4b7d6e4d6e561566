"""The stage: places and rasterises all parts of a scene, and finds the topmost one at each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from inbetween.data.synthetic.motion import Bend, Joint, Memo
from inbetween.data.synthetic.parts import SHIFT, Box, Color, Fixed, Image, Part, blend, window

UNIT = 1 << SHIFT


@dataclass(frozen=True)
class View:
    """From world units to pixels: x * scale + dx, y * scale + dy."""

    scale: float
    dx: float
    dy: float


class Stage:
    """All parts of a scene, ready to be placed by one multiplication for each frame.

    All transforms are rows of one table of affines: row 0 is the
    background's plane, a joint has one row, a bent limb one for each of its triangles.

    Args:
        groups: Parts in drawing order; the outlines of a group are drawn before its fills, so that
            its parts form one silhouette.
        plane: Joint of the painted background.
    """

    def __init__(self, groups: Sequence[Sequence[Part]], plane: Joint) -> None:
        self.groups, self.plane = groups, plane
        parts = [part for group in groups for part in group]
        self.joints = list(dict.fromkeys([plane, *(p.joint for p in parts if p.bend is None)]))
        self.bends = list(dict.fromkeys(p.bend for p in parts if p.bend is not None))
        rows: dict[Joint | Bend, int] = {joint: k for k, joint in enumerate(self.joints)}
        total = len(self.joints)
        for bend in self.bends:
            rows[bend] = total
            total += bend.pieces
        self.rows = rows
        points, carriers, self.cuts, self.of = [], [], [0], {}
        for part in parts:
            polygons = part.polygons()
            self.of[part] = (len(self.cuts) - 1, len(self.cuts) - 1 + len(polygons))
            self.cuts += (self.cuts[-1] + np.cumsum([len(p) for p in polygons])).tolist()
            flat = np.concatenate(polygons)
            points.append(flat)
            row = rows[part.joint if part.bend is None else part.bend]
            carriers.append(np.full(len(flat), row) if part.bend is None else row + part.bend.triangle(flat))
        self.points = np.concatenate([np.zeros((0, 2)), *points])
        self.carriers = np.concatenate([np.zeros(0, np.intp), *carriers]).astype(np.intp)
        # labels: 0 is the background; a part has one label for each row of its transform
        self.first: dict[Part, int] = {}
        label_row, owner = [0], [0]
        for part in parts:
            if part.ghost:
                continue
            self.first[part] = len(owner)
            pieces = 1 if part.bend is None else part.bend.pieces
            row = rows[part.joint if part.bend is None else part.bend]
            label_row += range(row, row + pieces)
            owner += [len(self.first)] * pieces
        self.label_row, self.owner = np.asarray(label_row), np.asarray(owner)

    def affines(self, t: float) -> NDArray[np.float64]:
        """(rows, 2, 3): from rest to world coordinates at t."""
        memo: Memo = {}
        stack = [joint.world(t, memo)[None, :2] for joint in self.joints]
        return np.concatenate([*stack, *(bend.affines(t, memo) for bend in self.bends)])

    def place(self, table: NDArray[np.float64], view: View) -> tuple[list[Fixed], list[Box]]:
        """All polygons in OpenCV's fixed-point pixels, in the order of `cuts`, and their boxes."""
        chosen = table[self.carriers]
        x, y = self.points[:, 0], self.points[:, 1]
        world = chosen[:, :, 0] * x[:, None] + chosen[:, :, 1] * y[:, None] + chosen[:, :, 2]
        pixels = world * (view.scale * UNIT) + np.array([view.dx, view.dy]) * UNIT
        fixed = np.rint(np.clip(pixels, -(2**24), 2**24)).astype(np.int32)
        starts = self.cuts[:-1]
        low = (np.minimum.reduceat(fixed, starts) >> SHIFT) - 1
        high = (np.maximum.reduceat(fixed, starts) >> SHIFT) + 3
        boxes = list(map(tuple, np.concatenate([low, high], 1).tolist()))
        return [fixed[a:b] for a, b in pairwise(self.cuts)], boxes

    def draw(self, canvas: Image, t: float, view: View) -> None:
        """Draw all parts at t onto `canvas` (H, W, 3) uint8, in place."""
        polygons, boxes = self.place(self.affines(t), view)
        height, width = canvas.shape[:2]
        for group in self.groups:
            shown: list[tuple[Part, int, int, Box]] = []
            for part in group:
                a, b = self.of[part]
                box = window(boxes[a], height, width)
                if box is None:
                    continue
                shown.append((part, a, b, box))
                if part.outer is not None and part.inside is None:
                    cv2.fillPoly(canvas, [polygons[a + 1]], part.line, cv2.LINE_AA, SHIFT)
            for part, a, b, box in shown:
                skip = 1 if part.outer is None else 2
                if part.inside is None and not part.ghost:
                    cv2.fillPoly(canvas, [polygons[a]], part.fill, cv2.LINE_AA, SHIFT)
                    _marks(canvas, part, polygons[a], polygons[a + skip : b], boxes[a + skip : b], box)
                    continue
                layers = [(polygons[a + 1], part.line)] if skip == 2 else []
                layers += [(polygons[a], part.fill)]
                layers += [(p, m.color) for m, p in zip(part.marks, polygons[a + skip : b], strict=True)]
                if part.inside is None:
                    blend(canvas, layers, box, None, part.opacity)
                else:
                    lid = self.of[part.inside][0]
                    blend(
                        canvas,
                        layers,
                        window(boxes[lid], height, width, boxes[a + skip - 1]),
                        polygons[lid],
                        part.opacity,
                    )

    def label(self, shape: tuple[int, int], t: float, view: View) -> NDArray[np.int32]:
        """The topmost label at each pixel at t, (H, W) int32; 0 is the background."""
        table = self.affines(t)
        polygons, boxes = self.place(table, view)
        labels = np.zeros(shape, np.int32)
        for group in self.groups:
            for phase in (0, 1):
                for part in group:
                    if part in self.first:
                        a, b = self.of[part]
                        self._stamp(labels, part, polygons[a:b], boxes[a:b], phase, polygons, table, view)
        return labels

    def _stamp(
        self,
        labels: NDArray[np.int32],
        part: Part,
        pieces: list[Fixed],
        boxes: list[Box],
        phase: int,
        polygons: list[Fixed],
        table: NDArray[np.float64],
        view: View,
    ) -> None:
        """Write a part's labels: its outline in phase 0, its body and free marks in phase 1."""
        skip = 1 if part.outer is None else 2
        solid = pieces[1:skip]
        if phase == 1:
            free = zip(part.marks, pieces[skip:], strict=True)
            solid = [pieces[0], *(p for mark, p in free if not mark.clipped and mark.opacity == 1)]
        if not solid:
            return
        hull = np.asarray(boxes)
        bounds = window((*hull[:, :2].min(0).tolist(), *hull[:, 2:].max(0).tolist()), *labels.shape)
        if bounds is None:
            return
        left, top, right, bottom = bounds
        below = labels[top:bottom, left:right]
        move = np.array([left << SHIFT, top << SHIFT], np.int32)
        stencil = np.zeros(below.shape, np.uint8)
        for polygon in solid:
            cv2.fillPoly(stencil, [polygon - move], 255, cv2.LINE_8, SHIFT)
        if part.inside is not None:
            lid = np.zeros(below.shape, np.uint8)
            cv2.fillPoly(lid, [polygons[self.of[part.inside][0]] - move], 255, cv2.LINE_8, SHIFT)
            stencil &= lid
        first = self.first[part]
        if part.bend is None:
            below[stencil > 0] = first
            return
        row = self.rows[part.bend]
        affines = table[row : row + part.bend.pieces]
        posed = (
            part.bend.rest[part.bend.corners] @ affines[:, :, :2].transpose(0, 2, 1) + affines[:, None, :, 2]
        )
        fixed = (
            np.rint(posed * (view.scale * UNIT) + np.array([view.dx, view.dy]) * UNIT).astype(np.int32) - move
        )
        piece = np.full(below.shape, first, np.int32)
        for k in range(len(fixed)):
            cv2.fillConvexPoly(piece, fixed[k], first + k, cv2.LINE_8, SHIFT)
        below[stencil > 0] = piece[stencil > 0]


def _marks(
    canvas: Image, part: Part, body: Fixed, polygons: list[Fixed], boxes: list[Box], seen: Box
) -> None:
    """Draw a part's marks in order, runs of clipped ones through one mask."""
    k, marks = 0, part.marks
    while k < len(marks):
        mark = marks[k]
        if not mark.clipped and mark.opacity == 1:
            cv2.fillPoly(canvas, [polygons[k]], mark.color, cv2.LINE_AA, SHIFT)
            k += 1
            continue
        if not mark.clipped:
            box = window(boxes[k], *canvas.shape[:2])
            blend(canvas, [(polygons[k], mark.color)], box, None, mark.opacity)
            k += 1
            continue
        run: list[tuple[Fixed, Color]] = []
        while k < len(marks) and marks[k].clipped and marks[k].opacity == mark.opacity:
            run.append((polygons[k], marks[k].color))
            k += 1
        blend(canvas, run, seen, body, mark.opacity)
