"""Things: vehicles, objects, signs, letters, and effects such as sparks, smoke and rain."""

import numpy as np

from inbetween.data.cels import palette
from inbetween.data.cels.curves import Points, arc, box, ellipse, limb, lock, mirrored, smooth, star, stroke
from inbetween.data.cels.motion import Bend, Joint, Track, inverse, times
from inbetween.data.cels.parts import Color, Mark, Part
from inbetween.data.cels.pen import Mover, Pen

Groups = list[list[Part]]
WHITE: Color = (255, 255, 255)


def _colors(pen: Pen) -> list[Color]:
    codes = palette.CLOTHES[int(pen.rng.integers(len(palette.CLOTHES)))]
    colors = [palette.rgb(c) for c in codes]
    order = pen.rng.permutation(4)
    return [colors[k] for k in order] + colors[4:]


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
    paint, trim, accent, dark, _ = _colors(pen)
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
    panes = [np.array([(a + 0.1, -high + 0.02), (a + 0.1 + s, -high - 0.8 * cabin_high), (b - 0.1 + q, -high - 0.8 * cabin_high), (b - 0.1, -high + 0.02)])
             for a, b, s, q in ((left, middle + 0.05, slope, 0.0), (middle - 0.05, right, 0.0, -slope))]  # fmt: skip
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
    paint, trim, accent, _, _ = _colors(pen)
    pen.scale = scale
    tilt = float(rng.choice([0, 25, -35, 80]))
    reach = 0.45 * mover.amount
    a = np.radians(tilt)
    root = Joint(parent, at, turn=Track(tilt, tilt + float(rng.uniform(-14, 14)) * mover.amount, mover.ease), size=(scale, scale),
                 shift=(mover.go(-np.sin(a) * reach / 2, np.sin(a) * reach / 2, float(rng.uniform(-0.06, 0.06))), mover.go(np.cos(a) * reach / 2, -np.cos(a) * reach / 2)))  # fmt: skip
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
    petal, heart, pot, _, _ = _colors(pen)
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
        petals, [pen.part(rise, ellipse(0.7 * r, 0.7 * r, (0, length), 16), heart, (), bend)],
        [pen.part(root, vase, pot, [pen.patch(box(2, 0.2, (0, 0.05)), palette.mix(pot, WHITE, 0.4))])],
    ]  # fmt: skip


def ball(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A bouncing ball, a balloon or a planet: rolls, squashes, flies on an arc."""
    rng = pen.rng
    a, b, c, _, _ = _colors(pen)
    pen.scale = scale
    squash = mover.track(1.0, 0.2, still=0.2)
    way = 0.5 * mover.amount * float(rng.choice([-1, 1]))
    carry = Joint(parent, at, shift=(mover.go(-way / 2, way / 2), mover.go(0.0, float(rng.uniform(-0.2, 0.2)) * mover.amount, -0.2 * mover.amount)),
                  size=(times(inverse(squash), scale), times(squash, scale)))  # fmt: skip
    roll = Joint(carry, turn=mover.go(0.0, float(np.clip(way / scale * 57, -120, 120))))
    marks = [
        [pen.patch(box(3, 0.5), b), pen.patch(box(3, 0.16), c)],
        [pen.patch(ellipse(0.3, 0.3, (0.62 * np.cos(k), 0.62 * np.sin(k)), 14), b) for k in np.arange(5) * 1.257],
        [pen.patch(np.array([(0, 0), (2 * np.cos(k), 2 * np.sin(k)), (2 * np.cos(k + 0.6), 2 * np.sin(k + 0.6))]), b) for k in np.arange(5) * 1.257],
        [pen.patch(star(5, 0.7, 0.3), b)],
    ][int(rng.integers(4))]  # fmt: skip
    return [[pen.part(roll, ellipse(1, 1, n=40), a, marks, glossy=True)]]


def gadget(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A clock, phone, cup, gift or lamp with one thing about it that moves."""
    rng = pen.rng
    a, b, c, dark, _ = _colors(pen)
    squash = mover.track(1.0, 0.06, still=0.4)
    pen.scale = scale
    root = Joint(parent, at, turn=mover.track(0, 22, still=0.3), size=(times(inverse(squash), scale), times(squash, scale)),
                 shift=(mover.track(0, 0.18), mover.track(0, 0.15)))  # fmt: skip
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
            [pen.part(out, star(5, 0.55, 0.25), c)], [pen.part(root, box(1.6, 1.2, (0, 0.1), 0.03), a, band)],
            [pen.part(lid, box(1.76, 0.3, (0.85, -0.1), 0.04), a, [pen.patch(box(0.3, 9, (0.85, 0)), b)])],
        ]  # fmt: skip
    arm = Joint(root, (0, 0.8), turn=180 + 0.0)
    bend = Bend(arm, 1.5, 0.3, [(0.5, 0.3, mover.track(30, 40, still=0.1))])
    from inbetween.data.cels.motion import Tip

    shade_ = Joint(Tip(bend, 1.0), turn=mover.track(30, 30, still=0.1))
    cone = np.array([(-0.2, -0.1), (0.2, -0.1), (0.55, 0.5), (-0.55, 0.5)])
    return [
        [pen.part(arm, limb(1.5, [(0, 0.07), (1, 0.07)]), dark, (), bend)], [pen.part(root, box(0.9, 0.18, (0, 0.85), 0.08), a)],
        [pen.part(shade_, ellipse(0.2, 0.2, (0, 0.5)), (255, 236, 160), line=0.5, shade=0)], [pen.part(shade_, cone, b)],
    ]  # fmt: skip


def sign(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A logo: rings, bars, polygons that turn, grow and slide over each other."""
    rng = pen.rng
    colors = _colors(pen)
    groups: Groups = []
    pen.scale = scale
    hub = Joint(parent, at, size=(scale, scale), turn=mover.track(0, 40, still=0.4))
    for k in range(int(rng.integers(2, 6))):
        grow = mover.track(1.0, 0.35, still=0.3)
        joint = Joint(hub, tuple(rng.uniform(-0.6, 0.6, 2) * (k > 0)), turn=mover.track(float(rng.uniform(0, 90)), 70, still=0.25),
                      size=(grow, grow), shift=(mover.track(0, 0.6, still=0.4), mover.track(0, 0.6, still=0.4)))  # fmt: skip
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


# Letters as pen strokes in a box of width 1 and height 1.6, y down
GLYPHS: list[list[list[tuple[float, float]]]] = [
    [[(0, 1.6), (0.5, 0), (1, 1.6)], [(0.2, 1.0), (0.8, 1.0)]], [[(0.9, 0.2), (0.5, 0), (0, 0.5), (0, 1.1), (0.5, 1.6), (0.9, 1.4)]],
    [[(0.9, 0), (0, 0), (0, 1.6), (0.9, 1.6)], [(0, 0.8), (0.7, 0.8)]], [[(0, 0), (0, 1.6)], [(1, 0), (1, 1.6)], [(0, 0.8), (1, 0.8)]],
    [[(0.5, 0), (0.5, 1.6)]], [[(0, 0), (0, 1.6), (0.8, 1.6)]], [[(0, 1.6), (0, 0), (0.5, 0.9), (1, 0), (1, 1.6)]],
    [[(0, 1.6), (0, 0), (1, 1.6), (1, 0)]], [[(0.5, 0), (0.05, 0.4), (0.05, 1.2), (0.5, 1.6), (0.95, 1.2), (0.95, 0.4), (0.5, 0)]],
    [[(0, 1.6), (0, 0), (0.7, 0.05), (0.9, 0.45), (0.6, 0.85), (0, 0.9)]], [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1.6)]],
    [[(0, 0), (0.5, 1.6), (1, 0)]], [[(0, 0), (1, 1.6)], [(1, 0), (0, 1.6)]], [[(0, 0), (1, 0), (0, 1.6), (1, 1.6)]],
    [[(0.9, 0.15), (0.45, 0), (0.1, 0.4), (0.5, 0.8), (0.9, 1.2), (0.5, 1.6), (0.05, 1.45)]], [[(0.4, 0), (0.45, 1.1)], [(0.44, 1.5), (0.46, 1.6)]],
]  # fmt: skip


def letters(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A word whose letters pop, sway and drop in one after the other."""
    rng = pen.rng
    n = int(rng.integers(2, 6))
    scale *= 1.6 / n
    pen.scale = scale
    colors = _colors(pen)
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
        groups.append(
            [pen.part(joint, _thick(np.asarray(s) - [0.5, 0.8], weight), color, line=0.8) for s in glyph]
        )
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
    colors = _colors(pen)
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
        joint = Joint(parent, (float(x), float(y)), turn=mover.track(float(rng.uniform(-30, 30)), 60, still=0.3), size=(times(grow, size), times(grow, size)),
                      shift=(mover.go(0.0, float(move[0]) * mover.amount, 0.04 * mover.amount), mover.go(0.0, float(move[1]) * mover.amount)))  # fmt: skip
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
