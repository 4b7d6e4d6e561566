"""Patterns of cloth, and hand-held objects."""

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import box, ellipse, smooth, star
from inbetween.data.synthetic.motion import Joint
from inbetween.data.synthetic.parts import Color, Mark, Part
from inbetween.data.synthetic.pen import Pen


def pattern(pen: Pen, width: float, height: float, color: Color) -> list[Mark]:
    """Stripes, dots, checks or nothing, over a rectangle below y = 0."""
    rng = pen.rng
    style, n = int(rng.integers(6)), int(rng.integers(3, 8))
    if style == 0:
        ys = np.linspace(0, height, n + 1)[:-1]
        return [pen.patch(box(2 * width, 0.45 * height / n, (0, y + 0.3 * height / n)), color) for y in ys]
    if style == 1:
        xs = np.linspace(-width, width, n + 1)
        return [pen.patch(box(0.25 * width / n, 2 * height, (x, height / 2)), color) for x in xs]
    if style == 2:
        xs, ys = np.linspace(-width, width, n), np.linspace(0, height, n)
        r = 0.35 * height / n
        return [
            pen.patch(ellipse(r, r, (x + (k % 2) * width / n, y), 10), color)
            for k, y in enumerate(ys)
            for x in xs[:5]
        ]
    if style == 3:
        emblem = [
            star(5, 0.3 * width, 0.14 * width),
            ellipse(0.3 * width, 0.3 * width),
            box(0.5 * width, 0.5 * width),
        ]
        return [pen.patch(emblem[int(rng.integers(3))] + [0, 0.4 * height], color)]
    return []


def prop(pen: Pen, joint: Joint, accent: Color, dark: Color) -> list[list[Part]]:
    """A hand-held object: wand, sword, balloon, cup, brush, flower or flag."""
    rng = pen.rng
    stick = box(0.1, 1.9, (0, 0.5), 0.04)
    style = int(rng.integers(6))
    wood = palette.pick(rng, ["8a5a3a", "b98a5a", "5d4a42", "c9cbd6"])
    if style == 0:
        return [
            [pen.part(joint, stick, wood)],
            [pen.part(joint, star(5, 0.42, 0.19, (0, 1.55)), (246, 200, 70))],
        ]
    if style == 1:
        blade = np.array([(-0.1, 0.2), (0.1, 0.2), (0.1, 1.8), (0, 2.1), (-0.1, 1.8)])
        guard = box(0.5, 0.1, (0, 0.2), 0.05)
        return [
            [pen.part(joint, blade, (205, 214, 224))],
            [pen.part(joint, guard, dark)],
            [pen.part(joint, box(0.1, 0.4, (0, 0)), wood)],
        ]
    if style == 2:
        cup = np.array([(-0.22, -0.2), (0.22, -0.2), (0.18, 0.35), (-0.18, 0.35)])
        return [[pen.part(joint, cup, accent, [pen.patch(box(1, 0.15, (0, 0.05)), (255, 255, 255))])]]
    if style == 3:
        flag = smooth([(0.05, 1.4), (0.5, 1.3), (1.0, 1.45), (0.95, 0.8), (0.5, 0.68), (0.05, 0.8)], 4)
        return [[pen.part(joint, flag, accent)], [pen.part(joint, stick, wood)]]
    if style == 4:
        petals = [
            pen.part(joint, ellipse(0.16, 0.16, (0.22 * np.cos(a), 1.0 + 0.22 * np.sin(a)), 12), accent)
            for a in np.arange(5) * 1.2566
        ]
        return [
            [pen.part(joint, box(0.06, 1.0, (0, 0.5)), (104, 150, 84))],
            petals,
            [pen.part(joint, ellipse(0.13, 0.13, (0, 1.0), 12), (246, 210, 90))],
        ]
    book = box(0.8, 0.6, (0, 0.15), 0.03)
    return [
        [
            pen.part(
                joint,
                book,
                accent,
                [
                    pen.patch(box(0.12, 1, (-0.3, 0.15)), dark),
                    pen.line(np.array([(-0.1, 0.05), (0.1, 0.04), (0.3, 0.05)]), 0.6),
                ],
            )
        ]
    ]
