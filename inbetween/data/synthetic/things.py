"""Plants and balls."""

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import box, ellipse, limb, smooth, star
from inbetween.data.synthetic.motion import Bend, Joint, inverse, times
from inbetween.data.synthetic.parts import Color, Part
from inbetween.data.synthetic.pen import Mover, Pen, colors_of

Groups = list[list[Part]]
WHITE: Color = (255, 255, 255)


def flower(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A plant that sways in a pot."""
    rng = pen.rng
    petal, heart, pot, _, _ = colors_of(pen)
    pen.scale = scale
    root = Joint(parent, (at[0], at[1] + scale), size=(scale, scale), turn=mover.track(0, 5))
    rise = Joint(root, (0, -0.1), turn=180.0)
    length = rng.uniform(1.2, 2.0)
    bend = Bend(
        rise, length, 1.2, [(0.5, 1.0, mover.track(0, 60, still=0.05)), (0.9, 0.3, mover.swing(30))], pad=0.5
    )
    green = palette.pick(rng, ["5f9a58", "7fb069", "3f7a5a", "a3b565"])
    leaf = smooth([(0, 0.7), (0.35, 0.45), (0.75, 0.5), (0.4, 0.75)], 5)
    n, r = int(rng.integers(5, 9)), rng.uniform(0.25, 0.4)
    ring = np.arange(n) * 2 * np.pi / n
    petals = [
        pen.part(
            rise, ellipse(0.62 * r, 0.62 * r, (r * np.cos(a), length + r * np.sin(a)), 16), petal, (), bend
        )
        for a in ring
    ]
    vase = np.array([(-0.42, -0.25), (0.42, -0.25), (0.32, 0.45), (-0.32, 0.45)])
    return [
        [pen.part(rise, limb(length, [(0, 0.05), (1, 0.04)]), green, (), bend, shade=0)],
        [pen.part(rise, leaf, green, (), bend), pen.part(rise, leaf * [-1, 1] + [0, 0.2], green, (), bend)],
        petals,
        [pen.part(rise, ellipse(0.7 * r, 0.7 * r, (0, length), 16), heart, (), bend)],
        [pen.part(root, vase, pot, [pen.patch(box(2, 0.2, (0, 0.05)), palette.mix(pot, WHITE, 0.4))])],
    ]


def ball(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A bouncing ball, a balloon or a planet: rolls, squashes, flies on an arc."""
    rng = pen.rng
    a, b, c, _, _ = colors_of(pen)
    pen.scale = scale
    squash = mover.track(1.0, 0.2, still=0.2)
    way = 0.5 * mover.amount * float(rng.choice([-1, 1]))
    carry = Joint(
        parent,
        at,
        shift=(
            mover.go(-way / 2, way / 2),
            mover.go(0.0, float(rng.uniform(-0.2, 0.2)) * mover.amount, -0.2 * mover.amount),
        ),
        size=(times(inverse(squash), scale), times(squash, scale)),
    )
    roll = Joint(carry, turn=mover.go(0.0, float(np.clip(way / scale * 57, -120, 120))))
    marks = [
        [pen.patch(box(3, 0.5), b), pen.patch(box(3, 0.16), c)],
        [
            pen.patch(ellipse(0.3, 0.3, (0.62 * np.cos(k), 0.62 * np.sin(k)), 14), b)
            for k in np.arange(5) * 1.257
        ],
        [
            pen.patch(
                np.array(
                    [(0, 0), (2 * np.cos(k), 2 * np.sin(k)), (2 * np.cos(k + 0.6), 2 * np.sin(k + 0.6))]
                ),
                b,
            )
            for k in np.arange(5) * 1.257
        ],
        [pen.patch(star(5, 0.7, 0.3), b)],
    ][int(rng.integers(4))]
    return [[pen.part(roll, ellipse(1, 1, n=40), a, marks, glossy=True)]]
