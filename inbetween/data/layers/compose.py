"""Scenes composed at random: their layers, their style and their motion."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inbetween.data.layers import backdrops, textures
from inbetween.data.layers.motion import Camera, Motion, Pose
from inbetween.data.layers.moves import Mover
from inbetween.data.layers.puppet import cut_limbs
from inbetween.data.layers.scene import Layer, LayerScene
from inbetween.data.layers.store import ImageStore, Texture

Style = Literal["finished", "flat", "sketch"]

_DENSITY = 1.3  # texture pixels per image pixel: sharp, with hardly any aliasing
_LARGEST = 1.3  # largest magnification of a stored sprite
_NEAREST = 1.6  # depth of the nearest layer

Stored = tuple[ImageStore, int]  # an image: its store, and its number there


@dataclass(frozen=True)
class Casting:
    """Where textures come from.

    Args:
        sprites: The foreground images.
        backgrounds: The background images; empty generates them.
    """

    sprites: list[Stored]
    backgrounds: list[Stored]

    @classmethod
    def of(cls, sprites: ImageStore, behind: list[ImageStore]) -> "Casting":
        """All images: those in `behind` are backgrounds, and so are opaque ones among the sprites."""
        numbered = [(sprites, k, entry.opaque) for k, entry in enumerate(sprites.entries)]
        front = [(store, k) for store, k, opaque in numbered if not opaque]
        back = [(store, k) for store, k, opaque in numbered if opaque]
        back += [(store, k) for store in behind for k in range(len(store.entries))]
        return cls(front, back)


class _StyleParameters(NamedTuple):
    """Parameters of a style's random scenes: probabilities, except `more`."""

    camera_still: float  # of a camera that does not move
    image_background: float  # of an image as the background
    any_background: float  # of that, or of a generated background that is not plain
    more: float  # mean number of sprites besides the first
    swarm: float  # of many small sprites
    limbs: float  # of a sprite with swinging limbs
    shadows: float  # of a sprite with a shadow
    line_boil: float  # of wobbling lines, as in animation whose every frame is drawn by hand


_STYLE_PARAMETERS: dict[Style, _StyleParameters] = {
    "finished": _StyleParameters(0.25, 0.72, 0.93, 2.0, 0.12, 0.25, 0.12, 0.0),
    "flat": _StyleParameters(0.55, 0.12, 0.4, 1.4, 0.08, 0.4, 0.0, 0.12),
    "sketch": _StyleParameters(0.65, 0.15, 0.2, 1.0, 0.05, 0.35, 0.0, 0.6),
}


class Composer:
    """Composes one random scene.

    Args:
        casting: Where textures come from.
        style: finished, flat or sketch.
        size: Height and width in pixels.
        between: Number of in-betweens, which the length of motion blur depends on.
        motion: Largest displacement as a share of the shorter side; None samples one, mostly small.
        rng: Source of all randomness.
    """

    def __init__(
        self,
        casting: Casting,
        style: Style,
        size: tuple[int, int],
        between: int,
        motion: float | None,
        rng: np.random.Generator,
    ) -> None:
        self.casting, self.style, self.size, self.rng = casting, style, size, rng
        self.step = 1 / (between + 1)
        self.parameters = _STYLE_PARAMETERS[style]
        self.mover = Mover(size, motion, self.parameters.camera_still, rng)
        self.mapped: dict[Path, NDArray[np.uint8]] = {}
        self.background_color = backdrops.background_color(rng)
        self.ink = backdrops.color(rng) * 0.3 if rng.random() < 0.4 else np.full(3, rng.uniform(0, 60))
        self.line, self.gain = float(rng.uniform(0.6, 1.5)), float(rng.uniform(8, 20))
        self.tint = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.5, 0.9))
        self.outlines = rng.random() < 0.5
        self.line_boil = bool(rng.random() < self.parameters.line_boil)

    def scene(self) -> LayerScene:
        """Sample the scene."""
        rng, unit = self.rng, float(min(self.size))
        camera = Camera(self.mover.camera() if self.mover.pans else Motion(Pose(), Pose()))
        layers = [self._background()]
        swarm = rng.random() < self.parameters.swarm
        count = int(rng.integers(5, 12)) if swarm else 1 + min(int(rng.poisson(self.parameters.more)), 6)
        depth = 1.0
        above: Layer | None = None
        for _ in range(count):
            relative_size = np.clip(np.exp(rng.normal(np.log(0.55), 0.5)), 0.12, 1.4)
            side = unit * float(rng.uniform(0.08, 0.25) if swarm else relative_size)
            carrier = above if rng.random() < 0.2 else None
            if carrier is None:
                depth = min(depth * float(np.exp(rng.exponential(0.1))), _NEAREST)
            layer = self._sprite(side, depth, carrier)
            layers += self._parts(layer)
            above = layer if carrier is None else None
        return LayerScene(layers, camera, self.size, self.step)

    def _background(self) -> Layer:
        rng, longer = self.rng, float(max(self.size))
        shown = longer / float(rng.uniform(0.45, 1.0))  # pixels of the whole background's longer side
        kind = rng.random()
        if kind < self.parameters.image_background and self.casting.backgrounds:
            texture = self._from_image(shown)
        elif kind < self.parameters.any_background:
            texture = self._generated(shown)
        else:
            return self._plain()
        if self.style == "sketch":
            ink = textures.lines(texture, self.line, self.gain) * rng.uniform(0.3, 1.0)
            texture = textures.inked(
                textures.filled(texture, self.background_color, self.tint), ink, self.ink
            )
        if rng.random() < 0.5:
            texture = textures.mirrored(texture)
        density = max(texture.shape[:2]) / shown
        room = [
            max(length / density - side, 0) / 2
            for length, side in zip(texture.shape, self.size, strict=False)
        ]
        y, x = (float(rng.uniform(-free, free)) for free in room)
        return Layer(texture, density, Motion(Pose(x, y), Pose(x, y)), endless=True)

    def _plain(self) -> Layer:
        """A plain or gradient background; it does not move, since its motion would be invisible."""
        rng = self.rng
        if self.style != "sketch" and rng.random() < 0.25:
            texture = backdrops.gradient(self.size, rng)
        else:
            light = self.style == "sketch" or rng.random() < 0.6
            texture = backdrops.plain(self.size, self.background_color if light else backdrops.color(rng))
        return Layer(texture, 1.0, Motion(Pose(), Pose()), depth=0.0, endless=True)

    def _from_image(self, shown: float) -> Texture:
        """An image as the background: sharp, painted or out of focus."""
        rng, behind = self.rng, self.casting.backgrounds
        texture = self._picked(behind[int(rng.integers(len(behind)))], shown * _DENSITY)
        finish = rng.random()
        if finish < 0.25:
            texture = textures.painted(texture, 5 if finish < 0.12 else 3)
        elif finish < 0.38:
            texture = textures.out_of_focus(texture, float(np.exp(rng.uniform(-0.3, 1.3))))
        return textures.recolored(texture, rng, 0.5) if rng.random() < 0.3 else texture

    def _generated(self, shown: float) -> Texture:
        """A generated background, alone or with sprites scattered over it."""
        rng = self.rng
        size = [max(round(side * shown / max(self.size)), 1) for side in self.size]
        make = (backdrops.gradient, backdrops.clouds, backdrops.clouds, backdrops.pattern)[
            int(rng.integers(4))
        ]
        texture = make((size[0], size[1]), rng)
        if make is backdrops.gradient or rng.random() < 0.5:
            texture = backdrops.scatter(texture, self._random_sprite, int(rng.integers(4, 16)), rng)
        return texture

    def _picked(self, stored: Stored, longer: float) -> Texture:
        """An image, shrunk to a longer side of at most this many pixels."""
        store, number = stored
        if store.file not in self.mapped:
            self.mapped[store.file] = store.pixels()
        return textures.resized(store.texture(self.mapped[store.file], number, longer), longer)

    def _random_sprite(self, longer: float) -> Texture:
        sprites = self.casting.sprites
        return self._picked(sprites[int(self.rng.integers(len(sprites)))], longer)

    def _parts(self, layer: Layer) -> list[Layer]:
        """A sprite alone, with swinging limbs, or with a shadow below it."""
        rng, texture = self.rng, layer.texture
        side, kind = max(texture.shape[:2]), rng.random()
        if kind < self.parameters.limbs and side / layer.density > 0.2 * min(self.size):
            return cut_limbs(layer, self.mover, rng)
        if kind < 1 - self.parameters.shadows:
            return [layer]
        dark = textures.shadow_of(texture, 1 + 0.03 * side, float(rng.uniform(0.2, 0.49)))
        x, y = side / layer.density * rng.uniform((-0.06, 0.0), (0.06, 0.1))
        below = layer.motion.shifted(float(x), float(y))
        return [replace(layer, texture=dark, motion=below, solid=False, shutter=0.0), layer]

    def _sprite(self, side: float, depth: float, carrier: Layer | None) -> Layer:
        """A random sprite as a layer whose longer side has about `side` pixels at scale 1."""
        rng, sprites = self.rng, self.casting.sprites
        stored = sprites[int(rng.integers(len(sprites)))]
        side = min(side, _LARGEST * stored[0].longer(stored[1]))
        motion = self.mover.path(side, carrier is not None)
        largest = side * float(np.exp(max(motion.start.grow, motion.end.grow)))
        texture = self._styled(self._picked(stored, largest * _DENSITY))
        if rng.random() < 0.5:
            texture = textures.mirrored(texture)
        return Layer(
            texture,
            max(texture.shape[:2]) / side,
            motion,
            self.mover.bend(side, motion.ease, self.line_boil),
            carrier.depth if carrier else depth,
            (carrier.motion,) if carrier else (),
            shutter=float(rng.uniform(0.3, 0.8)) if rng.random() < 0.02 else 0.0,
        )

    def _styled(self, texture: Texture) -> Texture:
        rng = self.rng
        behind = self.casting.backgrounds
        if self.style == "finished" and behind and rng.random() < 0.15:
            image = self._picked(behind[int(rng.integers(len(behind)))], 1.5 * max(texture.shape[:2]))
            texture = textures.cut_out(image, texture)
        if rng.random() < 0.35:
            texture = textures.recolored(texture, rng, 1.0 if rng.random() < 0.3 else 0.3)
        if self.style == "sketch":
            ink = textures.lines(texture, self.line, self.gain)
            return textures.inked(textures.filled(texture, self.background_color, self.tint), ink, self.ink)
        if self.style == "flat" and self.outlines:
            ink = textures.lines(texture, self.line, self.gain)
            return textures.inked(textures.painted(texture, 3), ink, self.ink)
        return texture
