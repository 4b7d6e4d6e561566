"""Faces: eyes that blink and mouths that speak, on a turning sphere."""

from dataclasses import dataclass

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import Points, ellipse, mirrored, smooth, stroke
from inbetween.data.synthetic.motion import Feature, Joint, Track, Value, times
from inbetween.data.synthetic.parts import Color, Mark, Part
from inbetween.data.synthetic.pen import Mover, Pen

WHITE: Color = (255, 255, 255)


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
    """Parameters of one face: gaze, and how open its eyes and mouth are."""

    def __init__(self, pen: Pen, mover: Mover, joint: Joint, look: Look) -> None:
        rng = pen.rng
        self.pen, self.mover, self.joint, self.look, self.rng = pen, mover, joint, look, rng
        self.yaw: Value = mover.track(0.0, 34, still=0.35)
        self.nod: Value = mover.track(0.0, 14, still=0.4)
        self.open = opening(rng, mover)
        self.style = int(rng.integers(4))

    def spot(
        self,
        x: float,
        y: float,
        turn: Value = 0.0,
        size: tuple[Value, Value] = (1.0, 1.0),
        radius: float = 1.15,
    ) -> Feature:
        """A joint on the front of the head's sphere."""
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
                if pen.rough:
                    groups.append([Part(joint, dot, pen.ink, marks=shine)])
                else:
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
                    marks if not pen.rough else marks[2:3],
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
            curve = rng.uniform(-0.25, 0.45)
            if rng.random() < 0.25:
                path = smooth([(-1, 0), (-0.5, 0.35), (0, 0), (0.5, 0.35), (1, 0)], 4, False)
            else:
                path = smooth([(-1, 0), (0, curve), (1, 0)], 6, False)
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
    """The upper lid: slides down as the eye closes and reverses its curvature when it is shut."""

    def __init__(self, plan: FacePlan, x: float, y: float, turn: float, travel: float) -> None:
        super().__init__(plan.joint, (x, y), 1.15, plan.yaw, plan.nod, turn)
        self.open, self.travel = plan.open, travel
        self.size = (1.0, 1.0)
        self.shift = (
            0.0,
            Track(-travel * plan.open.start * 0.95, -travel * plan.open.end * 0.95, plan.open.ease),
        )


def face_outline(grown: float, rng: np.random.Generator) -> Points:
    """Face from brow to chin, head radius 1, about the sphere's centre."""
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
