"""What a project is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from inbetween.app.pictures import Look, Picture
from inbetween.app.segments import Segment
from inbetween.app.timing import Timing
from inbetween.interpolation.model import Cuts
from inbetween.interpolation.palette import PaletteMode

PairOf = tuple[int, int]  # the numbers of two keyframes


@dataclass(frozen=True)
class Style:
    """What the drawings depend on besides keyframes and timing.

    Args:
        method: Name of the method that draws.
        palette: Whether it keeps to the keyframes' flat colours.
        cuts: `repeat` treats cuts, fades and flashes as what they are; `interpolate` takes all for motion.
        candidates: How many versions of each drawing are made.
        arcs: Whether motion runs through the keyframes.
    """

    method: str
    palette: PaletteMode = "none"
    cuts: Cuts = "repeat"
    candidates: int = 1
    arcs: bool = False


class Keyframe(NamedTuple):
    """A keyframe, which keeps its number when the order changes."""

    number: int
    name: str  # of the user's file
    picture: Picture


@dataclass
class Pair:
    """What the user has set for the drawings between two keyframes.

    Args:
        timing: Theirs alone; None takes the timing of all.
        own: Drawings of the user's own, by their place in the chart.
        chosen: Index of the chosen candidate, by place.
        guides: How things move between the two, as text; see `steering`. Empty without guides.
    """

    timing: Timing | None = None
    own: dict[int, Picture] = field(default_factory=dict)
    chosen: dict[int, int] = field(default_factory=dict)
    guides: str = ""


class Drawing(NamedTuple):
    """A drawing that a method made."""

    picture: Picture
    review: str  # a word of `REVIEW_LABELS`; empty where the method does not say


class ResultKey(NamedTuple):
    """What determines the drawings of a segment."""

    segment: Segment
    style: Style
    candidate: int
    look: Look
