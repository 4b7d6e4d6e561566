"""Who is in the picture: chooses characters and things and frames them."""

from collections.abc import Callable

from inbetween.data.synthetic import palette
from inbetween.data.synthetic.animals import blob, mascot
from inbetween.data.synthetic.beasts import bird, fish, walker
from inbetween.data.synthetic.curves import box, ellipse, smooth
from inbetween.data.synthetic.gadgets import gadget
from inbetween.data.synthetic.human import Figure
from inbetween.data.synthetic.motion import Joint
from inbetween.data.synthetic.parts import Part
from inbetween.data.synthetic.pen import Mover, Pen
from inbetween.data.synthetic.things import ball, flower
from inbetween.data.synthetic.titles import effects, letters, sign
from inbetween.data.synthetic.vehicles import rocket, vehicle

Maker = Callable[[Pen, Mover, Joint, tuple[float, float], float], list[list[Part]]]

ANIMALS: tuple[Maker, ...] = (mascot, mascot, walker, bird, fish, blob, blob)
THINGS: tuple[Maker, ...] = (vehicle, rocket, flower, ball, gadget, gadget, sign, sign, letters)


def cast(pen: Pen, mover: Mover, camera: Joint) -> list[list[Part]]:
    """All parts of the scene's actors, in drawing order."""
    rng = pen.rng
    dice = rng.random()
    if dice < 0.5:
        groups = person(pen, mover, camera)
    elif dice < 0.58:
        groups = crowd(pen, mover, camera)
    elif dice < 0.78:
        groups = several(pen, mover, camera, ANIMALS, 3)
    elif dice < 0.95:
        groups = several(pen, mover, camera, THINGS, 2)
    else:
        groups = several(pen, mover, camera, ANIMALS + THINGS, 4)
    extra = rng.random()
    if extra < 0.2:
        at = (float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.2, 0.1)))
        burst = effects(pen, mover, camera, at, float(rng.uniform(0.15, 0.35)))
        groups = groups + burst if rng.random() < 0.6 else burst + groups
    elif extra < 0.3:
        groups = groups + screen(pen, mover, camera)
    return groups


def person(pen: Pen, mover: Mover, camera: Joint) -> list[list[Part]]:
    """A person as a close-up, a bust or a full figure."""
    rng = pen.rng
    grown = 0.0 if rng.random() < 0.45 else float(rng.uniform(0.1, 1.0))
    dice = rng.random()
    x = float(rng.uniform(-0.12, 0.12))
    up = 1.25 + 1.35 * grown + 0.1 + 0.42 * grown + 0.78  # head radii from the pelvis to the head's middle
    tall = up + 1.15 + 1.25 + 3.0 * grown  # from crown to sole
    if dice < 0.15:
        scale = float(rng.uniform(0.28, 0.42))
        at = (x, up * scale + float(rng.uniform(-0.05, 0.1)))
    elif dice < 0.4:
        scale = float(rng.uniform(0.17, 0.26))
        at = (x, up * scale - 0.12 + float(rng.uniform(-0.05, 0.1)))
    else:
        scale = float(rng.uniform(0.7, 0.93)) / tall * (1.0 if rng.random() < 0.8 else 0.7)
        at = (x, (up + 1.15 - tall / 2) * scale)
    figure = Figure(pen, mover, camera, at, scale, grown)
    shadow = [ground(pen, camera, figure.root, at[1] + 1.03 * figure.leg_len * scale, 1.3 * scale)]
    grounded = figure.upright and not pen.rough and rng.random() < 0.5
    return [*shadow, *figure.build()] if grounded else figure.build()


def ground(pen: Pen, camera: Joint, root: Joint, y: float, wide: float) -> list[Part]:
    """A soft shadow on the ground that follows a figure."""
    joint = Joint(camera, (root.at[0], y), shift=(root.shift[0], 0.0))
    return [Part(joint, ellipse(wide, 0.16 * wide), (60, 52, 90), ghost=True, opacity=0.28)]


def crowd(pen: Pen, mover: Mover, camera: Joint) -> list[list[Part]]:
    """Two people side by side, one in front of the other."""
    rng = pen.rng
    groups: list[list[Part]] = []
    for side in (-1, 1):
        grown = float(rng.uniform(0.0, 0.6))
        up, tall = 2.1 + 1.8 * grown, 4.5 + 4.8 * grown
        scale = float(rng.uniform(0.6, 0.85)) / tall
        at = (
            side * float(rng.uniform(0.15, 0.25)),
            (up + 1.15 - tall / 2) * scale + float(rng.uniform(0, 0.1)),
        )
        groups += Figure(pen, mover, camera, at, scale, grown).build()
    return groups


def several(pen: Pen, mover: Mover, camera: Joint, kinds: tuple[Maker, ...], most: int) -> list[list[Part]]:
    """One to `most` creatures or things side by side."""
    rng = pen.rng
    n = 1 if rng.random() < 0.55 else int(rng.integers(2, most + 1))
    groups: list[list[Part]] = []
    for k in range(n):
        x = (k - (n - 1) / 2) * 0.7 / n + float(rng.uniform(-0.06, 0.06))
        size = float(rng.uniform(0.17, 0.34)) * (1.0 if n == 1 else 0.95 - 0.12 * n)
        groups += kinds[int(rng.integers(len(kinds)))](
            pen, mover, camera, (x, float(rng.uniform(-0.05, 0.12))), size
        )
    return groups


def screen(pen: Pen, mover: Mover, camera: Joint) -> list[list[Part]]:
    """Something in front that covers part of the picture and gives it free: a door or a curtain."""
    rng = pen.rng
    pen.scale = 1.0
    side = float(rng.choice([-1, 1]))
    color = palette.pick(rng, ["b4636a", "6d8a96", "8a6248", "84a98c", "e8dfd2", "577590", "d98c4a"])
    slide = Joint(
        camera, (side * float(rng.uniform(0.38, 0.62)), 0.0), shift=(mover.track(0, 0.22, still=0.1), 0.0)
    )
    if rng.random() < 0.5:
        knob = [pen.solid(ellipse(0.025, 0.025, (-side * 0.21, 0.05), 16), palette.shade(color, 2))]
        panel = [pen.patch(box(0.34, 0.5, (0, y), 0.01), palette.shade(color, 0.5)) for y in (-0.35, 0.35)]
        return [[pen.part(slide, box(0.5, 1.8), color, [*panel, *knob], shade=0)]]
    edge = [(0.22, -1.0), (0.26, -0.5), (0.2, 0.0), (0.27, 0.5), (0.22, 1.0), (-0.4, 1.0), (-0.4, -1.0)]
    folds = [
        pen.line(smooth([(x, -0.9), (x + 0.02, 0), (x - 0.01, 0.9)], 6, False), 0.8)
        for x in (-0.25, -0.1, 0.08)
    ]
    flip = Joint(slide, size=(-side, 1.0))
    return [[pen.part(flip, smooth(edge, 5), color, folds)]]
