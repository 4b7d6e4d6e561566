"""Gadgets: a clock, phone, cup, gift or lamp with one thing about it that moves."""

import numpy as np

from inbetween.data.synthetic.curves import arc, box, ellipse, limb, mirrored, star, stroke
from inbetween.data.synthetic.motion import Bend, Joint, Tip, inverse, times
from inbetween.data.synthetic.parts import Color, Part
from inbetween.data.synthetic.pen import Mover, Pen, colors_of

Groups = list[list[Part]]
WHITE: Color = (255, 255, 255)


def gadget(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A clock, phone, cup, gift or lamp with one thing about it that moves."""
    rng, colors = pen.rng, colors_of(pen)
    squash = mover.track(1.0, 0.06, still=0.4)
    pen.scale = scale
    root = Joint(
        parent,
        at,
        turn=mover.track(0, 22, still=0.3),
        size=(times(inverse(squash), scale), times(squash, scale)),
        shift=(mover.track(0, 0.18), mover.track(0, 0.15)),
    )
    make = (_clock, _phone, _cup, _gift, _lamp)[int(rng.integers(5))]
    return make(pen, mover, root, colors)


def _clock(pen: Pen, mover: Mover, root: Joint, colors: list[Color]) -> Groups:
    a, b, _, dark, _ = colors
    ticks = [
        pen.solid(
            box(0.06, 0.16, (0.0, 0.0)) @ np.array([[np.cos(k), np.sin(k)], [-np.sin(k), np.cos(k)]])
            + 0.78 * np.array([np.sin(k), -np.cos(k)]),
            dark,
        )
        for k in np.arange(12) * np.pi / 6
    ]
    groups: Groups = [
        [pen.part(root, ellipse(1.1, 1.1, n=40), a)],
        [pen.part(root, ellipse(0.95, 0.95, n=36), (250, 248, 242), ticks, line=0.6, shade=0)],
    ]
    for size, reach in ((0.5, 40), (0.74, 110)):
        hand = Joint(root, turn=mover.track(float(pen.rng.uniform(0, 360)), reach, still=0.0))
        groups.append([pen.part(hand, limb(size, [(0, 0.05), (1, 0.035)]), dark, line=0.3, shade=0)])
    return [*groups, [pen.part(root, ellipse(0.09, 0.09, n=14), b, line=0.5)]]


def _phone(pen: Pen, mover: Mover, root: Joint, colors: list[Color]) -> Groups:
    a, b, c, dark, _ = colors
    screen = pen.part(root, box(1.0, 1.7, (0, 0), 0.06), (240, 246, 250), line=0.5, shade=0)
    slide = Joint(root, shift=(0.0, mover.track(0, 0.6, still=0.0)))
    cards = [
        pen.part(
            slide,
            box(0.8, 0.34, (0, y), 0.06),
            k,
            [
                pen.solid(ellipse(0.1, 0.1, (-0.26, y), 14), WHITE),
                pen.line(np.array([(-0.08, y), (0.1, y), (0.3, y)]), 0.8, WHITE),
            ],
            line=0.4,
            shade=0,
            inside=screen,
        )
        for y, k in ((-0.62, b), (-0.2, c), (0.22, a), (0.64, b))
    ]
    return [[pen.part(root, box(1.2, 2.1, (0, 0), 0.18), dark)], [screen], *[[card] for card in cards]]


def _cup(pen: Pen, mover: Mover, root: Joint, colors: list[Color]) -> Groups:
    a, b, _, _, _ = colors
    groups: Groups = [
        [pen.part(root, stroke(arc(0.4, 0.42, -80, 80, (0.62, 0.0), 14), 0.16), a)],
        [
            pen.part(
                root,
                mirrored([(0, -0.72), (0.7, -0.7), (0.68, 0.2), (0.5, 0.72), (0, 0.78)], 5),
                a,
                [pen.patch(box(3, 0.24, (0, 0.1)), b)],
            )
        ],
    ]
    for x in (-0.25, 0.15):
        steam = Joint(root, (x, -0.85), turn=180.0)
        bend = Bend(
            steam,
            0.8,
            0.4,
            [(0.3, 0.4, mover.track(0, 60, still=0)), (0.75, 0.4, mover.track(0, 70, still=0))],
        )
        groups.append(
            [
                pen.part(
                    steam,
                    limb(0.8, [(0, 0.05), (0.6, 0.08), (1, 0.02)]),
                    (226, 230, 236),
                    (),
                    bend,
                    line=0.5,
                    shade=0,
                )
            ]
        )
    return groups


def _gift(pen: Pen, mover: Mover, root: Joint, colors: list[Color]) -> Groups:
    a, b, c, _, _ = colors
    lid = Joint(root, (-0.85, -0.5), turn=mover.track(-25, 28, still=0))
    band = [pen.patch(box(0.3, 9), b)]
    out = Joint(root, shift=(0.0, mover.track(-0.75, 0.55, still=0)), turn=mover.track(0, 20))
    return [
        [pen.part(out, star(5, 0.55, 0.25), c)],
        [pen.part(root, box(1.6, 1.2, (0, 0.1), 0.03), a, band)],
        [pen.part(lid, box(1.76, 0.3, (0.85, -0.1), 0.04), a, [pen.patch(box(0.3, 9, (0.85, 0)), b)])],
    ]


def _lamp(pen: Pen, mover: Mover, root: Joint, colors: list[Color]) -> Groups:
    a, b, _, dark, _ = colors
    arm = Joint(root, (0, 0.8), turn=180 + 0.0)
    bend = Bend(arm, 1.5, 0.3, [(0.5, 0.3, mover.track(30, 40, still=0.1))])
    shade_ = Joint(Tip(bend, 1.0), turn=mover.track(30, 30, still=0.1))
    cone = np.array([(-0.2, -0.1), (0.2, -0.1), (0.55, 0.5), (-0.55, 0.5)])
    return [
        [pen.part(arm, limb(1.5, [(0, 0.07), (1, 0.07)]), dark, (), bend)],
        [pen.part(root, box(0.9, 0.18, (0, 0.85), 0.08), a)],
        [pen.part(shade_, ellipse(0.2, 0.2, (0, 0.5)), (255, 236, 160), line=0.5, shade=0)],
        [pen.part(shade_, cone, b)],
    ]
