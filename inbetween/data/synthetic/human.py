"""People, from chibi to normal proportions, as full figures, busts and close-ups."""

from dataclasses import replace

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.costume import pattern, prop
from inbetween.data.synthetic.curves import box, ellipse, limb, mirrored, smooth
from inbetween.data.synthetic.face import Look
from inbetween.data.synthetic.heads import head
from inbetween.data.synthetic.motion import Bend, Joint, Tip, inverse, times
from inbetween.data.synthetic.parts import Mark, Part
from inbetween.data.synthetic.pen import Mover, Pen


class Figure:
    """A person built about `root`, the pelvis; units are head radii.

    Args:
        pen: Style.
        mover: Motion.
        parent: World joint.
        at: Where the pelvis is, in world units.
        scale: World units for a head's radius.
    """

    def __init__(
        self, pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float, grown: float
    ) -> None:
        self.pen, self.mover, self.grown = pen, mover, grown
        rng = pen.rng
        self.rng = rng
        pen.scale = scale
        codes = palette.CLOTHES[int(rng.integers(len(palette.CLOTHES)))]
        self.cloth, self.second, self.accent, self.dark = (
            palette.shift(palette.rgb(c), 0, 1, rng.uniform(0.95, 1.04)) for c in codes[:4]
        )
        if rng.random() < 0.5:
            self.cloth, self.second = self.second, self.cloth
        self.look = Look(
            palette.pick(rng, palette.SKIN, 0.6),
            palette.pick(rng, palette.HAIR),
            palette.pick(rng, ["e8a93a", "3f7fbf", "4f9a5f", "7a4a2a", "b04a6a", "6f5aa8", "3f3a3a"]),
            self.accent,
            self.second,
            float(rng.uniform(0.2, 0.3)) * (1.15 - 0.35 * grown),
            grown,
        )
        squash = mover.track(1.0, 0.07, still=0.5)
        stretch = inverse(squash)
        action = rng.random()
        self.running, self.upright = bool(action < 0.28), bool(action <= 0.9 or scale > 0.16)
        self.toward = float(rng.choice([-1, 1]))
        self.stride = self.toward * float(rng.uniform(15, 45))
        tilt = 0.0 if self.upright else float(rng.choice([-75.0, -50.0, 50.0, 75.0, 100.0]))
        if tilt:  # the figure's middle, not the pelvis, is at the given position
            at = (at[0] - at[1] * float(np.sin(np.radians(tilt))), at[1] * float(np.cos(np.radians(tilt))))
        self.root = Joint(
            parent,
            at,
            turn=mover.track(tilt, 16, still=0.4),
            size=(times(stretch, scale), times(squash, scale)),
            shift=(mover.track(0, 0.22, still=0.4), mover.track(0, 0.12, still=0.4)),
        )
        self.torso_len = 1.25 + 1.35 * grown + rng.uniform(-0.1, 0.15)
        self.leg_len = 1.25 + 3.0 * grown + rng.uniform(-0.15, 0.2)
        self.arm_len = 1.35 + 1.75 * grown
        self.hip = 0.52 + 0.22 * grown + rng.uniform(0, 0.1)
        self.shoulder = 0.56 + 0.55 * grown + rng.uniform(-0.05, 0.1)
        self.neck = 0.1 + 0.42 * grown
        lean = mover.track(0, 12, still=0.4)
        self.torso = Joint(self.root, (0, 0), turn=lean)
        self.chest = Joint(self.torso, (0, -self.torso_len))
        self.head = Joint(self.chest, (0, -self.neck - 0.78), turn=mover.track(0, 15, still=0.25))
        self.skirt = bool(rng.random() < 0.45)

    def leg(self, side: int) -> list[Part]:
        """Leg with trousers, sock and shoe on one bent limb."""
        pen, length, g = self.pen, self.leg_len, self.grown
        apart, reach, still = (self.stride * side, 30, 0.1) if self.running else (-side * 9, 21, 0.3)
        joint = Joint(
            self.root, (side * self.hip * 0.55, -0.1), turn=self.mover.track(apart, reach, still=still)
        )
        if self.running:
            knee = self.mover.track(float(self.rng.uniform(20, 90)), 40, still=0.1)
        else:
            bent = self.rng.random() < 0.45
            knee = self.mover.track(20, 30, still=0.3) if bent else self.mover.track(0, 10, still=0.4)
        bend = Bend(joint, length, 0.75, [(0.5, 0.35, times(knee, self.toward))], pad=0.35)
        thigh, ankle = 0.33 + 0.07 * g, 0.21 + 0.03 * g
        boot = self.boot
        shape = limb(length, [(0, thigh), (0.5, 0.8 * thigh), (0.85, ankle), (1.0, ankle * 1.1)], 0.6)
        marks = [
            self.pen.patch(box(2, length * (1 - s) + 1, (0, length * (1 + s) / 2 + 0.5)), c)
            for s, c in self.stocking
        ]
        marks += [
            pen.line(
                np.array([(-0.7 * thigh, length * s), (0, length * (s + 0.015)), (0.7 * thigh, length * s)]),
                0.7,
            )
            for s, _ in self.stocking[:1]
        ]
        foot = smooth(
            [
                (-1.2 * ankle, 0.92 * length),
                (1.2 * ankle, 0.92 * length),
                (1.5 * ankle + side * 0.08, 1.02 * length),
                (1.3 * ankle + side * 0.16, 1.13 * length),
                (side * 0.1, 1.16 * length),
                (-1.3 * ankle + side * 0.16, 1.13 * length),
                (-1.5 * ankle + side * 0.08, 1.02 * length),
            ],
            4,
        )
        return [pen.part(joint, shape, self.leg_fill, marks, bend), pen.part(joint, foot, boot, (), bend)]

    def arm(self, side: int, raised: bool) -> tuple[list[Part], Bend]:
        """Arm with sleeve and hand."""
        pen, length, g, rng = self.pen, self.arm_len, self.grown, self.rng
        rest, reach = (150.0, 35.0) if raised else (18.0, 38.0)
        joint = Joint(
            self.chest,
            (side * self.shoulder * 0.86, 0.26 + 0.1 * g),
            turn=times(self.mover.track(rest, reach, still=0.2), -float(side)),
        )
        elbow = self.mover.track(float(rng.choice([15.0, 60.0])) + 25 * self.running, 45, still=0.2)
        bend = Bend(
            joint,
            length,
            0.7,
            [(0.48, 0.34, times(elbow, float(side) * (-1.0 if rng.random() < 0.6 else 1.0)))],
            pad=0.35,
        )
        w = 0.25 + 0.05 * g
        cuff, s = self.cuff, self.sleeve
        profile = [(0, w), (0.45, w * (0.9 + 0.5 * (cuff - 1))), (s, w * cuff)]
        if s < 0.8:
            profile = [(0, w), (s, w * cuff)]
        sleeve = limb(length, profile, 0.15)
        fore = limb(length, [(0.1, 0.7 * w), (0.8, 0.62 * w), (0.94, 0.72 * w)], 1.1)
        thumb = ellipse(0.1 + 0.02 * g, 0.17, (-side * 0.7 * w, 0.97 * length), 12)
        marks = pattern(pen, w, length, self.second) if self.patterned else []
        parts = [
            pen.part(joint, thumb, self.look.skin, (), bend, shade=0),
            pen.part(joint, fore, self.look.skin, (), bend, shade=0.7),
        ]
        if s > 0.05:
            parts.append(pen.part(joint, sleeve, self.cloth, marks, bend, shade=0.8))
        return parts, bend

    def body(self) -> list[list[Part]]:
        """Neck, shirt or dress, and skirt."""
        pen, tl, g = self.pen, self.torso_len, self.grown
        neck = limb(self.neck + 0.6, [(0, 0.2 + 0.06 * g), (1, 0.22 + 0.08 * g)])
        collar = smooth([(-0.34, 0.0), (0, 0.32), (0.34, 0.0), (0.0, -0.12)], 5)
        groups = [[pen.part(Joint(self.chest, (0, -self.neck - 0.25)), neck, self.look.skin, shade=1.2)]]
        waist = self.hip * (0.95 - 0.12 * g)
        half = [
            (0, -tl - 0.02),
            (0.3 + 0.12 * g, -tl),
            (self.shoulder, -tl + 0.24),
            (waist * 1.02, -0.5 * tl),
            (self.hip, -0.05),
            (0.7 * self.hip, 0.14),
            (0, 0.18),
        ]
        marks: list[Mark] = (
            [replace(m, points=m.points - [0, tl]) for m in pattern(pen, self.shoulder, tl, self.second)]
            if self.patterned
            else []
        )
        marks += [pen.patch(collar - [0, tl], self.look.skin)]
        if self.rng.random() < 0.35:
            marks += [pen.solid(ellipse(0.05, 0.05, (0, -tl * s), 8), self.accent) for s in (0.3, 0.5, 0.7)]
        shirt = pen.part(self.torso, mirrored(half, 4), self.cloth, marks)
        if self.skirt:
            drop, flare = 0.55 + 0.9 * g * self.rng.uniform(0.4, 1.2), 1.35 + self.rng.uniform(0, 0.5)
            joint = Joint(
                self.root,
                (0, -0.22),
                lean=self.mover.track(0, 0.25, lag=0.2),
                size=(self.mover.track(1, 0.06), 1.0),
            )
            n = 5
            hem = [((-flare + 2 * flare * k / n) * self.hip, drop + 0.06 * (k % 2)) for k in range(n + 1)][
                ::-1
            ]
            outline = np.array([(-0.95 * self.hip, 0), (0, 0.05), (0.95 * self.hip, 0), *hem])
            pleats = [
                pen.line(np.array([(0.55 * x, 0.25 * drop), (0.8 * x, 0.6 * drop), (x, y)]), 0.6)
                for x, y in hem[1:-1]
            ]
            trim = [pen.patch(box(9, 0.14, (0, drop - 0.12)), self.second)] if self.rng.random() < 0.4 else []
            groups.append(
                [
                    pen.part(
                        joint, outline, self.dark if self.rng.random() < 0.5 else self.accent, trim + pleats
                    )
                ]
            )
        groups.append([shirt])
        dice = self.rng.random()
        if dice < 0.25:
            wing = smooth([(0.03, -0.05), (0.36, -0.2), (0.4, 0.0), (0.34, 0.22), (0.03, 0.06)], 4)
            bow = Joint(self.chest, (0, 0.32), turn=self.mover.swing(10))
            groups.append(
                [pen.part(bow, p, self.accent) for p in (wing, wing * [-1, 1], ellipse(0.1, 0.11, n=12))]
            )
        elif dice < 0.4:
            scarf = Joint(self.chest, (0, 0.02))
            tail = Bend(scarf, 1.2, 0.4, [(0.4, 0.8, self.mover.swing(35))])
            groups.append([pen.part(scarf, limb(1.2, [(0.1, 0.2), (1, 0.24)], 0.2), self.accent, (), tail)])
            groups.append([pen.part(scarf, ellipse(0.62, 0.26, n=20), self.accent)])
        return groups

    def build(self) -> list[list[Part]]:
        """All parts in drawing order."""
        rng, pen = self.rng, self.pen
        self.boot = palette.shift(self.dark, 0, 1, 0.9)
        bare = self.look.skin
        self.leg_fill = bare if self.skirt else (self.dark if rng.random() < 0.6 else self.second)
        self.stocking = (
            [(float(rng.uniform(0.35, 0.8)), palette.mix(self.second, (255, 255, 255), 0.4))]
            if rng.random() < 0.6
            else []
        )
        self.sleeve = float(rng.choice([0.0, 0.35, 0.82, 0.86]))
        self.cuff = float(rng.uniform(1.0, 1.5))
        self.patterned = bool(rng.random() < 0.5)
        crown = head(pen, self.mover, self.head, self.look)
        far, near = (-1, 1) if rng.random() < 0.5 else (1, -1)
        raised = [bool(rng.random() < 0.3) for _ in range(2)]
        far_arm, _ = self.arm(far, raised[0])
        near_arm, near_bend = self.arm(near, raised[1])
        groups = [*crown.behind, far_arm, self.leg(far), self.leg(near), *self.body(), *crown.front]
        if rng.random() < 0.3:
            held = Joint(Tip(near_bend, 0.97), turn=float(rng.uniform(-30, 30)))
            groups += prop(pen, held, self.accent, self.dark)
        groups.append(near_arm)
        return groups
