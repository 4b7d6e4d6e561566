"""Things: vehicles, rockets, plants, balls and gadgets."""

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import arc, box, ellipse, limb, lock, mirrored, smooth, star, stroke
from inbetween.data.synthetic.motion import Bend, Joint, Tip, Track, inverse, times
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


def gadget(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A clock, phone, cup, gift or lamp with one thing about it that moves."""
    rng = pen.rng
    a, b, c, dark, _ = colors_of(pen)
    squash = mover.track(1.0, 0.06, still=0.4)
    pen.scale = scale
    root = Joint(
        parent,
        at,
        turn=mover.track(0, 22, still=0.3),
        size=(times(inverse(squash), scale), times(squash, scale)),
        shift=(mover.track(0, 0.18), mover.track(0, 0.15)),
    )
    style = int(rng.integers(5))
    if style == 0:
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
            hand = Joint(root, turn=mover.track(float(rng.uniform(0, 360)), reach, still=0.0))
            groups.append([pen.part(hand, limb(size, [(0, 0.05), (1, 0.035)]), dark, line=0.3, shade=0)])
        return [*groups, [pen.part(root, ellipse(0.09, 0.09, n=14), b, line=0.5)]]
    if style == 1:
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
    if style == 2:
        groups = [
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
    if style == 3:
        lid = Joint(root, (-0.85, -0.5), turn=mover.track(-25, 28, still=0))
        band = [pen.patch(box(0.3, 9), b)]
        out = Joint(root, shift=(0.0, mover.track(-0.75, 0.55, still=0)), turn=mover.track(0, 20))
        return [
            [pen.part(out, star(5, 0.55, 0.25), c)],
            [pen.part(root, box(1.6, 1.2, (0, 0.1), 0.03), a, band)],
            [pen.part(lid, box(1.76, 0.3, (0.85, -0.1), 0.04), a, [pen.patch(box(0.3, 9, (0.85, 0)), b)])],
        ]
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
