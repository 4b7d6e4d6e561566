"""Stretches of a sequence between two drawings that are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from inbetween.app.pictures import Picture
from inbetween.data.transitions import Transition
from inbetween.interpolation.arcs import Neighbours

#: The keyframes around a pair; None at a cut, and where the sequence ends.
Near = tuple[Picture | None, Picture | None]


@dataclass(frozen=True)
class Segment:
    """Drawings to make between two that are given: keyframes, or a user's own drawings.

    Args:
        first: The given drawing before them.
        last: The one after them.
        t: Their positions, 0 being `first` and 1 `last`.
        transition: What lies between the two.
        guides: How things move, as text; see `steering`. Empty without guides.
        near: The keyframes around, for motion that runs through keyframes; None without that.
    """

    first: Picture
    last: Picture
    t: tuple[float, ...]
    transition: Transition
    guides: str = ""
    near: Near | None = None

    @property
    def held(self) -> Picture | None:
        """The drawing that is repeated instead, at a cut or a flash."""
        return {"repeat_first": self.first, "repeat_last": self.last}.get(self.transition)

    def neighbours(self) -> Neighbours | None:
        """The pictures of `near`, read."""
        return self.near and Neighbours(
            *(None if picture is None else picture.read() for picture in self.near)
        )


def segments_of(
    first: Picture,
    last: Picture,
    t: Sequence[float],
    own: Mapping[int, Picture],
    transition: Callable[[int], Transition],
) -> Iterator[tuple[list[int], Segment]]:
    """Split the drawings between two keyframes at those that are the user's own.

    A drawing at t between given ones at a and b lies at (t - a) / (b - a) of its segment, so that every
    drawing keeps its position in time.

    Args:
        first: The keyframe before them.
        last: The keyframe after them.
        t: Their positions.
        own: The user's own drawings, by place in `t`.
        transition: What lies after a given drawing; `first` is number 0.

    Yields:
        Places in `t`, and the segment that they are; none that is empty.
    """
    given = {
        -1: (0.0, first),
        **{place: (t[place], picture) for place, picture in own.items()},
        len(t): (1.0, last),
    }
    for number, (before, after) in enumerate(pairwise(sorted(given))):
        places = list(range(before + 1, after))
        if places:
            (a, start), (b, end) = given[before], given[after]
            # 9 digits hide the error of the division: equal charts are recognised
            inner = tuple(round((t[place] - a) / (b - a), 9) for place in places)
            yield places, Segment(start, end, inner, transition(number))
