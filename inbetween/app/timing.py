"""Where the drawings between two keyframes lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from inbetween.app.limits import MAX_BETWEEN
from inbetween.app.pictures import Picture
from inbetween.errors import UserError
from inbetween.functional.spacing import Chart
from inbetween.interpolation.timing import chosen_chart


@dataclass(frozen=True)
class Timing:
    """Where the drawings between two keyframes lie.

    Args:
        t: Rising numbers in (0, 1).
        spacing: The chart that they come from; None for the user's own.
    """

    t: tuple[float, ...]
    spacing: Chart | None = None


def chart_timing(between: int, spacing: Chart) -> Timing:
    """Timing by a named chart.

    Raises:
        UserError: There is no such chart, or it has no room for so many drawings.
    """
    _check_number(between)
    return Timing(chosen_chart(between, spacing, None), spacing)


def own_timing(t: Sequence[float]) -> Timing:
    """Timing by the user's own chart.

    Raises:
        UserError: The numbers do not rise from 0 to 1.
    """
    _check_number(len(t))
    try:
        return Timing(chosen_chart(None, None, t))
    except UserError:
        raise UserError(
            "The positions must rise from 0 to 100 per cent, each above the one before."
        ) from None


def changed(now: Timing, spacing: Chart | None = None, between: int | None = None) -> Timing:
    """A timing with another chart or another number of drawings; a user's own keeps its curve.

    Raises:
        UserError: There is no such chart, or it has no room for so many drawings.
    """
    between = len(now.t) if between is None else between
    if spacing or now.spacing:
        return chart_timing(between, spacing or now.spacing or "even")
    _check_number(between)
    curve = np.interp(np.linspace(0, 1, between + 2), np.linspace(0, 1, len(now.t) + 2), [0, *now.t, 1])
    return own_timing(curve[1:-1].tolist())


def fitted(own: Mapping[int, Picture], before: Sequence[float], t: Sequence[float]) -> dict[int, Picture]:
    """The user's own drawings in a chart with another number of places: as near in time as can be.

    Args:
        own: By place in `before`.
        before: The chart until now.
        t: The new chart.

    Raises:
        UserError: It has not enough places.
    """
    if len(t) == len(before):
        return dict(own)
    if len(own) > len(t):
        raise UserError(
            f"{len(own)} drawings between two keyframes are your own: keep at least as many places, or take"
            " drawings away first."
        )
    left = sorted(own)

    @cache
    def best(number: int, begin: int) -> tuple[float, tuple[int, ...]]:
        """Distance in time, and places from `begin` on, of the drawings from `number` on."""
        if number == len(left):
            return 0.0, ()
        found = []
        for at in range(begin, len(t) - (len(left) - number - 1)):  # those that follow need places too
            distance, places = best(number + 1, at + 1)
            found.append((distance + abs(t[at] - before[left[number]]), (at, *places)))
        return min(found)

    return {at: own[place] for at, place in zip(best(0, 0)[1], left, strict=True)}


def _check_number(between: int) -> None:
    if not 1 <= between <= MAX_BETWEEN:
        raise UserError(
            f"{between} drawings between two keyframes cannot be made here: 1 to {MAX_BETWEEN} can."
        )
