"""Animals from the side: walkers, birds and fish."""

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.animals import coat_of, spots, standing
from inbetween.data.synthetic.curves import box, ellipse, limb, lock, mirrored, smooth
from inbetween.data.synthetic.motion import Bend, Joint, Tip, Track, times
from inbetween.data.synthetic.parts import Color, Mark, Part
from inbetween.data.synthetic.pen import Mover, Pen

Groups = list[list[Part]]
WHITE: Color = (255, 255, 255)


def walker(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A four-legged animal from the side: dog, cat, horse, elephant-like, sheep."""
    rng = pen.rng
    fur, belly = coat_of(pen)
    facing = float(rng.choice([-1, 1]))
    outer = standing(pen, mover, parent, at, scale)
    root = Joint(outer, size=(facing, 1.0))
    long_, deep = rng.uniform(0.85, 1.3), rng.uniform(0.38, 0.62)
    leg = rng.uniform(0.55, 1.25)
    thick = rng.uniform(0.11, 0.2)
    phase, advance = rng.uniform(0, 2 * np.pi), mover.amount * rng.uniform(0.5, 1.6) * (rng.random() < 0.8)
    swing = rng.uniform(20, 38)

    def step(shift: float, gain: float) -> Track:
        a, b = phase + shift, phase + shift + advance
        bulge = gain * (np.sin((a + b) / 2) - (np.sin(a) + np.sin(b)) / 2)
        return Track(gain * float(np.sin(a)), gain * float(np.sin(b)), mover.ease, float(bulge))

    def legs(x: float, shift: float, color: Color) -> list[Part]:
        joint = Joint(root, (x, 0.15 * deep), turn=step(shift, swing))
        bend = Bend(joint, leg + 0.3, 0.45, [(0.55, 0.35, step(shift + 1.2, 24.0))])
        shape = limb(leg + 0.3, [(0, 1.4 * thick), (0.5, thick), (0.92, 0.85 * thick), (1, 1.1 * thick)], 0.5)
        sock = [pen.patch(box(2, 1, (0, leg + 0.3 + 0.35)), palette.shade(fur, 1.5))] if socks else []
        return [pen.part(joint, shape, color, sock, bend)]

    socks = rng.random() < 0.5
    far = palette.shade(fur, 1.0)
    groups: Groups = [legs(0.72 * long_, 0.4, far), legs(-0.72 * long_, np.pi + 0.4, far)]
    tail = Joint(root, (-0.95 * long_, -0.2 * deep), turn=float(rng.uniform(30, 120)))
    size = rng.uniform(0.5, 1.3)
    bend = Bend(tail, size, 0.4, [(0.5, 0.9, mover.track(float(rng.uniform(-60, 60)), 45, still=0.1))])
    groups.append([pen.part(tail, lock(size, rng.uniform(0.1, 0.26), 0.6, 0.5), fur, (), bend)])
    body = smooth(
        [
            (-long_, -0.5 * deep),
            (-0.4 * long_, -0.82 * deep),
            (0.4 * long_, -0.75 * deep),
            (1.02 * long_, -0.7 * deep),
            (1.12 * long_, 0.1),
            (0.6 * long_, 0.75 * deep),
            (-0.2 * long_, 0.62 * deep),
            (-0.9 * long_, 0.6 * deep),
            (-1.12 * long_, 0.0),
        ],
        5,
    )
    neck_len = rng.uniform(0.25, 0.95)
    neck = Joint(
        root, (0.86 * long_, -0.35 * deep), turn=mover.track(float(rng.uniform(130, 165)) * -1, 14, still=0.2)
    )
    rise = Bend(neck, neck_len, 0.7, [(0.5, 0.9, mover.track(0, 20))])
    throat = limb(neck_len, [(0, 0.36), (1, 0.26)])
    belly_mark = pen.patch(ellipse(1.1 * long_, 0.5 * deep, (0, 0.75 * deep)), belly)
    stripes = spots(pen, palette.shade(fur, 1.3), long_)
    trunk = pen.part(root, body, fur, [belly_mark, *stripes])
    groups += [[trunk, pen.part(neck, throat, fur, (), rise)]]
    groups += [legs(0.62 * long_, np.pi, fur), legs(-0.62 * long_, 0.0, fur)]
    head = Joint(Tip(rise, 1.0), turn=mover.track(138.0, 16, still=0.15))
    snout = rng.uniform(0.5, 1.0)
    skull = smooth(
        [
            (-0.42, -0.1),
            (-0.2, -0.42),
            (0.2, -0.4),
            (0.42, -0.15),
            (snout, -0.02),
            (snout + 0.06, 0.18),
            (0.5, 0.3),
            (0.0, 0.38),
            (-0.35, 0.25),
        ],
        5,
    )
    ear = smooth(
        [(-0.12, 0.1), (-0.16, -0.25), (0.02, -rng.uniform(0.4, 0.75)), (0.16, -0.2), (0.12, 0.1)], 4
    )
    ear_at = Joint(head, (-0.14, -0.3), turn=mover.track(float(rng.choice([-10, -120])), 14))
    marks = [
        pen.patch(ellipse(0.3, 0.25, (snout, 0.16)), belly),
        pen.line(smooth([(snout - 0.02, 0.16), (snout - 0.25, 0.2), (0.32, 0.12)], 4, False), 0.7),
        pen.solid(ellipse(0.09, 0.07, (snout + 0.0, -0.0), 14), pen.ink),
    ]
    groups.append([pen.part(head, skull, fur, marks)])
    groups.append([pen.part(ear_at, ear, palette.shade(fur, 0.7))])
    blink = Joint(head, (0.16, -0.12), size=(1.0, mover.go(1.0, float(rng.uniform(0.1, 1.0)))))
    groups.append(
        [
            pen.part(
                blink,
                ellipse(0.07, 0.1, n=14),
                pen.ink,
                [Mark(ellipse(0.025, 0.03, (0.02, -0.04), 8), WHITE)],
                line=0.2,
                shade=0,
            )
        ]
    )
    return groups


def bird(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A bird in flight or on the ground, wings flapping."""
    rng = pen.rng
    fur, belly = coat_of(pen)
    if rng.random() < 0.5:
        fur = palette.pick(rng, ["4a7fb5", "d8574a", "f2b84b", "5aa37c", "30323d", "f4f1ec"])
    root = Joint(standing(pen, mover, parent, at, scale), size=(float(rng.choice([-1, 1])), 1.0))
    wing_color = palette.shade(fur, 0.8)
    flap = (mover.track(-20.0, 60, still=0.05), mover.track(0.0, 45, still=0.1, lag=0.2))
    groups: Groups = []

    def wing(side: float, color: Color) -> Groups:
        joint = Joint(root, (0.05 + 0.12 * side, -0.1), turn=times(flap[0], 1.0), size=(1.0, 1.0))
        tilt = Joint(joint, turn=75.0 + 25 * side)
        bend = Bend(tilt, 1.35, 0.8, [(0.5, 0.6, times(flap[1], 1.0))])
        feathers = smooth(
            [
                (-0.22, 0),
                (0.25, 0),
                (0.3, 0.6),
                (0.26, 1.3),
                (0.1, 1.42),
                (-0.06, 1.2),
                (-0.2, 1.1),
                (-0.34, 0.85),
                (-0.4, 0.5),
            ],
            4,
        )
        marks = [
            pen.line(smooth([(-0.3, y), (-0.05, y - 0.1), (0.1, y - 0.12)], 4, False), 0.6)
            for y in (0.6, 0.85, 1.08)
        ]
        return [[pen.part(tilt, feathers, color, marks, bend)]]

    groups += wing(-1.0, palette.shade(wing_color, 1.2))
    tail = Joint(root, (-0.85, 0.05), turn=mover.track(80, 12))
    groups.append(
        [
            pen.part(
                tail, smooth([(-0.12, 0), (0.12, 0), (0.26, 0.6), (0.0, 0.72), (-0.24, 0.58)], 4), wing_color
            )
        ]
    )
    body = smooth([(-0.95, 0.0), (-0.3, -0.42), (0.45, -0.42), (0.85, 0.0), (0.5, 0.5), (-0.3, 0.4)], 6)
    groups.append([pen.part(root, body, fur, [pen.patch(ellipse(0.7, 0.4, (0.25, 0.42)), belly)])])
    head = Joint(root, (0.72, -0.34), turn=mover.track(0, 22, still=0.2))
    beak = smooth([(0.3, -0.1), (0.75, 0.06), (0.3, 0.16)], 4)
    groups.append(
        [
            pen.part(
                head,
                beak,
                (243, 172, 60),
                [pen.line(np.array([(0.3, 0.05), (0.5, 0.06), (0.68, 0.06)]), 0.6)],
            )
        ]
    )
    eye = [
        pen.solid(ellipse(0.07, 0.09, (0.12, -0.06), 12), pen.ink),
        Mark(ellipse(0.025, 0.03, (0.14, -0.09), 8), WHITE),
    ]
    groups.append(
        [pen.part(head, ellipse(0.42, 0.4), fur, [pen.patch(ellipse(0.25, 0.2, (0.15, 0.12)), belly), *eye])]
    )
    return groups + wing(1.0, wing_color)


def fish(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A fish that bends along its whole length."""
    rng = pen.rng
    color = palette.pick(rng, ["ee8434", "4a90c2", "f2c14e", "d95d6a", "6cae75", "8f6bb0"])
    root = Joint(
        standing(pen, mover, parent, at, scale),
        turn=float(rng.choice([90.0, -90.0])) + float(rng.uniform(-15, 15)),
    )
    length = 2.2
    sway = [(0.3, 0.5, mover.swing(30, 0.0)), (0.75, 0.4, mover.swing(50))]
    bend = Bend(root, length, 1.0, sway, pad=0.35)
    deep = rng.uniform(0.45, 0.75)
    body = mirrored(
        [(0, -0.1), (0.55 * deep, 0.1), (deep, 0.6), (0.7 * deep, 1.2), (0.16, 1.7), (0, 1.75)], 6
    )
    tail = smooth(
        [(-0.12, 1.6), (0.12, 1.6), (0.55, 2.2), (0.2, 2.15), (0, 2.05), (-0.2, 2.15), (-0.55, 2.2)], 4
    )
    fin = smooth([(deep * 0.7, 0.5), (deep * 1.5, 0.85), (deep * 1.2, 1.25), (deep * 0.6, 1.2)], 5)
    fins = palette.mix(color, (255, 240, 200), 0.4)
    bands = [
        pen.patch(box(3, 0.14, (0, y)), palette.mix(color, WHITE, 0.7))
        for y in np.linspace(0.5, 1.5, int(rng.integers(1, 5)))
    ]
    eye = [
        pen.patch(ellipse(0.13, 0.13, (0.3 * deep, 0.22), 16), WHITE),
        pen.patch(ellipse(0.07, 0.07, (0.3 * deep, 0.2), 12), (25, 25, 35)),
        pen.line(smooth([(-0.1 * deep, 0.02), (0.0, 0.14), (-0.1, 0.25)], 4, False), 0.7),
    ]
    side = Joint(root, (0.05, 0.75), turn=mover.track(0, 30, still=0.1))
    paddle = smooth([(0, 0), (0.32, 0.3), (0.1, 0.52), (-0.12, 0.2)], 4)
    return [
        [pen.part(root, tail, fins, (), bend)],
        [pen.part(root, fin, fins, (), bend)],
        [pen.part(root, body, color, [*bands, *eye], bend)],
        [pen.part(side, paddle, fins)],
    ]
