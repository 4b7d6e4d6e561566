"""Mascots and blobs, seen from the front."""

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import Points, box, ellipse, limb, lock, mirrored, smooth
from inbetween.data.synthetic.face import FacePlan, Look
from inbetween.data.synthetic.motion import Bend, Feature, Joint, inverse, times
from inbetween.data.synthetic.parts import Color, Mark, Part
from inbetween.data.synthetic.pen import Mover, Pen

Groups = list[list[Part]]
WHITE: Color = (255, 255, 255)


def coat_of(pen: Pen) -> tuple[Color, Color]:
    """Colours of fur and belly."""
    fur = palette.pick(pen.rng, palette.FUR)
    return fur, palette.mix(fur, WHITE, float(pen.rng.uniform(0.35, 0.75)))


def _look(pen: Pen, fur: Color, size: float) -> Look:
    iris = palette.pick(pen.rng, ["4f9a5f", "e8a93a", "3f7fbf", "6b3f2a", "3a3540"])
    return Look(
        fur,
        palette.shade(fur, 2),
        iris,
        palette.pick(pen.rng, ["d1495b", "f6c344", "457b9d"]),
        fur,
        size,
        0.0,
    )


def standing(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Joint:
    """Root joint of a creature: placed, leaning, with area-preserving squash and stretch."""
    pen.scale = scale
    squash = mover.track(1.0, 0.12, still=0.3)
    return Joint(
        parent,
        at,
        turn=mover.track(0, 14, still=0.4),
        size=(times(inverse(squash), scale), times(squash, scale)),
        shift=(mover.track(0, 0.25, still=0.35), mover.track(0, 0.14, still=0.4)),
    )


def spots(pen: Pen, color: Color, reach: float, at: tuple[float, float] = (0.0, 0.0)) -> list[Mark]:
    """Spots or stripes of a coat."""
    rng = pen.rng
    if rng.random() < 0.55:
        return []
    if rng.random() < 0.5:
        n = int(rng.integers(3, 8))
        centres = rng.uniform(-reach, reach, (n, 2)) + at
        return [
            pen.patch(ellipse(1, 1, n=14) * rng.uniform(0.1, 0.3, 2) * reach + [x, y], color)
            for x, y in centres
        ]
    ys = np.linspace(-reach, reach, int(rng.integers(4, 8)))
    stripes = [
        smooth(
            [
                (-1.2 * reach, y + at[1]),
                (-0.4 * reach, y + 0.14 * reach + at[1]),
                (-1.2 * reach, y + 0.2 * reach + at[1]),
            ],
            4,
        )
        for y in ys
    ]
    return [pen.patch(b * [side, 1], color) for b in stripes for side in (1, -1)]


def mascot(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A round animal facing the camera: cat, bear, rabbit, mouse, fox, penguin or the like."""
    rng = pen.rng
    fur, belly = coat_of(pen)
    dark = palette.shade(fur, 1.6)
    root = standing(pen, mover, parent, (at[0], at[1] + 0.9 * scale), scale)
    wide, tall = rng.uniform(0.6, 0.85), rng.uniform(0.9, 1.3)
    body = mirrored(
        [
            (0, -tall),
            (0.62 * wide, -0.8 * tall),
            (wide, -0.1 * tall),
            (0.75 * wide, 0.42 * tall),
            (0, 0.5 * tall),
        ],
        5,
    )
    marks = [pen.patch(ellipse(0.62 * wide, 0.6 * tall, (0, 0.0)), belly)]
    groups: Groups = []
    tail = Joint(root, (0.5 * wide, 0.1), turn=float(rng.uniform(-140, -80)))
    size = rng.uniform(0.8, 1.7)
    curl = mover.track(float(rng.choice([-50, 50])), 40, still=0.1, lag=0.2)
    bend = Bend(tail, size, 0.5, [(0.3, 0.5, curl), (0.8, 0.4, mover.swing(40))])
    shape = (
        limb(size, [(0, 0.16), (0.5, 0.2), (1, 0.17)]) if rng.random() < 0.6 else lock(size, 0.32, 0.4, 0.55)
    )
    tip = [pen.patch(box(2, 2, (0, size * 0.75 + 1)), belly)] if rng.random() < 0.5 else []
    groups.append([pen.part(tail, shape, fur, tip, bend)])
    neck = Joint(root, (0, -0.78 * tall), turn=mover.track(0, 14, still=0.2))
    skull = Joint(neck, (0, -0.62))
    feet = [
        pen.part(
            Joint(root, (s * 0.5 * wide, 0.45 * tall), turn=mover.track(0, 15)),
            ellipse(0.28, 0.18, (s * 0.05, 0.02), 18),
            fur,
        )
        for s in (-1, 1)
    ]
    groups += [feet, [pen.part(root, body, fur, marks)]]
    plan = FacePlan(pen, mover, skull, _look(pen, fur, float(rng.uniform(0.16, 0.27))))
    back = Feature(skull, (0.0, 0.0), 1.0, times(plan.yaw, -0.25), 0.0)
    kind = int(rng.integers(5))
    ear = [
        smooth([(-0.32, 0.2), (-0.24, -0.25), (0, -0.58), (0.24, -0.25), (0.32, 0.2)], 4),
        ellipse(0.3, 0.32, (0, -0.12), 20),
        limb(1.2, [(0, 0.2), (0.5, 0.24), (0.9, 0.16)]) * [1, -1],
        ellipse(0.46, 0.48, (0, -0.16), 20),
        smooth([(-0.2, 0.1), (-0.42, 0.5), (-0.1, 0.85), (0.2, 0.5), (0.2, 0)], 4),
    ][kind]
    broad = rng.uniform(0.9, 1.25)
    for s in (-1, 1):
        joint = Joint(back, (s * 0.62 * broad, -0.62), turn=s * float(rng.uniform(10, 34)))
        flip = Joint(joint, turn=mover.swing(12), size=(s, 1.0))
        inner = [pen.patch(ear * [0.55, 0.62] + [0, -0.02], palette.mix(fur, (240, 140, 150), 0.5))]
        groups.append([pen.part(flip, ear, fur, inner)])
    cheek = rng.uniform(0.0, 0.25)
    face = mirrored(
        [
            (0, -0.86),
            (0.6 * broad, -0.74),
            (0.98 * broad, -0.1),
            ((0.9 + cheek) * broad, 0.35),
            (0.5 * broad, 0.74),
            (0, 0.8),
        ],
        5,
    )
    groups.append([pen.part(skull, face, fur, spots(pen, dark, 0.9))])
    muzzle = plan.spot(0.0, 0.4, radius=1.3)
    if rng.random() < 0.7:
        groups.append(
            [
                pen.part(
                    muzzle,
                    ellipse(0.42, 0.28, (0, 0.02)),
                    belly,
                    line=0 if rng.random() < 0.6 else 0.6,
                    shade=0,
                )
            ]
        )
    groups += plan.mouth(0.5, float(rng.uniform(0.12, 0.2)))
    nose = plan.spot(0.0, 0.27, radius=1.6)
    groups.append(
        [
            pen.part(
                nose,
                mirrored([(0, -0.07), (0.11, -0.06), (0.05, 0.05), (0, 0.07)], 4),
                palette.shade(dark, 2),
                line=0.3,
                shade=0,
            )
        ]
    )
    groups += plan.blush(0.62, 0.42) if rng.random() < 0.6 else []
    groups += plan.eyes(0.45 * broad, 0.02, plan.look.eye_size, brows=bool(rng.random() < 0.4))
    for s in (-1, 1):
        joint = Joint(
            root,
            (s * 0.72 * wide, -0.5 * tall),
            turn=times(mover.track(float(rng.choice([20, 60, 140])), 40, still=0.2), -s),
        )
        bend = Bend(joint, 0.72, 0.4, [(0.5, 0.6, mover.track(0, 40))])
        groups.append([pen.part(joint, limb(0.72, [(0, 0.2), (0.6, 0.17), (0.95, 0.19)]), fur, (), bend)])
    return groups


def blob(pen: Pen, mover: Mover, parent: Joint, at: tuple[float, float], scale: float) -> Groups:
    """A slime, ghost, cloud or fruit with a face that squashes and stretches."""
    rng = pen.rng
    color = palette.pick(
        rng, ["8ed1c6", "f6a5b5", "a6c1ee", "f7d774", "b7a0e0", "9bd48a", "f59e72", "fbfbfd", "e2646a"]
    )
    pen.scale = scale
    squash = mover.track(1.0, 0.3, still=0.15)
    root = Joint(
        parent,
        at,
        shift=(mover.track(0, 0.3, still=0.3), mover.track(0, 0.2, still=0.3)),
        turn=mover.track(0, 12),
        size=(times(inverse(squash), scale), times(squash, scale)),
        lean=mover.track(0, 0.35, still=0.3),
    )
    face = Joint(root, (0, -0.38))
    style = int(rng.integers(4))
    outline: Points
    if style == 0:
        outline = mirrored([(0, -1.15), (0.55, -0.95), (0.95, -0.3), (1.1, 0.25), (0.7, 0.45), (0, 0.48)], 6)
    elif style == 1:
        n = int(rng.integers(3, 6))
        hem = [((1 - 2 * k / (2 * n)) * 0.9, 0.5 + 0.2 * (k % 2)) for k in range(2 * n + 1)]
        outline = smooth([(-0.9, -0.3), (-0.55, -1.05), (0, -1.25), (0.55, -1.05), (0.9, -0.3), *hem], 4)
    elif style == 2:
        outline = ellipse(1.0, 0.95, (0, -0.45), 40)
    else:
        a = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        r = 0.92 + 0.14 * np.abs(np.sin(a * int(rng.integers(2, 5))))
        outline = np.stack([1.1 * r * np.cos(a), -0.45 + 0.85 * r * np.sin(a)], 1)
    groups: Groups = [
        [pen.part(root, outline, color, spots(pen, palette.shade(color, 0.6), 0.9, (0.0, -0.4)), glossy=True)]
    ]
    if style == 2 and rng.random() < 0.6:
        leaf = Joint(root, (0.0, -1.38), turn=mover.track(200, 25))
        bend = Bend(leaf, 0.6, 0.4, [(0.5, 1.0, mover.track(30, 40))])
        groups.insert(0, [pen.part(leaf, lock(0.6, 0.2, 0.3, 0.5), (104, 160, 84), (), bend)])
    plan = FacePlan(pen, mover, face, _look(pen, color, float(rng.uniform(0.14, 0.24))))
    groups += plan.mouth(0.34, float(rng.uniform(0.14, 0.26)))
    groups += plan.blush(0.55, 0.25)
    groups += plan.eyes(
        float(rng.uniform(0.26, 0.42)), 0.0, plan.look.eye_size, brows=bool(rng.random() < 0.25)
    )
    return groups
