"""Titles and effects: logos, letters, sparks, smoke and rain."""

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import Points, arc, box, ellipse, lock, mirrored, smooth, star, stroke
from inbetween.data.synthetic.motion import Joint, Track, times
from inbetween.data.synthetic.parts import Color, Mark, Part
from inbetween.data.synthetic.pen import Mover, Pen, colors_of

Groups = list[list[Part]]
WHITE: Color = (255, 255, 255)


def sign(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A logo: rings, bars, polygons that turn, grow and slide over each other."""
    rng = pen.rng
    colors = colors_of(pen)
    groups: Groups = []
    pen.scale = scale
    hub = Joint(parent, at, size=(scale, scale), turn=mover.track(0, 40, still=0.4))
    for k in range(int(rng.integers(2, 6))):
        grow = mover.track(1.0, 0.35, still=0.3)
        joint = Joint(
            hub,
            tuple(rng.uniform(-0.6, 0.6, 2) * (k > 0)),
            turn=mover.track(float(rng.uniform(0, 90)), 70, still=0.25),
            size=(grow, grow),
            shift=(mover.track(0, 0.6, still=0.4), mover.track(0, 0.6, still=0.4)),
        )
        r, color = rng.uniform(0.3, 1.1) * (0.85**k), colors[int(rng.integers(4))]
        style = int(rng.integers(7))
        if style == 0:
            shape: Points = ellipse(r, r, n=44)
        elif style == 1:
            n = int(rng.integers(3, 7))
            shape = star(n, r, r * np.cos(np.pi / n))
        elif style == 2:
            shape = star(int(rng.integers(4, 12)), r, r * rng.uniform(0.4, 0.8))
        elif style == 3:
            shape = box(2 * r, r * rng.uniform(0.4, 2), (0, 0), r * float(rng.choice([0, 0.15, 0.3])))
        elif style == 4:
            sweep = rng.uniform(90, 320)
            shape = stroke(arc(r, r, 0, sweep, n=40), r * rng.uniform(0.15, 0.5))
        elif style == 5:
            shape = stroke(
                np.array([(-0.6, 0), (-0.4, 0.2), (-0.15, 0.45), (0.2, 0.1), (0.7, -0.5)]) * r, 0.3 * r
            )
        else:
            shape = (
                mirrored([(0, 0.9), (0.55, 0.35), (0.95, -0.2), (0.75, -0.75), (0.3, -0.75), (0, -0.45)], 5)
                * r
            )
        spots = (
            [pen.patch(shape * 0.55, colors[int(rng.integers(5))])]
            if rng.random() < 0.3 and style < 4
            else []
        )
        groups.append(
            [
                pen.part(
                    joint, shape, color, spots, line=float(rng.choice([0.0, 1.0])) if not pen.rough else 1.0
                )
            ]
        )
    return groups


# Letters as pen strokes "x,y x,y|x,y ..." in hundredths of a letter's width, y down from 0 to 160
GLYPHS = [
    "0,160 50,0 100,160|20,100 80,100",
    "90,20 50,0 0,50 0,110 50,160 90,140",
    "90,0 0,0 0,160 90,160|0,80 70,80",
    "0,0 0,160|100,0 100,160|0,80 100,80",
    "50,0 50,160",
    "0,0 0,160 80,160",
    "0,160 0,0 50,90 100,0 100,160",
    "0,160 0,0 100,160 100,0",
    "50,0 5,40 5,120 50,160 95,120 95,40 50,0",
    "0,160 0,0 70,5 90,45 60,85 0,90",
    "0,0 100,0|50,0 50,160",
    "0,0 50,160 100,0",
    "0,0 100,160|100,0 0,160",
    "0,0 100,0 0,160 100,160",
    "90,15 45,0 10,40 50,80 90,120 50,160 5,145",
    "40,0 45,110|44,150 46,160",
]


def letters(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A word whose letters pop, sway and drop in one after the other."""
    rng = pen.rng
    n = int(rng.integers(2, 6))
    scale *= 1.6 / n
    pen.scale = scale
    colors = colors_of(pen)
    hub = Joint(parent, at, size=(scale, scale), turn=mover.track(0, 10))
    weight = rng.uniform(0.16, 0.42)
    groups: Groups = []
    one = rng.random() < 0.5
    for k in range(n):
        grow = mover.track(1.0, 0.25, still=0.3)
        joint = Joint(
            hub,
            ((k - (n - 1) / 2) * 1.5, 0.0),
            turn=mover.track(0, 20, still=0.4),
            size=(grow, grow),
            shift=(0.0, mover.track(0, 0.9, still=0.3, lag=0.3)),
        )
        color = colors[0] if one else colors[k % 4]
        glyph = GLYPHS[int(rng.integers(len(GLYPHS)))]
        strokes = [
            np.array([xy.split(",") for xy in path.split()], float) / 100 - [0.5, 0.8]
            for path in glyph.split("|")
        ]
        groups.append([pen.part(joint, _thick(path, weight), color, line=0.8) for path in strokes])
    return groups


def _thick(path: Points, width: float) -> Points:
    """A bar along a path with corners kept sharp by mitres."""
    step = np.diff(path, axis=0)
    step /= np.hypot(step[:, 0], step[:, 1])[:, None]
    side = np.stack([-step[:, 1], step[:, 0]], 1)
    first, last = side[:1], side[-1:]
    inner = (side[:-1] + side[1:]) / np.maximum(1 + np.sum(side[:-1] * side[1:], 1, keepdims=True), 0.35)
    normal = np.concatenate([first, inner, last]) * width / 2
    return np.concatenate([path + normal, (path - normal)[::-1]])


def effects(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """Sparks, hearts, drops, notes, petals, confetti or puffs around a spot."""
    rng = pen.rng
    colors = colors_of(pen)
    style, n = int(rng.integers(7)), int(rng.integers(3, 10))
    groups: Groups = []
    outward = rng.random() < 0.5
    spread = rng.uniform(0.2, 0.45)
    drift = (float(rng.uniform(-0.12, 0.12)), float(rng.uniform(-0.2, 0.25)))
    bright = palette.pick(rng, ["f6c343", "ffd98a", "ffffff", "f7a8c0", "9fd8ee"])
    for k in range(n):
        a = 2 * np.pi * (k + rng.uniform(0, 0.8)) / n
        r = spread * rng.uniform(0.5, 1.0)
        x, y = at[0] + r * np.cos(a), at[1] + r * np.sin(a)
        move = (np.cos(a) * 0.25, np.sin(a) * 0.25) if outward else drift
        size = scale * rng.uniform(0.1, 0.28)
        pen.scale = size
        grow = mover.track(1.0, 0.5, still=0.2)
        grow = Track(max(grow.start, 0.35), max(grow.end, 0.35), grow.ease)
        joint = Joint(
            parent,
            (float(x), float(y)),
            turn=mover.track(float(rng.uniform(-30, 30)), 60, still=0.3),
            size=(times(grow, size), times(grow, size)),
            shift=(
                mover.go(0.0, float(move[0]) * mover.amount, 0.04 * mover.amount),
                mover.go(0.0, float(move[1]) * mover.amount),
            ),
        )
        color = colors[int(rng.integers(4))]
        if style == 0:
            part = pen.part(joint, star(4, 1.0, 0.28), bright, line=0.6, shade=0)
        elif style == 1:
            heart = mirrored([(0, 1.0), (0.5, 0.5), (0.95, -0.1), (0.8, -0.7), (0.35, -0.75), (0, -0.4)], 5)
            part = pen.part(joint, heart, (235, 92, 110), line=0.6)
        elif style == 2:
            part = pen.part(joint, lock(1.6, 0.5, 0.2, 0.75) * [1, -1], (120, 190, 235), line=0.6, shade=0)
        elif style == 3:
            part = pen.part(
                joint,
                smooth([(0, -1), (0.6, -0.2), (0.2, 0.9), (-0.4, 0.1)], 5),
                palette.mix(color, WHITE, 0.2),
                line=0.5,
            )
        elif style == 4:
            part = pen.part(
                joint, box(1.2, 0.7, (0, 0), 0.05), color, line=0.0 if not pen.rough else 0.6, shade=0
            )
        elif style == 5:
            puff = (
                ellipse(1, 1, n=48)
                * (1 + 0.18 * np.abs(np.sin(np.arange(48) * 2 * np.pi / 48 * 2.5)))[:, None]
            )
            part = pen.part(
                joint,
                puff,
                (244, 244, 248) if rng.random() < 0.5 else palette.mix(color, WHITE, 0.5),
                line=0.6,
            )
        else:
            note = np.concatenate([box(0.16, 1.6, (0.35, -0.6)), ellipse(0.42, 0.32, (0.0, 0.2), 14)])
            part = Part(joint, note[4:], pen.ink, None, pen.ink, [Mark(note[:4], pen.ink)])
        groups.append([part])
    return groups
