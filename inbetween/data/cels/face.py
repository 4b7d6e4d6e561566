"""Heads: face, eyes that blink, mouths that speak, and hair, turned as on a ball."""

from dataclasses import dataclass

import numpy as np

from inbetween.data.cels import palette
from inbetween.data.cels.curves import Points, arc, box, ellipse, lock, mirrored, smooth, stroke
from inbetween.data.cels.motion import Bend, Feature, Joint, Track, Value, times
from inbetween.data.cels.parts import Color, Mark, Part
from inbetween.data.cels.pen import Mover, Pen

WHITE: Color = (255, 255, 255)


@dataclass
class Head:
    """Parts of a head in drawing order; `behind` goes below the body."""

    behind: list[list[Part]]
    front: list[list[Part]]


@dataclass
class Look:
    """Colours and build of a character."""

    skin: Color
    hair: Color
    iris: Color
    accent: Color
    second: Color
    eye_size: float
    grown: float  # 0 chibi, 1 normal proportions


def opening(rng: np.random.Generator, mover: Mover) -> Track:
    """How far an eye is open: mostly open, sometimes blinking or shut."""
    dice = rng.random()
    if dice < 0.45:
        return mover.track(1.0, 0.05)
    if dice < 0.6:
        return mover.go(0.12, 0.12)
    wide, shut = float(rng.uniform(0.85, 1.05)), float(rng.uniform(0.1, 0.5))
    return mover.go(wide, shut) if rng.random() < 0.5 else mover.go(shut, wide)


class FacePlan:
    """Shared facts of one face: where it looks and how open its eyes and mouth are."""

    def __init__(self, pen: Pen, mover: Mover, joint: Joint, look: Look) -> None:
        rng = pen.rng
        self.pen, self.mover, self.joint, self.look, self.rng = pen, mover, joint, look, rng
        self.yaw: Value = mover.track(0.0, 34, still=0.35)
        self.nod: Value = mover.track(0.0, 14, still=0.4)
        self.open = opening(rng, mover)
        self.style = int(rng.integers(4))

    def spot(self, x: float, y: float, turn: Value = 0.0, size: tuple[Value, Value] = (1.0, 1.0),
             radius: float = 1.15) -> Feature:  # fmt: skip
        """A joint on the front of the head's ball."""
        return Feature(self.joint, (x, y), radius, self.yaw, self.nod, turn, size)

    def eyes(self, apart: float, height: float, size: float, brows: bool = True) -> list[list[Part]]:
        """Both eyes with lids, irises and brows."""
        pen, rng, look = self.pen, self.rng, self.look
        groups: list[list[Part]] = []
        if self.style == 0:  # dots, as in vector characters
            for side in (-1, 1):
                joint = self.spot(side * apart, height, size=(1.0, self.open))
                shine = [Mark(ellipse(0.05, 0.07, (-0.03, -0.09), 10), WHITE)]
                dot = ellipse(0.55 * size, 0.8 * size, n=16)
                groups.append([pen.part(joint, dot, pen.ink, shine, line=0.2, shade=0)])
        gaze = (self.mover.track(0.0, 0.22 * size), self.mover.track(0.0, 0.12 * size))
        tilt, tall, wide = rng.uniform(-6, 10), size * rng.uniform(0.95, 1.35), size * rng.uniform(0.8, 1.0)
        brow_y, brow_turn = height - tall - rng.uniform(0.1, 0.25), self.mover.track(rng.uniform(-10, 12), 14)
        brow_up = self.mover.track(0.0, 0.08)
        iris_r = rng.uniform(0.62, 0.8)
        brow_color = palette.shade(look.hair, 1.5)
        for side in (-1, 1):
            if self.style != 0:
                joint = self.spot(side * apart, height, turn=-side * tilt, size=(1.0, self.open))
                white = mirrored(
                    [
                        (0, -tall),
                        (0.75 * wide, -0.72 * tall),
                        (wide, -0.05 * tall),
                        (0.7 * wide, 0.75 * tall),
                        (0, tall),
                    ],
                    4,
                )
                ball = pen.part(
                    joint, white, WHITE if self.style != 3 else (250, 248, 244), line=0.6, shade=0
                )
                pupil_joint = Joint(joint, (0.0, 0.08 * tall), shift=gaze)
                iris = ellipse(iris_r * wide, 0.82 * tall, n=18)
                dark = palette.shade(palette.shade(look.iris, 2.0), 1.5)
                marks = [
                    Mark(
                        ellipse(iris_r * wide, 0.82 * tall, (0, -0.45 * tall), 14),
                        palette.shade(look.iris, 1.6),
                        True,
                    ),
                    Mark(ellipse(0.45 * iris_r * wide, 0.42 * tall, (0, -0.05 * tall), 14), dark, True),
                    Mark(ellipse(0.2 * wide, 0.2 * tall, (-0.28 * wide, -0.38 * tall), 10), WHITE),
                    Mark(ellipse(0.1 * wide, 0.1 * tall, (0.26 * wide, 0.35 * tall), 8), WHITE),
                ]
                pupil = pen.part(
                    pupil_joint,
                    iris,
                    look.iris,
                    marks if not pen.rough else marks[1:3],
                    line=0.4,
                    shade=0,
                    inside=ball,
                )
                if pen.rough:
                    pupil.marks = [*pupil.marks, pen.solid(ellipse(0.3 * wide, 0.35 * tall, n=12), pen.ink)]
                # the upper lid is a thick line that keeps its width while the eye closes under it
                lid_joint = _Lid(self, side * apart, height, -side * tilt, 0.86 * tall)
                lid = smooth(
                    [
                        (-1.08 * wide, 0.42 * tall),
                        (-0.75 * wide, 0.08 * tall),
                        (0, -0.14 * tall),
                        (0.75 * wide, 0.08 * tall),
                        (1.08 * wide, 0.42 * tall),
                    ],
                    4,
                    False,
                )
                thick = 0.075 + 0.05 * (self.style == 1)
                groups.append([ball])
                groups.append([pupil])
                groups.append([self._stroke_part(lid_joint, lid, thick * (0.6 if pen.rough else 1.0))])
            if not brows:
                continue
            brow = smooth([(-0.8 * wide, 0.05), (0, -0.07), (0.8 * wide, 0.05)], 5, False)
            brow_joint = self.spot(side * apart, brow_y, turn=times(brow_turn, side), size=(1.0, 1.0))
            brow_joint.shift = (0.0, brow_up)
            groups.append([self._stroke_part(brow_joint, brow, 0.06 + 0.05 * self.rng.random(), brow_color)])
        return groups

    def _stroke_part(self, joint: Joint, path: Points, width: float, color: Color | None = None) -> Part:
        ink = self.pen.ink if color is None or self.pen.rough else color
        return Part(joint, stroke(path, width, (0.2, 0.2)), ink)

    def mouth(self, y: float, size: float) -> list[list[Part]]:
        """Mouth: a line, or an opening with teeth and tongue that speaks."""
        pen, rng = self.pen, self.rng
        groups: list[list[Part]] = []
        if rng.random() < 0.4:
            joint = self.spot(
                0.0,
                y,
                turn=self.mover.track(0, 6),
                size=(self.mover.track(1.0, 0.3), self.mover.track(1.0, 0.6)),
            )
            bow = rng.uniform(-0.25, 0.45)
            if rng.random() < 0.25:
                path = smooth([(-1, 0), (-0.5, 0.35), (0, 0), (0.5, 0.35), (1, 0)], 4, False)
            else:
                path = smooth([(-1, 0), (0, bow), (1, 0)], 6, False)
            groups.append([self._stroke_part(joint, path * size, 0.055)])
            return groups
        small, big = float(rng.uniform(0.12, 0.4)), float(rng.uniform(0.6, 1.1))
        tall = self.mover.go(small, big) if rng.random() < 0.5 else self.mover.go(big, small)
        if rng.random() < 0.35:
            tall = self.mover.track(0.8, 0.3)
        joint = self.spot(0.0, y, size=(self.mover.track(1.0, 0.25), tall))
        shape = [
            mirrored([(0, -0.55), (0.8, -0.62), (1.0, -0.35), (0.6, 0.5), (0, 0.85)], 4),
            mirrored([(0, -0.8), (0.7, -0.55), (0.85, 0.1), (0.5, 0.75), (0, 0.9)], 4),
            mirrored([(0, -0.35), (0.9, -0.5), (1.15, -0.2), (0.75, 0.45), (0, 0.6)], 4),
        ][int(rng.integers(3))]
        inner = palette.pick(rng, ["8c2f39", "7a2733", "a33b3b", "5e2129"], 0.5)
        marks = [
            pen.patch(ellipse(0.6, 0.45, (0, 0.75), 14) * size, palette.mix(inner, (255, 150, 150), 0.55))
        ]
        if rng.random() < 0.4:
            marks.append(pen.patch(ellipse(0.8, 0.35, (0, -0.75), 14) * size, WHITE))
        groups.append([pen.part(joint, shape * size, inner, marks, line=0.7, shade=0)])
        return groups

    def nose(self, y: float) -> list[list[Part]]:
        """A dot, a tick or a small shadow."""
        path = [
            smooth([(-0.03, 0.0), (0.03, 0.02)], 3, False),
            smooth([(-0.02, -0.12), (0.07, 0.04), (-0.05, 0.06)], 4, False),
        ][int(self.rng.integers(2))]
        color = palette.shade(palette.shade(self.look.skin, 1.5), 1.5)
        return [[self._stroke_part(self.spot(0.0, y, radius=1.5), path, 0.05, color)]]

    def blush(self, apart: float, y: float) -> list[list[Part]]:
        """Rosy cheeks."""
        if self.pen.rough:
            return []
        color = palette.mix(self.look.skin, (240, 110, 110), 0.4)
        return [[Part(self.spot(s * apart, y), ellipse(0.17, 0.1, n=16), color)] for s in (-1, 1)]


class _Lid(Feature):
    """The upper lid: slides down as the eye closes and turns its bow over when it is shut."""

    def __init__(self, plan: FacePlan, x: float, y: float, turn: float, travel: float) -> None:
        super().__init__(plan.joint, (x, y), 1.15, plan.yaw, plan.nod, turn)
        self.open, self.travel = plan.open, travel
        self.size = (1.0, 1.0)
        self.shift = (
            0.0,
            Track(-travel * plan.open.start * 0.95, -travel * plan.open.end * 0.95, plan.open.ease),
        )


def face_outline(grown: float, rng: np.random.Generator) -> Points:
    """Face from brow to chin, head radius 1, about the ball's centre."""
    jaw, chin = rng.uniform(0.62, 0.82) - 0.1 * grown, rng.uniform(0.92, 1.0) + 0.22 * grown
    half = [
        (0, -0.95),
        (0.62, -0.78),
        (0.93, -0.2),
        (0.9, 0.3),
        (jaw, 0.72 + 0.1 * grown),
        (0.22, chin),
        (0, chin + 0.03),
    ]
    return mirrored(half, 4)


def head(pen: Pen, mover: Mover, joint: Joint, look: Look) -> Head:
    """A head of radius 1 about `joint`."""
    rng = pen.rng
    plan = FacePlan(pen, mover, joint, look)
    outline = face_outline(look.grown, rng)
    hair, dark = look.hair, palette.shade(look.hair, 1.0)
    behind: list[list[Part]] = []
    front: list[list[Part]] = []
    back = Feature(joint, (0.0, 0.0), 1.0, times(plan.yaw, -0.4), 0.0)
    style = int(rng.integers(6))
    length = [0.5, 1.1, 1.9, 2.7, 1.0, 0.7][style] * rng.uniform(0.85, 1.15)
    inner = palette.shade(hair, 1.6) if rng.random() < 0.6 else palette.mix(look.accent, hair, 0.5)
    if style in (1, 2, 3):
        sway = mover.swing(16)
        bend = Bend(back, length, 1.9, [(0.4, 0.8, sway)], pad=0.9)
        w = rng.uniform(1.0, 1.2)
        tips = [
            (0.9 * w, length * 0.93),
            (0.6 * w, length * 1.02),
            (0.35 * w, length * 0.92),
            (0, length * 1.0),
        ]
        half = [
            (0, -0.98),
            (0.75, -0.85),
            (1.12, -0.2),
            (1.12 * w, 0.5 * length),
            (1.08 * w, 0.8 * length),
            *tips,
        ]
        behind.append([pen.part(back, mirrored(half, 4), inner, bend=bend, shade=0.6)])
    elif style in (4, 5):  # twin tails or a pony tail
        sides = (-1, 1) if style == 4 else (int(rng.choice([-1, 1])),)
        size = rng.uniform(1.3, 2.3)
        for side in sides:
            root = Joint(back, (side * 0.95, -0.45), turn=-side * rng.uniform(10, 30))
            bend = Bend(
                root,
                size,
                0.9,
                [(0.2, 0.4, mover.swing(22, 0.15)), (0.65, 0.6, mover.swing(26, 0.3))],
                pad=0.25,
            )
            marks = [pen.line(smooth([(0.1, 0.2), (0.15, 0.5 * size), (0.0, 0.85 * size)], 5, False), 0.5)]
            behind.append([pen.part(root, lock(size, 0.42, 0.35, 0.4), hair, marks, bend, shade=0.8)])
            behind.append([pen.part(root, ellipse(0.2, 0.14, (0, -0.02), 14), look.accent, line=0.8)])
    skull = mirrored([(0, -1.12), (0.7, -0.95), (1.06, -0.3), (1.02, 0.25), (0.8, 0.62), (0, 0.7)], 4)
    behind.append([pen.part(back, skull, inner if style in (1, 2, 3) else dark, line=1.0, shade=0)])
    ears = [
        pen.part(Joint(back, (s * 0.93, 0.22)), ellipse(0.16, 0.24, n=14), look.skin, shade=0.6)
        for s in (-1, 1)
    ]
    if style in (0, 5) or rng.random() < 0.3:
        behind.append(ears)
    front.append([pen.part(joint, outline, look.skin, shade=0.7)])
    eye_y, apart = 0.22 + rng.uniform(-0.04, 0.06), 0.42 + rng.uniform(-0.03, 0.05)
    if rng.random() < 0.7:
        front += plan.blush(0.58, 0.55)
    front += plan.mouth(0.66 + 0.1 * look.grown, rng.uniform(0.13, 0.26))
    if rng.random() < 0.7:
        front += plan.nose(0.46 + 0.04 * look.grown)
    front += plan.eyes(apart, eye_y, look.eye_size)
    if rng.random() < 0.13:
        rim = ellipse(0.34, 0.3, n=20, power=rng.uniform(0.6, 1.0))
        for s in (-1, 1):
            ring = np.concatenate([rim, rim[:1]])
            front.append([Part(plan.spot(s * apart, eye_y), stroke(ring, 0.06), pen.ink)])
        front.append([Part(plan.spot(0, eye_y), stroke(arc(0.12, 0.06, 180, 360), 0.05), pen.ink)])
    front += bangs(pen, mover, plan, hair, look)
    return Head(behind, front)


def bangs(pen: Pen, mover: Mover, plan: FacePlan, hair: Color, look: Look) -> list[list[Part]]:
    """Hair over the brow, side locks, a shine, and sometimes a hat, a bow or cat's ears."""
    rng = pen.rng
    groups: list[list[Part]] = []
    cap = Feature(plan.joint, (0.0, 0.0), 1.1, times(plan.yaw, 0.35), times(plan.nod, 0.5))
    if rng.random() < 0.16:
        for s in (-1, 1):
            root = Joint(cap, (s * 0.62, -0.88), turn=s * rng.uniform(15, 30) + 0)
            root.size = (1.0, mover.track(1.0, 0.1))
            ear = smooth([(-0.34, 0.2), (-0.22, -0.3), (0.0, -0.62), (0.22, -0.3), (0.34, 0.2)], 4)
            inside = [pen.patch(ear * [0.55, 0.65] + [0, 0.02], palette.mix(look.skin, (240, 130, 140), 0.4))]
            groups.append([pen.part(root, ear, hair, inside)])
    if rng.random() < 0.75:  # side locks, one limb each
        size = rng.uniform(0.9, 1.9)
        for s in (-1, 1):
            root = Joint(cap, (s * 0.92, -0.25), turn=-s * rng.uniform(-4, 6))
            bend = Bend(root, size, 0.5, [(0.5, 0.9, mover.swing(24))], pad=0.3)
            groups.append([pen.part(root, lock(size, 0.2, 0.9, 0.35), hair, (), bend, shade=0.7)])
    hairline = rng.uniform(-0.15, 0.1)
    n = int(rng.integers(3, 7))
    xs = np.linspace(-0.98, 0.98, 2 * n + 1)
    parting = rng.uniform(-0.5, 0.5)
    fringe = []
    for k, x in enumerate(xs):
        open_ = np.exp(-(((x - parting) / 0.35) ** 2)) * rng.uniform(0.0, 0.35)
        y = (
            hairline
            - open_
            + 0.25 * abs(x) ** 2
            + (rng.uniform(0.05, 0.2) if k % 2 else -rng.uniform(0.1, 0.3))
        )
        fringe.append((x, y))
    crown = [(1.08, -0.35), (0.78, -0.98), (0.0, -1.18), (-0.78, -0.98), (-1.08, -0.35)]
    sharp = np.asarray(fringe)
    sharp[0], sharp[-1] = (-1.06, 0.3 * rng.random()), (1.06, 0.3 * rng.random())
    top = smooth(np.concatenate([sharp[-1:], np.asarray(crown), sharp[:1]]), 5, False)
    outline = np.concatenate([_points_of_fringe(sharp), top[1:-1]])
    marks = []
    if not pen.rough and rng.random() < 0.55:
        shine = stroke(arc(0.82, 0.6, 215, 325, (0, -0.12), 14), 0.1, (0.05, 0.05))
        marks.append(pen.patch(shine, palette.mix(hair, WHITE, 0.45)))
    for k in range(1, len(sharp) - 1, 2):
        if rng.random() < 0.5:
            x, y = sharp[k - 1]
            path = smooth(
                [(x, y), (0.85 * x + 0.15 * parting, y - 0.2), (0.6 * x + 0.4 * parting, y - 0.5)], 4, False
            )
            marks.append(pen.line(path, 0.55, taper=0.1))
    groups.append([pen.part(cap, outline, hair, marks, shade=0.6)])
    dice = rng.random()
    if dice < 0.2:  # ahoge
        root = Joint(cap, (0.0, -1.12), turn=180 + rng.uniform(-30, 30))
        bend = Bend(
            root, 0.6, 0.3, [(0.5, 1.0, mover.track(rng.choice([-70.0, 70.0]), 35, still=0.1))], pad=0.3
        )
        groups.insert(0, [pen.part(root, lock(0.6, 0.1, 0.8, 0.3), hair, (), bend, shade=0)])
    elif dice < 0.35:  # hat
        brim = mirrored([(0, -0.75), (0.9, -0.7), (1.5, -0.45), (1.2, -0.35), (0, -0.42)], 4)
        crown_ = mirrored([(0, -1.55), (0.7, -1.45), (0.95, -1.0), (1.0, -0.6), (0, -0.5)], 4)
        band = [pen.patch(np.array([(-1.2, -0.85), (1.2, -0.85), (1.2, -0.5), (-1.2, -0.5)]), look.accent)]
        groups.append(
            [pen.part(cap, crown_, look.second, band), pen.part(cap, brim, look.second, ())][
                : int(rng.integers(1, 3))
            ]
        )
    elif dice < 0.5:  # bow
        side = float(rng.choice([-1, 1]))
        root = Joint(cap, (side * 0.75, -0.75), turn=side * 25)
        wing = smooth([(0.05, -0.08), (0.42, -0.3), (0.48, 0.0), (0.42, 0.28), (0.05, 0.08)], 4)
        groups.append([
            pen.part(root, wing, look.accent), pen.part(root, wing * [-1, 1], look.accent),
            pen.part(root, ellipse(0.12, 0.13, n=12), look.accent),
        ])  # fmt: skip
    elif dice < 0.62:
        pin = Joint(cap, (float(rng.choice([-0.7, 0.7])), -0.4), turn=float(rng.uniform(-30, 30)))
        groups.append([pen.part(pin, box(0.12, 0.42, round_=0.04), look.accent, line=0.8)])
    return groups


def _points_of_fringe(knots: Points) -> Points:
    """Curve through alternating notches and tips, soft in the notches' flanks and sharp at the tips."""
    pieces = []
    for a, b in zip(knots[:-1], knots[1:], strict=True):
        u = np.linspace(0, 1, 5)[:-1, None]
        line = a + (b - a) * u
        pieces.append(line + np.array([0.25 * (b - a)[1], 0.0]) * np.sin(np.pi * u) * 0.5)
    return np.concatenate([*pieces, knots[-1:]])
