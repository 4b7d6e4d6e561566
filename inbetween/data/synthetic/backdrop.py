"""Backgrounds: outdoors, rooms and colour fields."""

import numpy as np

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.curves import Points, box, ellipse, mirrored, smooth
from inbetween.data.synthetic.motion import Joint, Matrix
from inbetween.data.synthetic.parts import Color
from inbetween.data.synthetic.pen import Kind
from inbetween.data.synthetic.scenery import REACH, Scenery

WHITE: Color = (255, 255, 255)


def backdrop(rng: np.random.Generator, kind: Kind, camera: Joint) -> Scenery:
    """Background of a scene of this kind."""
    plane = Joint(camera)
    if kind == "sketch":
        paper = palette.pick(rng, ["ffffff", "ffffff", "fdfcf7", "f7f4ea", "f3f5f7", "efe9dc"], 0.2)
        tooth = float(rng.uniform(0.3, 0.7)) if rng.random() < 0.5 else 0.0
        return Scenery(paper, plane, tooth=tooth, grain_seed=int(rng.integers(1 << 31)))
    if kind == "color":
        plain = ["ffffff"] * 6 + [
            "f4f1ea",
            "e8eef2",
            "fbe9dd",
            "dff0ea",
            "e9e4f2",
            "2d3142",
            "1d3557",
            "9fd3c7",
            "f6c453",
        ]
        return Scenery(palette.pick(rng, plain, 0.0 if rng.random() < 0.7 else 0.5), plane)
    scene = Scenery(
        WHITE,
        plane,
        vignette=float(rng.uniform(0.05, 0.22)) if rng.random() < 0.4 else 0.0,
        grain=float(rng.uniform(2, 7)) if rng.random() < 0.4 else 0.0,
        grain_seed=int(rng.integers(1 << 31)),
    )
    if rng.random() < 0.3:
        scene.bloom = float(rng.uniform(0.08, 0.25))
    if rng.random() < 0.35:
        scene.tint = palette.pick(
            rng, ["ffe9c9", "cfd8ff", "ffd9d0", "d8f0ff", "e9dcff", "b9c4ea", "fff3e0"], 0.0
        )
    place = int(rng.integers(4))
    (outdoors, outdoors, indoors, abstract)[place](scene, rng, camera)
    return scene


def ridge(rng: np.random.Generator, y: float, height: float, n: int = 8, sharp: bool = False) -> Points:
    """A line of hills or mountains, closed below the frame."""
    x = np.linspace(-REACH - 0.1, REACH + 0.1, n)
    top = np.stack([x, y - height * rng.random(n) * (1 if sharp else 0.8)], 1)
    crest = top if sharp else smooth(top, 6, False)
    return np.concatenate([crest, [[REACH + 0.1, 1.2], [-REACH - 0.1, 1.2]]])


def cloud(rng: np.random.Generator, x: float, y: float, size: float) -> Points:
    """A puffy outline."""
    a = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    r = size * (1 + 0.14 * np.abs(np.sin(a * rng.integers(3, 5) + rng.uniform(0, 3))))
    return np.stack([x + 1.6 * r * np.cos(a), y + np.minimum(0.62 * r * np.sin(a), 0.3 * size)], 1)


def foliage(rng: np.random.Generator, x: float, y: float, size: float, bumps: int = 9) -> Points:
    """A bush or a tree's crown."""
    a = np.linspace(0, 2 * np.pi, 6 * bumps, endpoint=False)
    r = size * (
        0.86
        + 0.14 * np.abs(np.sin(a * bumps / 2 + rng.uniform(0, 3)))
        + 0.06 * np.sin(2 * a + rng.uniform(0, 6))
    )
    return np.stack([x + 1.1 * r * np.cos(a), y + r * np.sin(a)], 1)


def outdoors(scene: Scenery, rng: np.random.Generator, camera: Joint) -> None:
    """Sky, clouds, hills, trees."""
    skies = [
        ("7ec8ee", "e3f4fb"),
        ("4f9fd8", "cfe9f2"),
        ("f7b58a", "fbe6b9"),
        ("5b5f97", "f2a07b"),
        ("1b2447", "4a5a8c"),
        ("a8d8d0", "f5f7e6"),
        ("c9d6df", "f0f3f5"),
        ("2b2350", "b8577a"),
    ]
    grounds = [
        ("7db46c", "5a9a5c", "3f7a52"),
        ("b7c66b", "8aa84f", "5f8446"),
        ("d9b382", "b88a5a", "8a6242"),
        ("6f8fb0", "54739a", "3c5680"),
        ("e9eef2", "cfdbe6", "aebfd0"),
    ]
    sky, ground = skies[int(rng.integers(len(skies)))], grounds[int(rng.integers(len(grounds)))]
    scene.gradient = palette.rgb(sky[0]), palette.rgb(sky[1])
    low = palette.rgb(sky[1])
    if rng.random() < 0.4:
        sun = ellipse(0.1, 0.1, (rng.uniform(-0.5, 0.5), rng.uniform(-0.4, -0.2)))
        scene.paint.append((sun * 1.0, palette.mix(low, WHITE, 0.6), 0.06))
        scene.paint.append((sun, palette.mix(low, (255, 250, 225), 0.9), 0.0))
    for _ in range(int(rng.integers(0, 5))):
        x, y, s = rng.uniform(-0.9, 0.9), rng.uniform(-0.5, -0.05), rng.uniform(0.05, 0.16)
        color = palette.mix(low, WHITE, 0.7)
        scene.paint.append((cloud(rng, x, y, s), color, 0.0 if rng.random() < 0.5 else 0.02))
        if rng.random() < 0.5:
            scene.paint.append(
                (
                    cloud(rng, x + 0.02, y + 0.3 * s, 0.7 * s),
                    palette.mix(color, palette.rgb(sky[0]), 0.3),
                    0.015,
                )
            )
    horizon = rng.uniform(0.0, 0.3)
    for k in range(int(rng.integers(1, 4))):
        color = palette.mix(palette.rgb(ground[min(k, 2)]), low, max(0.55 - 0.25 * k, 0))
        scene.paint.append(
            (ridge(rng, horizon + 0.1 * k, 0.35 - 0.1 * k, sharp=k == 0 and rng.random() < 0.4), color, 0.0)
        )
    field_ = palette.rgb(ground[int(rng.integers(2))])
    scene.paint.append((ridge(rng, horizon + 0.22, 0.06), field_, 0.0))
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(-0.9, 0.9), horizon + rng.uniform(0.24, 0.6)
        scene.paint.append(
            (
                ellipse(rng.uniform(0.1, 0.4), 0.02, (x, y)),
                palette.mix(field_, palette.shade(field_), 0.6),
                0.012,
            )
        )
    for _ in range(int(rng.integers(0, 4))):
        x, s = rng.uniform(-0.8, 0.8), rng.uniform(0.07, 0.2)
        base = horizon + rng.uniform(0.2, 0.3)
        leaf = palette.pick(rng, ["5f9a58", "4c8560", "86ac4e", "d98c4a", "e2a3b5", "3f6f5f"])
        light = palette.mix(leaf, (255, 250, 200), 0.25)
        trunk, bark = box(0.16 * s, s, (x, base - 0.3 * s)), palette.rgb("7a5a42")
        crown = foliage(rng, x, base - 1.2 * s, 0.7 * s)
        lit = crown * 0.6 + np.array([x, base - 1.2 * s]) * 0.4 - [0.14 * s, 0.14 * s]
        if rng.random() < 0.3:  # nearer than the painted plane, for parallax
            layer = Parallax(camera, 1.15)
            scene.middle += [(layer, trunk, bark, None), (layer, crown, leaf, (lit, light))]
            continue
        scene.paint += [(trunk, bark, 0.0), (crown, leaf, 0.0), (lit, light, 0.012)]
    if rng.random() < 0.45:  # foliage or grass in front of the camera, with more parallax
        layer = Parallax(camera, 1.35)
        color = palette.shade(palette.rgb(ground[2]), 1.0)
        for _ in range(int(rng.integers(1, 4))):
            x, y, size = (
                rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.6),
                rng.uniform(0.5, 0.62),
                rng.uniform(0.1, 0.22),
            )
            scene.near.append((layer, foliage(rng, x, y, size, 7), color, None))


class Parallax(Joint):
    """Moves with the camera, its shift multiplied, for parallax."""

    def __init__(self, camera: Joint, depth: float) -> None:
        super().__init__()
        self.camera, self.depth = camera, depth

    def local(self, t: float) -> Matrix:
        """Frame at t in world coordinates, (3, 3)."""
        matrix = self.camera.local(t).copy()
        matrix[:2, 2] *= self.depth
        return matrix


def indoors(scene: Scenery, rng: np.random.Generator, camera: Joint) -> None:
    """A room: wall, floor, window, furniture."""
    walls = ["efe1cf", "d9e4e6", "e6d3d3", "c9d8c5", "8d99ae", "5c5470", "f3e9dc", "b8c0d4"]
    floors = ["b98a5e", "8f6a4a", "cbb89d", "77808f", "a3685a"]
    wall, floor = palette.pick(rng, walls), palette.pick(rng, floors)
    scene.gradient = wall, palette.shade(wall, 0.6)
    line = rng.uniform(0.18, 0.34)
    if rng.random() < 0.5:
        for k in range(12):
            x = -REACH + 0.1 + k * 0.24
            scene.paint.append((box(0.1, 2.4, (x, 0)), palette.mix(wall, palette.shade(wall), 0.35), 0.0))
    scene.paint.append((np.array([(-2, line), (2, line), (2, 2), (-2, 2)]), floor, 0.0))
    scene.paint.append(
        (
            np.array([(-2, line), (2, line), (2, line + 0.03), (-2, line + 0.03)]),
            palette.shade(wall, 1.6),
            0.0,
        )
    )
    for k in range(7):
        x = (k - 3) * 0.3
        scene.paint.append(
            (
                np.array([(x, line + 0.03), (x + 0.006, line + 0.03), (2.2 * x + 0.01, 1.2), (2.2 * x, 1.2)]),
                palette.shade(floor, 0.7),
                0.0,
            )
        )
    x, w, h = rng.uniform(-0.5, 0.5), rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.45)
    y = line - 0.12 - h / 2 - 0.1
    frame, glass = (
        palette.pick(rng, ["ffffff", "8a6248", "f3e9dc"]),
        palette.pick(rng, ["bfe3f5", "f9d9a8", "31406b", "d7f0e0"]),
    )
    scene.paint += [(box(w + 0.04, h + 0.04, (x, y)), frame, 0.0), (box(w, h, (x, y)), glass, 0.0)]
    scene.paint += [(cloud(rng, x, y + 0.05, 0.06), palette.mix(glass, WHITE, 0.6), 0.0)]
    scene.paint += [(box(0.016, h, (x, y)), frame, 0.0), (box(w, 0.016, (x, y)), frame, 0.0)]
    if rng.random() < 0.6:
        curtain = palette.pick(rng, ["d1495b", "84a98c", "f2efe9", "577590", "f4acb7"])
        for s in (-1, 1):
            cloth = smooth(
                [
                    (x + s * w * 0.62, y - h * 0.6),
                    (x + s * w * 0.3, y - h * 0.6),
                    (x + s * w * 0.42, y),
                    (x + s * w * 0.4, y + h * 0.7),
                    (x + s * w * 0.66, y + h * 0.7),
                ],
                5,
            )
            scene.paint.append((cloth, curtain, 0.0))
    for _ in range(int(rng.integers(1, 4))):
        fx, fw, fh = rng.uniform(-0.9, 0.9), rng.uniform(0.16, 0.4), rng.uniform(0.14, 0.5)
        wood = palette.pick(rng, ["8a5a3a", "b98a5a", "5d4a42", "e8e2d6", "6d8a96"])
        scene.paint.append((ellipse(0.6 * fw, 0.03, (fx, line + 0.06)), palette.shade(floor, 1.5), 0.02))
        scene.paint.append((box(fw, fh, (fx, line + 0.05 - fh / 2), 0.01), wood, 0.0))
        for k in range(int(rng.integers(1, 4))):
            yy = line + 0.05 - fh * (k + 0.6) / 3.4
            scene.paint.append((box(fw * 0.84, fh * 0.2, (fx, yy), 0.008), palette.shade(wood, 0.8), 0.0))
            scene.paint.append((ellipse(0.008, 0.008, (fx, yy), 10), palette.mix(wood, WHITE, 0.5), 0.0))
    beam = np.array([(x - w / 2, line), (x + w / 2, line), (x + w, 1.0), (x - 0.1, 1.0)])
    scene.paint.append((beam, palette.mix(floor, WHITE, 0.25), 0.02))
    if rng.random() < 0.3:  # a table in front of the characters
        top = box(rng.uniform(0.5, 1.0), 0.3, (rng.uniform(-0.3, 0.3), 0.56), 0.02)
        scene.near.append(
            (Parallax(camera, 1.2), top, palette.pick(rng, ["8a5a3a", "b98a5a", "e8e2d6"]), None)
        )


def abstract(scene: Scenery, rng: np.random.Generator, camera: Joint) -> None:
    """Soft colour fields, rays or big shapes, as used behind titles and effects."""
    codes = palette.CLOTHES[int(rng.integers(len(palette.CLOTHES)))]
    a, b = palette.rgb(codes[int(rng.integers(5))]), palette.rgb(codes[4])
    scene.gradient = a, palette.mix(a, b, 0.6)
    if rng.random() < 0.4:
        n, turn, c = int(rng.integers(7, 13)), rng.uniform(0, 1), rng.uniform(-0.2, 0.2, 2)
        for k in range(n):
            t0, t1 = turn + 2 * np.pi * k / n, turn + 2 * np.pi * (k + 0.5) / n
            ray = np.array(
                [c, c + 3 * np.array([np.cos(t0), np.sin(t0)]), c + 3 * np.array([np.cos(t1), np.sin(t1)])]
            )
            scene.paint.append((ray, palette.mix(a, WHITE, 0.18), 0.0))
        return
    for _ in range(int(rng.integers(3, 10))):
        color = palette.mix(palette.rgb(codes[int(rng.integers(5))]), a, 0.5)
        at, r = (rng.uniform(-0.8, 0.8), rng.uniform(-0.6, 0.6)), rng.uniform(0.05, 0.4)
        shape = (
            ellipse(r, r, at) if rng.random() < 0.6 else mirrored([(0, -r), (r, 0), (0, r)], 5) + np.array(at)
        )
        scene.paint.append((shape, color, float(rng.choice([0.0, 0.05, 0.1]))))
