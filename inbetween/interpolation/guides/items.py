"""Guides are given as JSON or as Python values; this reads them item by item, and names what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import numpy as np
from numpy.typing import NDArray

from inbetween.errors import UserError
from inbetween.interpolation.guides.masks import Mask, read_mask
from inbetween.interpolation.guides.timing import NamedTiming, Timing

MOST = 1000  # entries of a list: more are a mistake
Found = TypeVar("Found")
Point = tuple[float, float]


class Item:
    """A JSON object among the guides.

    Args:
        data: What was given in its place.
        place: Its name in messages, such as `guides, pairs[0].regions[1]`.
        keys: Those it may have.
        folder: That mask files are relative to; None where files must not be named.

    Raises:
        UserError: It is no object, or has another key.
    """

    def __init__(self, data: Any, place: str, keys: Sequence[str], folder: Path | None) -> None:  # noqa: ANN401 - JSON
        self.place, self.folder = place, folder
        if not isinstance(data, Mapping):
            raise UserError(f"{place} is {shown(data)}: give an object with the keys {', '.join(keys)}.")
        for key in data:
            if key not in keys:
                near = get_close_matches(str(key), keys, 1, 0.5)
                way_out = f"did you mean {near[0]}?" if near else f"there are {', '.join(keys)}."
                raise UserError(f"{place} has the key {key}, which is unknown: {way_out}")
        self.data = data

    def __contains__(self, key: str) -> bool:
        return self.data.get(key) is not None

    def get(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """The value of a key that is required."""
        if key not in self:
            raise UserError(f"{self.place} has no {key}: give one.")
        return self.data[key]

    def each(self, key: str, read: Callable[[Any, str], Found]) -> tuple[Found, ...]:
        """The entries of a list, each read by `read(entry, place)`; none where there is no such key."""
        place, entries = f"{self.place}.{key}", self.data.get(key)
        if entries is None:
            return ()
        if not isinstance(entries, list | tuple):
            raise UserError(f"{place} is {shown(entries)}: give a list.")
        if len(entries) > MOST:
            raise UserError(f"{place} has {len(entries)} entries: give {MOST} at most.")
        return tuple(read(entry, f"{place}[{number}]") for number, entry in enumerate(entries))

    def number(
        self, key: str, default: float | None = None, *, above: float = -math.inf, most: float = math.inf
    ) -> float | None:
        """A finite number, larger than `above` and up to `most`."""
        if key not in self:
            return default
        found = number(self.data[key], f"{self.place}.{key}")
        if not above < found <= most:
            limits = f"above {above:g}" + ("" if math.isinf(most) else f", up to {most:g}")
            raise UserError(f"{self.place}.{key} is {found:g}: give a number {limits}.")
        return found

    def truth(self, key: str) -> bool:
        """True or false; false by default."""
        found = self.data.get(key, False)
        if not isinstance(found, bool):
            raise UserError(f"{self.place}.{key} is {shown(found)}: give true or false.")
        return found

    def whole(self, key: str) -> int:
        """A whole number from 0; 0 by default."""
        found = self.data.get(key, 0)
        if isinstance(found, bool) or not isinstance(found, int | np.integer) or found < 0:
            raise UserError(f"{self.place}.{key} is {shown(found)}: give a whole number from 0.")
        return int(found)

    def point(self, key: str) -> Point:
        """A point [x, y]."""
        return point(self.get(key), f"{self.place}.{key}")

    def points(self, key: str, least: int) -> tuple[Point, ...]:
        """A list of at least this many points."""
        place, given = f"{self.place}.{key}", _listed(self.get(key))
        if not isinstance(given, list | tuple):
            raise UserError(f"{place} is {shown(given)}: give a list of points [x, y].")
        if not least <= len(given) <= MOST:
            count = f"{len(given)} point{'' if len(given) == 1 else 's'}"
            raise UserError(f"{place} has {count}: give {least} to {MOST}.")
        return tuple(point(each, f"{place}[{number}]") for number, each in enumerate(given))

    def segment(self, key: str) -> tuple[Point, Point]:
        """Two different points."""
        found = self.points(key, 2)
        if len(found) != 2 or found[0] == found[1]:
            raise UserError(f"{self.place}.{key} is {shown(self.data[key])}: give two different points.")
        return found[0], found[1]

    def mask(self, key: str) -> Mask | None:
        """A mask: a polygon, a file, or an array; None where there is no such key."""
        if key not in self:
            return None
        place, given = f"{self.place}.{key}", self.data[key]
        if isinstance(given, str | Path):
            if self.folder is None:
                raise UserError(f"{place} names a file: give the points of a polygon here.")
            return read_mask(self.folder / given, place)
        if isinstance(given, np.ndarray) and given.dtype in (np.uint8, np.bool_) and given.ndim == 2:
            most = np.float32(255 if given.dtype == np.uint8 else 1)
            share: NDArray[np.float32] = given.astype(np.float32) / most
            return Mask(place, pixels=share)
        if isinstance(given, np.ndarray) and given.shape[1:] != (2,):
            kind = f"an array {given.shape} of {given.dtype}"
            raise UserError(f"{place} is {kind}: give an array (H, W) of bool or uint8, or a list of points.")
        return Mask(place, polygon=self.points(key, 3))

    def timing(self, key: str) -> Timing:
        """A spacing chart, by name or as numbers; `even` by default."""
        place, given, known = f"{self.place}.{key}", self.data.get(key, "even"), get_args(NamedTiming)
        if isinstance(given, str):
            if given not in known:
                raise UserError(f"{place} is {given}: give one of {', '.join(known)}, or a list of numbers.")
            return cast(NamedTiming, given)
        given = _listed(given)
        if not isinstance(given, list | tuple) or not 1 <= len(given) <= MOST:
            raise UserError(f"{place} is {shown(given)}: give the name of a chart, or a list of numbers.")
        chart = tuple(number(each, f"{place}[{place_in}]") for place_in, each in enumerate(given))
        if list(chart) != sorted(chart) or chart[0] < 0 or chart[-1] > 1:
            raise UserError(f"{place} is {shown(given)}: give rising numbers between 0 and 1.")
        return chart


def point(given: Any, place: str) -> Point:  # noqa: ANN401 - whatever a user gives
    """A point [x, y].

    Raises:
        UserError: It is something else.
    """
    given = _listed(given)
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise UserError(f"{place} is {shown(given)}: give a point [x, y] in pixels.")
    return number(given[0], place), number(given[1], place)


def _listed(given: Any) -> Any:  # noqa: ANN401 - whatever a user gives
    """Arrays as lists, all else as it is."""
    return given.tolist() if isinstance(given, np.ndarray) else given


def number(given: Any, place: str) -> float:  # noqa: ANN401 - whatever a user gives
    """A finite number.

    Raises:
        UserError: It is something else.
    """
    known = isinstance(given, int | float | np.integer | np.floating) and not isinstance(given, bool)
    if not known or not abs(given) < 1e9:
        raise UserError(f"{place} is {shown(given)}: give a finite number.")
    return float(given)


def shown(value: Any) -> str:  # noqa: ANN401 - whatever a user gives
    """A value in a message, not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
