"""Vehicles and rockets."""

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import box, ellipse, lock, mirrored, smooth
from inbetween.data.synthetic.motion import Joint, Track
from inbetween.data.synthetic.parts import Color, Mark, Part
from inbetween.data.synthetic.pen import Mover, Pen, colors_of

Groups = list[list[Part]]
WHITE: Color = (255, 255, 255)


def _travel(
    pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float, far: float
) -> tuple[Joint, float]:
    """A joint that crosses the picture by up to `far`, and how far it goes."""
    pen.scale = scale
    way = float(far * mover.amount * pen.rng.choice([-1, 1]) * (pen.rng.random() < 0.8))
    x = mover.go(-way / 2, way / 2)
    return Joint(
        parent, at, shift=(x, mover.track(0, 0.06)), size=(scale, scale), turn=mover.track(0, 6, still=0.5)
    ), way / scale


def vehicle(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A car, van or train car on turning wheels."""
    rng = pen.rng
    paint, trim, accent, dark, _ = colors_of(pen)
    root, way = _travel(pen, mover, parent, at, scale, 0.5)
    long_, high = rng.uniform(1.2, 1.9), rng.uniform(0.4, 0.75)
    body = Joint(root, shift=(0.0, mover.track(0, 0.05)), turn=mover.track(0, 3))
    cabin_high = rng.uniform(0.4, 0.8)
    left, right = -rng.uniform(0.3, 0.95) * long_, rng.uniform(0.2, 0.9) * long_
    slope = rng.uniform(0, 0.35)
    cabin = np.array(
        [
            (left, -high),
            (left + slope, -high - cabin_high),
            (right - slope, -high - cabin_high),
            (right, -high),
        ]
    )
    glass = palette.pick(rng, ["bfe3f5", "d5ecf2", "8fb9cf"])
    middle = (left + right) / 2
    panes = [
        np.array(
            [
                (a + 0.1, -high + 0.02),
                (a + 0.1 + s, -high - 0.8 * cabin_high),
                (b - 0.1 + q, -high - 0.8 * cabin_high),
                (b - 0.1, -high + 0.02),
            ]
        )
        for a, b, s, q in ((left, middle + 0.05, slope, 0.0), (middle - 0.05, right, 0.0, -slope))
    ]
    shine = [
        pen.patch(p * [0.3, 0.8] + np.mean(p, 0) * [0.55, 0.2], palette.mix(glass, WHITE, 0.5)) for p in panes
    ]
    hull = box(2 * long_, high + 0.1, (0, -high / 2 - 0.02), float(rng.uniform(0.05, 0.3)))
    stripe = [pen.patch(box(9, 0.12 * high, (0, -0.45 * high)), trim)] if rng.random() < 0.6 else []
    lamp = [
        pen.solid(ellipse(0.09, 0.1, (s * (long_ - 0.12), -0.6 * high), 14), c)
        for s, c in ((1, (250, 225, 140)), (-1, (214, 70, 60)))
    ]
    door = [
        pen.line(
            smooth([(middle, -0.9 * high), (middle + 0.01, -0.5 * high), (middle, -0.12 * high)], 3, False),
            0.6,
        )
    ]
    groups: Groups = [
        [pen.part(body, cabin, paint)],
        [pen.part(body, p, glass, [s], line=0.7, shade=0) for p, s in zip(panes, shine, strict=True)],
    ]
    groups.append([pen.part(body, hull, paint, [*stripe, *door, *lamp])])
    r = rng.uniform(0.26, 0.4)
    spin = Track(
        0.0, float(np.degrees(way / r)) if abs(way / r) < 2.6 else float(np.sign(way) * 140), mover.ease
    )
    for x in (-0.6 * long_, 0.6 * long_):
        wheel = Joint(root, (x, 0.02), turn=spin)
        n = int(rng.integers(3, 7))
        holes = [
            pen.solid(ellipse(0.14 * r, 0.14 * r, (0.36 * r * np.cos(a), 0.36 * r * np.sin(a)), 10), dark)
            for a in np.arange(n) * 2 * np.pi / n
        ]
        groups.append([pen.part(wheel, ellipse(r, r), palette.mix(dark, (30, 30, 36), 0.6), shade=0)])
        groups.append(
            [
                pen.part(
                    wheel,
                    ellipse(0.6 * r, 0.6 * r),
                    accent if rng.random() < 0.5 else (214, 216, 222),
                    holes,
                    line=0.6,
                    shade=0,
                )
            ]
        )
    return groups


def rocket(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A rocket with a flickering flame, or a plane of the same build flying level."""
    rng = pen.rng
    paint, trim, accent, _, _ = colors_of(pen)
    pen.scale = scale
    tilt = float(rng.choice([0, 25, -35, 80]))
    reach = 0.45 * mover.amount
    a = np.radians(tilt)
    root = Joint(
        parent,
        at,
        turn=Track(tilt, tilt + float(rng.uniform(-14, 14)) * mover.amount, mover.ease),
        size=(scale, scale),
        shift=(
            mover.go(-np.sin(a) * reach / 2, np.sin(a) * reach / 2, float(rng.uniform(-0.06, 0.06))),
            mover.go(np.cos(a) * reach / 2, -np.cos(a) * reach / 2),
        ),
    )
    hull = mirrored([(0, -1.3), (0.3, -0.85), (0.42, -0.1), (0.3, 0.7), (0, 0.74)], 6)
    fin = smooth([(0.28, 0.1), (0.75, 0.6), (0.78, 1.0), (0.26, 0.68)], 4)
    flame = Joint(root, (0, 0.7), size=(mover.track(1, 0.25, still=0), mover.track(1.1, 0.4, still=0)))
    fire = [
        pen.part(flame, lock(s, 0.26 * s, 0.8, 0.3), c, line=0 if c != (247, 140, 60) else 0.7, shade=0)
        for s, c in ((1.0, (247, 140, 60)), (0.6, (255, 220, 110)))
    ]
    window_ = [
        pen.solid(ellipse(0.2, 0.2, (0, -0.45)), trim),
        Mark(ellipse(0.14, 0.14, (0, -0.45)), (170, 220, 240), False),
    ]
    nose = pen.patch(np.array([(-1, -2), (1, -2), (1, -0.85), (-1, -0.85)]), accent)
    return [[f] for f in fire] + [
        [pen.part(root, fin, accent), pen.part(root, fin * [-1, 1], accent)],
        [
            pen.part(
                root,
                hull,
                paint,
                [nose, pen.patch(box(2, 0.12, (0, 0.45)), trim), *([] if pen.rough else window_)],
            )
        ],
    ]
