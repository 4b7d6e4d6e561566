"""Style and motion: turns outlines into parts of one style, and samples how values move."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from inbetween.data.synthetic import curves, palette
from inbetween.data.synthetic.curves import Points
from inbetween.data.synthetic.motion import Bend, Ease, Joint, Track
from inbetween.data.synthetic.parts import Color, Mark, Part

Kind = Literal["sketch", "color", "composition"]


class Pen:
    """Line, fill and shading of one scene.

    Args:
        rng: The scene's random stream.
        kind: sketch, color or composition.
        paper: RGB of the background, which also fills the shapes of a sketch.
    """

    def __init__(self, rng: np.random.Generator, kind: Kind, paper: Color) -> None:
        self.rng, self.kind, self.paper = rng, kind, paper
        self.rough = kind == "sketch"
        self.scale = 1.0
        bold = rng.random()
        self.width = 0.0035 + 0.0125 * bold**2.5
        self.ink = palette.pick(rng, ["1d1a20", "2a2226", "33251f", "202436", "000000"], 0.5)
        self.trace = rng.random() < 0.3
        if self.rough:
            self.width = float(0.0024 + 0.004 * rng.random() ** 1.5)
            self.ink = palette.pick(rng, palette.PENCIL)
            self.trace = False
        bare = {"sketch": 0.0, "color": 0.12, "composition": 0.35}[kind]
        self.bare = rng.random() < bare  # no outlines
        self.swell = float(rng.uniform(0, 0.45))  # thick and thin
        self.shading = rng.random() < {"sketch": 0.0, "color": 0.45, "composition": 0.8}[kind]
        a = rng.uniform(-2.4, -0.7)
        self.light = np.array([np.cos(a), np.sin(a)])
        self.hatched = rng.random() < 0.25  # sketches: shading by parallel strokes
        self.detailed = rng.random() < 0.6  # sketches: borders of patterns and second colours
        self.faint = palette.mix(self.ink, paper, 0.3)
        self.construction = rng.random() < 0.3  # sketches: light balls and axes below the lines
        self.second = palette.pick(rng, ["d05a52", "5f8fd0", "7aa6d8", "c98a4a"])  # construction lines

    def line_color(self, fill: Color) -> Color:
        """Colour of the outline of a fill."""
        return (
            palette.mix(palette.shade(palette.shade(fill, 2), 2), self.ink, 0.45) if self.trace else self.ink
        )

    def part(
        self,
        joint: Joint,
        outline: Points,
        fill: Color,
        marks: Sequence[Mark] = (),
        bend: Bend | None = None,
        line: float = 1.0,
        shade: float = 1.0,
        inside: Part | None = None,
        glossy: bool = False,
    ) -> Part:
        """A part in this scene's style.

        Args:
            joint: What carries it.
            outline: (n, 2) closed polygon in the part's coordinates.
            fill: RGB.
            marks: Patterns and lines on it.
            bend: A bent limb that it moves with, instead of the joint alone.
            line: Multiple of the line's width; 0 leaves it out.
            shade: Depth of the second tone; 0 leaves it out.
            inside: Shown inside of this part alone.
            glossy: With a highlight.
        """
        width = self.width * line / self.scale
        if self.rough:
            kept = [mark for mark in marks if self.detailed or not mark.clipped]
            below = self._guides(outline, width) if line >= 1 else []
            strokes = self.sketched(outline, width) if line > 0 else []
            return Part(joint, outline, self.paper, None, self.ink, [*below, *kept, *strokes], bend, inside)
        tones: list[Mark] = []
        body_fill = fill
        if self.shading and shade > 0:
            low, high = outline.min(0), outline.max(0)
            reach = 0.16 * float(np.min(high - low))
            body_fill = palette.shade(fill, shade)
            tones.append(Mark(outline + self.light * reach, fill, clipped=True))
            if glossy:
                spot = curves.ellipse(0.16, 0.1, n=12) * (high - low) + (low + high) / 2
                tones.append(
                    Mark(
                        spot + self.light * 0.28 * (high - low), palette.mix(fill, (255, 255, 255), 0.6), True
                    )
                )
        if self.bare or line == 0:
            return Part(joint, outline, body_fill, None, self.ink, [*tones, *marks], bend, inside)
        normal = curves.normals(outline)
        swell = 1 + self.swell * (normal @ -self.light)[:, None]
        outer = outline + normal * (width * 0.5 * swell)
        body = outline - normal * (width * 0.5 * swell)
        return Part(joint, body, body_fill, outer, self.line_color(fill), [*tones, *marks], bend, inside)

    def line(
        self, points: Points, width: float = 1.0, color: Color | None = None, taper: float = 0.25
    ) -> Mark:
        """A free pen line along open `points`; `width` as a multiple of the line's width."""
        path = self._wobbled(points) if self.rough else points
        thickness = max(width * self.width, 0.003) / self.scale
        return Mark(
            curves.stroke(path, thickness, (taper, taper)), self.ink if color is None or self.rough else color
        )

    def patch(self, points: Points, color: Color) -> Mark:
        """A second colour on a part, inside of its outline; its border or nothing in sketches."""
        if not self.rough:
            return Mark(points, color, clipped=True)
        ring = np.concatenate([points, points[:1]])
        return Mark(curves.stroke(ring, 0.6 * self.width / self.scale), self.faint, clipped=True)

    def solid(self, points: Points, color: Color) -> Mark:
        """A small filled shape: a button, an eye's dot. Sketches hatch it as an outline."""
        if not self.rough:
            return Mark(points, color)
        ring = np.concatenate([points, points[:1]])
        return Mark(curves.stroke(ring, 0.8 * self.width / self.scale), self.ink)

    def sketched(self, outline: Points, width: float) -> list[Mark]:
        """Rough strokes along a closed outline: a few, overshooting, of varying width and tone."""
        n = len(outline)
        normal = curves.normals(outline)
        starts = np.sort(self.rng.integers(0, n, int(self.rng.integers(2, 4))))
        strokes = []
        for k, start in enumerate(starts):
            gap = int((starts[(k + 1) % len(starts)] - start) % n) or n
            run = np.arange(start - 1, start + gap + 2) % n
            strokes.append(self._pencil(outline[run], normal[run], width))
            if self.rng.random() < 0.25:
                half = run[: max(len(run) // 2, 3)]
                strokes.append(self._pencil(outline[half], normal[half], 0.7 * width))
        return strokes

    def _guides(self, outline: Points, width: float) -> list[Mark]:
        """Hatching and construction lines of a sketched part, where the scene has them."""
        guides: list[Mark] = []
        low, high = outline.min(0), outline.max(0)
        middle, half = (low + high) / 2, (high - low) / 2
        if self.hatched:
            tone = palette.mix(self.ink, self.paper, 0.5)
            slant, thick = np.array([0.35, -0.35]) * half.min(), np.array([0.25, 0.25]) * width
            quad = np.array([-slant - 0.3 * thick, -slant + 0.3 * thick, slant + thick, slant - thick])
            foot = middle - self.light * half * 0.75
            rows = np.linspace(-0.5, 0.6, int(self.rng.integers(4, 9))) * half[1]
            guides += [Mark(quad + foot + [0.0, y], tone, clipped=True) for y in rows]
        if self.construction and self.rng.random() < 0.7:
            tone = palette.mix(self.second, self.paper, 0.45)
            ring = curves.ellipse(1, 1, n=24) * half * self.rng.uniform(0.8, 1.05, 2) + middle
            guides.append(Mark(curves.stroke(np.concatenate([ring, ring[:2]]), 0.6 * width), tone))
            axis = np.array([[0.0, -0.95], [0.06, 0.0], [0.0, 0.95]]) * half + middle
            guides.append(Mark(curves.stroke(axis, 0.6 * width, (0.3, 0.3)), tone))
        return guides

    def _pencil(self, run: Points, normal: Points, width: float) -> Mark:
        """One stroke along `run` with jitter, varying width and tapered ends."""
        s = np.arange(len(run)) / (len(run) - 1)
        slow, fast, press, weight, tone = self.rng.random(5).tolist()
        stray = (0.9 * self.width / self.scale) * (
            np.sin(4 * s + 6.3 * slow) + 0.5 * np.sin(9 * s + 6.3 * fast)
        )
        swell = np.minimum(1, 0.2 + 4 * np.minimum(s, 1 - s)) * (1 + 0.35 * np.sin(3 * s + 6.3 * press))
        side = normal * (0.5 * width * (0.7 + 0.5 * weight) * swell)[:, None]
        path = run + normal * stray[:, None]
        points = np.concatenate([path + side, (path - side)[::-1]])
        return Mark(points, palette.mix(self.ink, self.paper, 0.35 * tone))

    def _wobbled(self, run: Points) -> Points:
        size = 0.9 * self.width / self.scale
        s = (np.arange(len(run)) / len(run))[:, None]
        phase = self.rng.uniform(0, 6.3, (2, 2))
        return np.asarray(run + size * (np.sin(4 * s + phase[0]) + 0.5 * np.sin(9 * s + phase[1])))


# soft start, soft end; twice as often neither, as close frames are spaced evenly
EASES = ((False, False), (True, False), (False, True), (True, True), (False, False))


class Mover:
    """Samples the motion of all values of a scene, its size given by one number.

    Args:
        rng: The scene's random stream.
        amount: Size of the motion in [0, 1]; 0.1 is breathing, 1 a leap across the frame.
    """

    def __init__(self, rng: np.random.Generator, amount: float) -> None:
        self.rng, self.amount = rng, amount
        self.ease = self._ease(0.0)

    def _ease(self, delay: float) -> Ease:
        style, power, settle, size = self.rng.random(4).tolist()
        soft_in, soft_out = EASES[int(style * len(EASES))]
        power = 1.2 + 0.8 * power
        overshoot = 0.02 + 0.1 * size if settle < 0.15 else 0.0
        return Ease(power if soft_in else 1.0, power if soft_out else 1.0, delay, overshoot)

    def track(self, middle: float, spread: float, still: float = 0.3, lag: float = 0.0) -> Track:
        """A value about `middle` that moves within `spread`, in proportion to `amount`.

        Args:
            middle: Typical value.
            spread: Largest distance from it.
            still: Probability that it does not move.
            lag: Follow-through: its largest delay to the scene's main motion.
        """
        place, rest, side, share, own, trail, bulge = self.rng.random(7).tolist()
        centre = middle + spread * (1.2 * place - 0.6)
        move = 0.0 if rest < still else spread * self.amount * (0.35 + 0.65 * share)
        if side < 0.5:
            move = -move
        start = min(max(centre - move / 2, middle - spread), middle + spread)
        end = min(max(centre + move / 2, middle - spread), middle + spread)
        ease = self.ease if lag == 0 and own < 0.7 else self._ease(lag * trail)
        # values with different arcs move points along curves
        return Track(start, end, ease, 0.3 * (bulge - 0.5) * (end - start))

    def swing(self, spread: float, lag: float = 0.25) -> Track:
        """Hair and cloth: swings by up to `spread`, with an arc."""
        track = self.track(0.0, spread, still=0.1, lag=lag)
        return Track(
            track.start, track.end, track.ease, float(0.25 * spread * self.amount * self.rng.uniform(-1, 1))
        )

    def go(self, start: float, end: float, arc: float = 0.0) -> Track:
        """From `start` to `end` with the scene's main easing, with an additional `arc` at halfway."""
        return Track(start, end, self.ease, arc)


def colors_of(pen: Pen) -> list[Color]:
    """Clothes, second colour, accent and dark in any order, then a light one."""
    codes = palette.CLOTHES[int(pen.rng.integers(len(palette.CLOTHES)))]
    colors = [palette.rgb(c) for c in codes]
    order = pen.rng.permutation(4)
    return [colors[k] for k in order] + colors[4:]
