"""Heads of people: the face, hair that swings, hats and bows."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import Points, arc, box, ellipse, lock, mirrored, smooth, stroke
from inbetween.data.synthetic.face import FacePlan, Look, face_outline
from inbetween.data.synthetic.motion import Bend, Feature, Joint, times
from inbetween.data.synthetic.parts import Color, Part
from inbetween.data.synthetic.pen import Mover, Pen

WHITE: Color = (255, 255, 255)


@dataclass
class Head:
    """Parts of a head in drawing order; `behind` goes below the body."""

    behind: list[list[Part]]
    front: list[list[Part]]


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
        groups.append(
            [
                pen.part(root, wing, look.accent),
                pen.part(root, wing * [-1, 1], look.accent),
                pen.part(root, ellipse(0.12, 0.13, n=12), look.accent),
            ]
        )
    elif dice < 0.62:
        pin = Joint(cap, (float(rng.choice([-0.7, 0.7])), -0.4), turn=float(rng.uniform(-30, 30)))
        groups.append([pen.part(pin, box(0.12, 0.42, round_=0.04), look.accent, line=0.8)])
    return groups


def _points_of_fringe(knots: Points) -> Points:
    """Curve through alternating notches and tips, soft in the notches' flanks and sharp at the tips."""
    pieces = []
    for a, b in pairwise(knots):
        u = np.linspace(0, 1, 5)[:-1, None]
        line = a + (b - a) * u
        pieces.append(line + np.array([0.25 * (b - a)[1], 0.0]) * np.sin(np.pi * u) * 0.5)
    return np.concatenate([*pieces, knots[-1:]])
