"""Who is in the picture: chooses characters and things and frames them."""

from inbetween.data.cels.human import Figure
from inbetween.data.cels.motion import Joint
from inbetween.data.cels.parts import Part
from inbetween.data.cels.pen import Mover, Pen


def cast(pen: Pen, mover: Mover, camera: Joint) -> list[list[Part]]:
    """All parts of the scene's actors, in drawing order."""
    return person(pen, mover, camera)


def person(pen: Pen, mover: Mover, camera: Joint) -> list[list[Part]]:
    """A person as a close-up, a bust or a full figure."""
    rng = pen.rng
    grown = 0.0 if rng.random() < 0.45 else float(rng.uniform(0.1, 1.0))
    dice = rng.random()
    x = float(rng.uniform(-0.12, 0.12))
    tall = 1.25 + 1.35 * grown + 1.25 + 3.0 * grown + 2.3  # head radii from crown to sole
    up = 1.25 + 1.35 * grown + 0.1 + 0.42 * grown + 0.78
    if dice < 0.15:
        scale = float(rng.uniform(0.28, 0.4))
        at = (x, up * scale + float(rng.uniform(-0.05, 0.1)))
    elif dice < 0.4:
        scale = float(rng.uniform(0.17, 0.26))
        at = (x, up * scale - 0.12 + float(rng.uniform(-0.05, 0.1)))
    else:
        scale = float(rng.uniform(0.72, 0.98)) / tall * (1.0 if rng.random() < 0.8 else 0.7)
        at = (x, (up + 1.1 - tall / 2) * scale)
    return Figure(pen, mover, camera, at, scale, grown).build()
