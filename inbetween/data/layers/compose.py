"""Scenes put together at random: what is seen, how it looks, and how it moves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inbetween.data.cels.motion import Ease
from inbetween.data.layers import backdrops, looks
from inbetween.data.layers.motion import Bend, Camera, Hinge, Motion, Pose
from inbetween.data.layers.scene import Layer, LayerScene
from inbetween.data.layers.store import PictureStore, Texture

Look = Literal["finished", "flat", "sketch"]

_DENSER = 1.3  # pixels of a texture for a pixel of the picture: sharp, and next to no aliasing
_LARGEST = 1.3  # how much larger than its file a sprite is shown
_FAR = 0.34  # of the shorter side: the largest displacement


Place = tuple[PictureStore, int]  # a picture: its store, and its number there


@dataclass(frozen=True)
class Casting:
    """Where textures come from.

    Args:
        sprites: The pictures in front.
        backgrounds: The pictures behind; empty makes them of nothing.
    """

    sprites: list[Place]
    backgrounds: list[Place]

    @classmethod
    def of(cls, sprites: PictureStore, behind: list[PictureStore]) -> "Casting":
        """All pictures: opaque ones among the sprites are backgrounds, those behind are so anyway."""
        numbered = [(sprites, k, entry.opaque) for k, entry in enumerate(sprites.entries)]
        front = [(store, k) for store, k, opaque in numbered if not opaque]
        back = [(store, k) for store, k, opaque in numbered if opaque]
        back += [(store, k) for store in behind for k in range(len(store.entries))]
        return cls(front, back)


class Composer:
    """Makes one scene.

    Args:
        casting: Where textures come from.
        look: finished, flat or sketch.
        size: Height and width in pixels.
        between: Number of in-betweens, which the length of streaks depends on.
        motion: Largest displacement as a share of the shorter side; None draws one, mostly small.
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
        self.unit = float(min(size))
        drawn = float(np.clip(np.exp(rng.normal(np.log(0.05), 1.0)), 0.004, _FAR))
        self.amount = self.unit * (drawn if motion is None else motion * float(rng.uniform(0.1, 1.0)))
        self.mapped: dict[Path, NDArray[np.uint8]] = {}
        self.paper = backdrops.paper(rng)
        self.ink = backdrops.color(rng) * 0.3 if rng.random() < 0.4 else np.full(3, rng.uniform(0, 60))
        self.line, self.gain = float(rng.uniform(0.7, 1.5)), float(rng.uniform(5, 12))
        self.tint = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.5, 0.9))
        self.outlines = rng.random() < 0.5
        self.trembling = rng.random() < {"finished": 0.0, "flat": 0.12, "sketch": 0.6}[look]

    def scene(self) -> LayerScene:
        """The scene."""
        rng = self.rng
        self.moves = rng.random() < {"finished": 0.75, "flat": 0.4, "sketch": 0.3}[self.look]
        camera = Camera(self._camera() if self.moves else Motion(Pose(), Pose()))
        layers = [self._background()]
        swarm = rng.random() < 0.12
        few = {"finished": 2.2, "flat": 1.2, "sketch": 0.8}[self.look]
        count = int(rng.integers(5, 12)) if swarm else 1 + min(int(rng.poisson(few)), 6)
        depth = 1.0
        previous: Layer | None = None
        for _ in range(count):
            depth = min(depth * float(np.exp(rng.exponential(0.12))), 2.5)
            side = self.unit * float(
                rng.uniform(0.06, 0.2) if swarm else np.clip(np.exp(rng.normal(np.log(0.5), 0.5)), 0.12, 1.4)
            )
            rides = previous if rng.random() < 0.2 else None
            layer, shade = self._sprite(side, depth, rides)
            layers += [*([shade] if shade else []), layer]
            previous = layer
        return LayerScene(layers, camera, self.size, self.step)

    def _camera(self) -> Motion:
        """How the picture as a whole moves: mostly pans, some zooms and turns, a little trembling."""
        rng, far = self.rng, self.amount * self.rng.uniform(0.3, 1.0)
        angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.integers(4) * np.pi / 2
        pan = far if rng.random() < 0.75 else 0.0
        rim = far / (self.unit / 2)
        zoom = np.clip(rng.uniform(-1, 1) * rim, -0.35, 0.35) if rng.random() < 0.4 or not pan else 0.0
        turn = np.clip(rng.uniform(-0.6, 0.6) * rim, -0.25, 0.25) if rng.random() < 0.2 else 0.0
        shake = min(0.25 * far, 0.02 * self.unit) * rng.random() if rng.random() < 0.12 else 0.0
        dx, dy = pan * np.cos(angle) / 2, pan * np.sin(angle) / 2
        middle = rng.uniform(-0.15, 0.15) if zoom else 0.0
        start = Pose(-dx, -dy, -turn / 2, middle - zoom / 2)
        end = Pose(dx, dy, turn / 2, middle + zoom / 2)
        arc = rng.uniform(-0.2, 0.2) if rng.random() < 0.2 else 0.0
        return Motion(start, end, self._ease(), arc, shake, rng.uniform(6, 30))

    def _ease(self) -> Ease:
        """Even, mostly; else slow at one end or both, some late, some swinging past the end."""
        rng = self.rng
        if rng.random() < 0.45:
            return Ease()
        soft_in, soft_out = 1 + rng.random(2) * 1.2 * (rng.random(2) < 0.7)
        delay = rng.uniform(0.05, 0.35) if rng.random() < 0.1 else 0.0
        overshoot = rng.uniform(0.03, 0.12) if rng.random() < 0.08 else 0.0
        return Ease(float(soft_in), float(soft_out), float(delay), float(overshoot))

    def _background(self) -> Layer:
        rng, longer = self.rng, float(max(self.size))
        share = float(rng.uniform(0.45, 1.0))  # of a picture that is seen
        texture, density = self._behind(longer / share)
        if self.look == "sketch":
            ink = looks.lines(texture, self.line, self.gain) * rng.uniform(0.3, 1.0)
            texture = looks.inked(looks.filled(texture, self.paper, self.tint), ink, self.ink)
        room = [max(length / density - side, 0) / 2 for length, side in zip(texture.shape, self.size, strict=False)]
        y, x = (float(rng.uniform(-free, free)) for free in room)
        flip = rng.random() < 0.5
        return Layer(texture[:, ::-1].copy() if flip else texture, density, Motion(Pose(x, y), Pose(x, y)), endless=True)

    def _behind(self, longer: float) -> tuple[Texture, float]:
        """A background as large as so many pixels of the picture on its longer side, and its density."""
        rng, behind = self.rng, self.casting.backgrounds
        pictures, made = {"finished": (0.7, 0.9), "flat": (0.12, 0.4), "sketch": (0.15, 0.15)}[self.look]
        kind = rng.random()
        if kind < pictures and behind:
            texture = self._picked(behind[int(rng.integers(len(behind)))], longer * _DENSER)
            finish = rng.random()
            if finish < 0.25:
                texture = looks.painted(texture, 5 if finish < 0.12 else 3)
            elif finish < 0.4:
                texture = looks.out_of_focus(texture, float(np.exp(rng.uniform(-0.3, 1.3))))
            if rng.random() < 0.3:
                texture = looks.recolored(texture, rng, 0.5)
            return texture, max(texture.shape[:2]) / longer
        height, width = (max(round(side * longer / max(self.size)), 1) for side in self.size)
        if kind < made:
            make = (backdrops.gradient, backdrops.clouds, backdrops.clouds, backdrops.pattern)[int(rng.integers(4))]
            texture = make((height, width), rng)
            if rng.random() < 0.5:
                texture = backdrops.heap(texture, self._strewn, int(rng.integers(4, 16)), rng)
            return texture, 1.0
        if self.look == "sketch":
            return backdrops.plain((8, 8), np.full(3, 255.0)), 1.0
        if rng.random() < 0.3:
            return backdrops.gradient((height, width), rng), 1.0
        return backdrops.plain((8, 8), self.paper if rng.random() < 0.6 else backdrops.color(rng)), 1.0

    def _picked(self, place: Place, longer: float) -> Texture:
        """A picture whose longer side has so many pixels, or fewer if it has no more."""
        store, number = place
        if store.file not in self.mapped:
            self.mapped[store.file] = store.pixels()
        return looks.resized(store.texture(self.mapped[store.file], number, longer), longer)

    def _strewn(self, longer: float) -> Texture:
        sprites = self.casting.sprites
        return self._picked(sprites[int(self.rng.integers(len(sprites)))], longer)

    def _sprite(self, side: float, depth: float, rides: Layer | None) -> tuple[Layer, Layer | None]:
        """A layer whose longer side has about so many pixels at scale 1, and perhaps its shadow."""
        rng, sprites = self.rng, self.casting.sprites
        place = sprites[int(rng.integers(len(sprites)))]
        side = min(side, _LARGEST * place[0].longer(place[1]))
        motion = self._path(side, rides is not None)
        most = side * np.exp(max(motion.start.grow, motion.end.grow)) * _DENSER
        texture = self._looks(self._picked(place, most))
        if rng.random() < 0.5:
            texture = np.ascontiguousarray(texture[:, ::-1])
        bend = self._bend(side, motion.ease)
        shutter = float(rng.uniform(0.3, 0.8)) if rng.random() < 0.03 else 0.0
        carrier = rides.motion if rides else None
        density = max(texture.shape[:2]) / side
        layer = Layer(texture, density, motion, bend, depth, carrier, shutter=shutter)
        if self.look != "finished" or rng.random() < 0.85:
            return layer, None
        dark = looks.shadow_of(texture, 1 + 0.03 * side * density, float(rng.uniform(0.2, 0.49)))
        below = Pose(*(rng.uniform(-0.06, 0.06, 2) * side + [0, 0.05 * side]))
        moved = Motion(
            _plus(motion.start, below), _plus(motion.end, below), motion.ease, motion.arc, motion.shake, motion.beat
        )
        return layer, Layer(dark, density, moved, bend, depth, carrier, solid=False)

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

    def _path(self, side: float, rides: bool) -> Motion:
        """The poses of a sprite, and how it goes from one to the other; some are held."""
        rng = self.rng
        height, width = self.size
        spread = (0.3 * side, 0.3 * side) if rides else (0.55 * height, 0.55 * width)
        y, x = rng.uniform(-1, 1, 2) * spread
        lean = rng.uniform(-0.2, 0.2) if rng.random() < 0.9 else rng.uniform(-np.pi, np.pi)
        if rng.random() < 0.2:
            pose = Pose(float(x), float(y), float(lean))
            return Motion(pose, pose)
        far = self.amount * rng.uniform(0.25, 1.0) * (0.6 if self.moves or rides else 1.0)
        angle = rng.uniform(0, 2 * np.pi)
        dx, dy = far * np.cos(angle) / 2, far * np.sin(angle) / 2
        rim = self.amount / max(side / 2, 1.0)
        turn = np.clip(rng.normal(0, 0.4) * rim, -0.8, 0.8) if rng.random() < 0.6 else 0.0
        grow = np.clip(rng.normal(0, 0.25) * rim, -0.35, 0.35) if rng.random() < 0.4 else 0.0
        stretch = np.clip(rng.normal(0, 0.2) * rim, -0.3, 0.3) if rng.random() < 0.25 else 0.0
        arc = rng.uniform(-0.35, 0.35) if rng.random() < 0.4 else 0.0
        start = Pose(float(x - dx), float(y - dy), float(lean - turn / 2), float(-grow / 2), float(-stretch / 2))
        end = Pose(float(x + dx), float(y + dy), float(lean + turn / 2), float(grow / 2), float(stretch / 2))
        return Motion(start, end, self._ease(), float(arc))

    def _bend(self, side: float, ease: Ease) -> Bend | None:
        """Waves through about half of the sprites, a swinging part in a quarter, a trembling hand."""
        rng = self.rng
        bends, swings = rng.random() < 0.4, rng.random() < 0.3
        if not (bends or swings or self.trembling):
            return None
        rows = []
        if bends:
            for _ in range(int(rng.integers(1, 3))):
                length = side * rng.uniform(0.5, 1.6)
                far = min(self.amount * rng.uniform(0.1, 0.6), 0.15 * side)
                rows.append(self._wave(length, far, 0.0, *rng.uniform(-1, 1, 2)))
        if self.trembling:
            for _ in range(2):
                length = max(side * rng.uniform(0.25, 0.8), 12.0)
                rows.append(self._wave(length, self.unit * rng.uniform(0.001, 0.004), rng.uniform(8, 40), 1.0, 1.0))
        hinge = None
        if swings:
            rim = self.amount / (0.4 * side)
            angle, middle = float(rng.normal(0, 0.6) * rim), rng.uniform(-0.5, 0.5)
            x, y = rng.uniform(-0.25, 0.25, 2) * side
            hinge = Hinge(
                float(x), float(y), float(rng.uniform(0, 2 * np.pi)), float(side * rng.uniform(0.3, 0.8)),
                float((middle - 0.5) * angle), float((middle + 0.5) * angle),
            )  # fmt: skip
        return Bend(ease, np.array(rows).reshape(-1, 8), hinge, 0.6 * side)

    def _wave(self, length: float, far: float, rate: float, low: float, high: float) -> NDArray[np.float64]:
        along, across, phase = self.rng.uniform(0, 2 * np.pi, 3)
        k = 2 * np.pi / length
        return np.array(
            [k * np.cos(along), k * np.sin(along), far * np.cos(across), far * np.sin(across), phase, rate, low, high]
        )


def _plus(pose: Pose, shift: Pose) -> Pose:
    return Pose(pose.x + shift.x, pose.y + shift.y, pose.turn, pose.grow, pose.stretch)
