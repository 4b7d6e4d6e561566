"""Scenes put together at random: what is seen, how it looks, and how it moves."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inbetween.data.layers import backdrops, looks
from inbetween.data.layers.motion import Camera, Motion, Pose
from inbetween.data.layers.moves import Mover
from inbetween.data.layers.puppet import taken_apart
from inbetween.data.layers.scene import Layer, LayerScene
from inbetween.data.layers.store import PictureStore, Texture

Look = Literal["finished", "flat", "sketch"]

_DENSER = 1.3  # pixels of a texture for a pixel of the image: sharp, and next to no aliasing
_LARGEST = 1.3  # how much larger than it is kept a sprite is shown
_NEAREST = 1.6  # depth of the nearest layer

Place = tuple[PictureStore, int]  # an image: its store, and its number there


@dataclass(frozen=True)
class Casting:
    """Where textures come from.

    Args:
        sprites: The images in front.
        backgrounds: The images behind; empty generates them.
    """

    sprites: list[Place]
    backgrounds: list[Place]

    @classmethod
    def of(cls, sprites: PictureStore, behind: list[PictureStore]) -> "Casting":
        """All images: opaque ones among the sprites are backgrounds, those behind are so anyway."""
        numbered = [(sprites, k, entry.opaque) for k, entry in enumerate(sprites.entries)]
        front = [(store, k) for store, k, opaque in numbered if not opaque]
        back = [(store, k) for store, k, opaque in numbered if opaque]
        back += [(store, k) for store in behind for k in range(len(store.entries))]
        return cls(front, back)


class _Habits(NamedTuple):
    """What scenes of a look are like: probabilities, but for `more`."""

    camera_still: float
    pictures: float  # of an image as background
    made: float  # of that, or of one made of colours and sprites
    more: float  # sprites beside the first one, on average
    swarm: float  # of many small ones
    limbs: float  # of a sprite with limbs that swing
    shadows: float  # of one with a shadow
    trembles: float  # of lines that tremble, as hands draw them anew for each frame


_HABITS: dict[Look, _Habits] = {
    "finished": _Habits(0.25, 0.72, 0.93, 2.0, 0.12, 0.25, 0.12, 0.0),
    "flat": _Habits(0.55, 0.12, 0.4, 1.4, 0.08, 0.4, 0.0, 0.12),
    "sketch": _Habits(0.65, 0.15, 0.2, 1.0, 0.05, 0.35, 0.0, 0.6),
}


class Composer:
    """Makes one scene.

    Args:
        casting: Where textures come from.
        look: finished, flat or sketch.
        size: Height and width in pixels.
        between: Number of in-betweens, which the length of streaks depends on.
        motion: Largest displacement as a share of the shorter side; None samples one, mostly small.
        rng: Decides everything.
    """

    def __init__(
        self,
        casting: Casting,
        look: Look,
        size: tuple[int, int],
        between: int,
        motion: float | None,
        rng: np.random.Generator,
    ) -> None:
        self.casting, self.look, self.size, self.rng = casting, look, size, rng
        self.step = 1 / (between + 1)
        self.habits = _HABITS[look]
        self.mover = Mover(size, motion, self.habits.camera_still, rng)
        self.mapped: dict[Path, NDArray[np.uint8]] = {}
        self.paper = backdrops.paper(rng)
        self.ink = backdrops.color(rng) * 0.3 if rng.random() < 0.4 else np.full(3, rng.uniform(0, 60))
        self.line, self.gain = float(rng.uniform(0.6, 1.5)), float(rng.uniform(8, 20))
        self.tint = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.5, 0.9))
        self.outlines = rng.random() < 0.5
        self.trembles = bool(rng.random() < self.habits.trembles)

    def scene(self) -> LayerScene:
        """The scene."""
        rng, unit = self.rng, float(min(self.size))
        camera = Camera(self.mover.camera() if self.mover.pans else Motion(Pose(), Pose()))
        layers = [self._background()]
        swarm = rng.random() < self.habits.swarm
        count = int(rng.integers(5, 12)) if swarm else 1 + min(int(rng.poisson(self.habits.more)), 6)
        depth = 1.0
        above: Layer | None = None
        for _ in range(count):
            usual = np.clip(np.exp(rng.normal(np.log(0.55), 0.5)), 0.12, 1.4)
            side = unit * float(rng.uniform(0.08, 0.25) if swarm else usual)
            rides = above if rng.random() < 0.2 else None
            if rides is None:
                depth = min(depth * float(np.exp(rng.exponential(0.1))), _NEAREST)
            layer = self._sprite(side, depth, rides)
            layers += self._parts(layer)
            above = layer if rides is None else None
        return LayerScene(layers, camera, self.size, self.step)

    def _background(self) -> Layer:
        rng, longer = self.rng, float(max(self.size))
        shown = longer / float(rng.uniform(0.45, 1.0))  # pixels that the whole background would take
        kind = rng.random()
        if kind < self.habits.pictures and self.casting.backgrounds:
            texture = self._behind(shown)
        elif kind < self.habits.made:
            texture = self._made(shown)
        else:
            return self._plain()
        if self.look == "sketch":
            ink = looks.lines(texture, self.line, self.gain) * rng.uniform(0.3, 1.0)
            texture = looks.inked(looks.filled(texture, self.paper, self.tint), ink, self.ink)
        if rng.random() < 0.5:
            texture = looks.mirrored(texture)
        density = max(texture.shape[:2]) / shown
        room = [
            max(length / density - side, 0) / 2
            for length, side in zip(texture.shape, self.size, strict=False)
        ]
        y, x = (float(rng.uniform(-free, free)) for free in room)
        return Layer(texture, density, Motion(Pose(x, y), Pose(x, y)), endless=True)

    def _plain(self) -> Layer:
        """Paper, a colour, or one that turns into another; it stays: nobody sees whether it moves."""
        rng = self.rng
        if self.look != "sketch" and rng.random() < 0.25:
            texture = backdrops.gradient(self.size, rng)
        else:
            paper = self.look == "sketch" or rng.random() < 0.6
            texture = backdrops.plain(self.size, self.paper if paper else backdrops.color(rng))
        return Layer(texture, 1.0, Motion(Pose(), Pose()), depth=0.0, endless=True)

    def _behind(self, shown: float) -> Texture:
        """An image for a background, sharp, painted or out of focus."""
        rng, behind = self.rng, self.casting.backgrounds
        texture = self._picked(behind[int(rng.integers(len(behind)))], shown * _DENSER)
        finish = rng.random()
        if finish < 0.25:
            texture = looks.painted(texture, 5 if finish < 0.12 else 3)
        elif finish < 0.38:
            texture = looks.out_of_focus(texture, float(np.exp(rng.uniform(-0.3, 1.3))))
        return looks.recolored(texture, rng, 0.5) if rng.random() < 0.3 else texture

    def _made(self, shown: float) -> Texture:
        """A background of colours alone, or with sprites strewn over it."""
        rng = self.rng
        size = [max(round(side * shown / max(self.size)), 1) for side in self.size]
        make = (backdrops.gradient, backdrops.clouds, backdrops.clouds, backdrops.pattern)[
            int(rng.integers(4))
        ]
        texture = make((size[0], size[1]), rng)
        if make is backdrops.gradient or rng.random() < 0.5:
            texture = backdrops.heap(texture, self._strewn, int(rng.integers(4, 16)), rng)
        return texture

    def _picked(self, place: Place, longer: float) -> Texture:
        """An image whose longer side has so many pixels, or fewer if it has no more."""
        store, number = place
        if store.file not in self.mapped:
            self.mapped[store.file] = store.pixels()
        return looks.resized(store.texture(self.mapped[store.file], number, longer), longer)

    def _strewn(self, longer: float) -> Texture:
        sprites = self.casting.sprites
        return self._picked(sprites[int(self.rng.integers(len(sprites)))], longer)

    def _parts(self, layer: Layer) -> list[Layer]:
        """A sprite as it is, or with limbs, or with its shadow below it."""
        rng, texture = self.rng, layer.texture
        side, kind = max(texture.shape[:2]), rng.random()
        if kind < self.habits.limbs and side / layer.density > 0.2 * min(self.size):
            return taken_apart(layer, self.mover, rng)
        if kind < 1 - self.habits.shadows:
            return [layer]
        dark = looks.shadow_of(texture, 1 + 0.03 * side, float(rng.uniform(0.2, 0.49)))
        x, y = side / layer.density * rng.uniform((-0.06, 0.0), (0.06, 0.1))
        below = layer.motion.shifted(float(x), float(y))
        return [replace(layer, texture=dark, motion=below, solid=False, shutter=0.0), layer]

    def _sprite(self, side: float, depth: float, rides: Layer | None) -> Layer:
        """A layer whose longer side has about so many pixels at scale 1."""
        rng, sprites = self.rng, self.casting.sprites
        place = sprites[int(rng.integers(len(sprites)))]
        side = min(side, _LARGEST * place[0].longer(place[1]))
        motion = self.mover.path(side, rides is not None)
        largest = side * float(np.exp(max(motion.start.grow, motion.end.grow)))
        texture = self._looks(self._picked(place, largest * _DENSER))
        if rng.random() < 0.5:
            texture = looks.mirrored(texture)
        return Layer(
            texture,
            max(texture.shape[:2]) / side,
            motion,
            self.mover.bend(side, motion.ease, self.trembles),
            rides.depth if rides else depth,
            (rides.motion,) if rides else (),
            shutter=float(rng.uniform(0.3, 0.8)) if rng.random() < 0.02 else 0.0,
        )

    def _looks(self, texture: Texture) -> Texture:
        rng = self.rng
        behind = self.casting.backgrounds
        if self.look == "finished" and behind and rng.random() < 0.15:
            picture = self._picked(behind[int(rng.integers(len(behind)))], 1.5 * max(texture.shape[:2]))
            texture = looks.cut_out(picture, texture)
        if rng.random() < 0.35:
            texture = looks.recolored(texture, rng, 1.0 if rng.random() < 0.3 else 0.3)
        if self.look == "sketch":
            ink = looks.lines(texture, self.line, self.gain)
            return looks.inked(looks.filled(texture, self.paper, self.tint), ink, self.ink)
        if self.look == "flat" and self.outlines:
            ink = looks.lines(texture, self.line, self.gain)
            return looks.inked(looks.painted(texture, 3), ink, self.ink)
        return texture
