"""Positions of frames between two keyframes."""

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any, get_args

import torch

from inbetween.data.source import MAX_BETWEEN
from inbetween.errors import UserError
from inbetween.functional.spacing import Chart, spacing_chart


def positions(t: float | Sequence[float]) -> tuple[float, ...]:
    """Numbers in (0, 1), in any order.

    Raises:
        UserError: There are none or too many, or one is no such number.
    """
    found = _numbers(t)
    if not 1 <= len(found) <= MAX_BETWEEN:
        raise UserError(f"t has {len(found)} numbers: give 1 to {MAX_BETWEEN}.")
    for number in found:
        if not 0 < number < 1:
            raise UserError(f"t has {number:g}: give numbers between 0 (first) and 1 (last), both excluded.")
    return found


def whole_number(name: str, value: Any) -> int:  # noqa: ANN401 - whatever a user gives
    """An integer that is given as an argument.

    Raises:
        UserError: It is something else.
    """
    try:
        return index(value)
    except TypeError:
        raise UserError(f"{name} is {value!r}: give a whole number.") from None


def chosen_chart(
    between: int | None, spacing: Chart | None, t: float | Sequence[float] | None
) -> tuple[float, ...]:
    """Positions of the frames between neighbouring keyframes: the user's own chart, or a named one.

    Args:
        between: Number of frames; 1 by default.
        spacing: Name of a chart; `even` by default.
        t: Rising numbers in (0, 1), or one number, in place of both.

    Raises:
        UserError: Both are given, one is of another kind, or the numbers do not rise from 0 to 1.
    """
    own = () if t is None else _numbers(t)
    if own and (between is not None or spacing):
        raise UserError("t sets the number of frames and their positions: leave out between and spacing.")
    if between is not None and not 1 <= whole_number("between", between) <= MAX_BETWEEN:
        raise UserError(f"between is {between}: give a number of frames from 1 to {MAX_BETWEEN}.")
    known = get_args(Chart)
    if spacing and spacing not in known:
        raise UserError(f"There is no spacing {spacing}: give one of {', '.join(known)}.")
    chart = own or tuple(spacing_chart(spacing or "even", between or 1))
    # methods compute in float32, where positions that differ in float64 may coincide
    rounded = torch.tensor([0.0, *chart, 1.0])
    if len(chart) <= MAX_BETWEEN and bool((rounded.diff() > 0).all()):
        return chart
    if own:
        given = " ".join(map(str, own))
        raise UserError(f"t is {given}: give rising numbers between 0 and 1, such as 0.25 0.5 0.75.")
    raise UserError(f"spacing {spacing} leaves no room for {between} frames: ask for fewer.")


def _numbers(t: Any) -> tuple[float, ...]:  # noqa: ANN401 - whatever a user gives
    several = isinstance(t, Iterable) and not isinstance(t, str)
    try:
        return tuple(float(number) for number in (t if several else (t,)))
    except (TypeError, ValueError):
        raise UserError(f"t is {t!r}: give numbers between 0 and 1, such as [0.25, 0.5, 0.75].") from None
