"""When what is shown: how many frames lie between two keyframes, and how many a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from inbetween.commands.places import Places, maps_per_pair
from inbetween.data.keyframes import Keyframes
from inbetween.data.source import MAX_BETWEEN
from inbetween.errors import UserError
from inbetween.functional.spacing import Chart
from inbetween.interpolation.timing import chosen_chart
from inbetween.io.animation import FPS
from inbetween.io.sequences import SourceImage

ROUNDED = 0.005  # seconds by which a clip may be longer or shorter to have a usual rate

# an option, what it does, and the options beside which it makes no sense
_CONTRADICTIONS = (
    (
        "redraw_holds",
        "keeps every frame's time",
        ("between", "frames", "hold", "keys_every", "spacing_map", "t"),
    ),
    ("spacing_map", "sets the frames' positions", ("between", "frames", "spacing", "t")),
    ("frames", "sets the number of frames", ("between", "t")),
)


def check_options(given: Mapping[str, Any]) -> None:
    """Check that no two options contradict each other.

    Args:
        given: Values of those that say how many frames there are and where, None or empty where they are left
            alone.

    Raises:
        UserError: Two do, or a number is out of range.
    """
    names = {name for name, value in given.items() if value not in (None, [], False)}
    for one, says, others in _CONTRADICTIONS:
        if one in names and names & set(others):
            found = " and ".join(f"--{other}" for other in others if other in names)
            raise UserError(f"{one} {says}: leave out {found}.")


def plan(
    keys: Keyframes,
    between: int | None,
    spacing: Chart | None,
    t: Sequence[float] | None,
    maps: tuple[SourceImage, ...],
    frames: int | None,
    fps: float | None,
    hold: int,
) -> Places:
    """How many frames lie between each two keyframes, and where.

    Args:
        keys: The keyframes.
        between: The same number between all.
        spacing: Name of their chart.
        t: A chart.
        maps: Spacing maps.
        frames: The number of all drawings instead, keyframes included.
        fps: Instead of all, where the keyframes' file has times: as many as it then takes to last as long.
        hold: How often each drawing is shown.

    Raises:
        UserError: A number is out of range, or options contradict each other.
    """
    if maps:
        return Places((), maps_per_pair(maps, keys))
    if keys.gaps:
        open_end = 0 if keys.loop else keys.gaps[-1] - 1
        held = keys.gaps[: keys.pairs]
        # what rests is repeated, however long: any rising numbers do
        charts = tuple(
            tuple(n / gap for n in range(1, gap)) if pair in keys.resting else _chart(gap - 1, spacing)
            for pair, gap in enumerate(held)
        )
        return Places(charts, rest=open_end)
    if frames is None and fps and keys.span and between is None and not t:
        images = len(keys.source_images)
        frames = round(keys.span * fps / hold * keys.pairs / (images - 1)) + (not keys.loop)
        if frames <= images:
            raise UserError(
                f"{keys.source_images[0].path} shows {(images - 1) / keys.span:.4g} keyframes a second, and"
                f" fps {fps:g} with hold {hold} leaves no room between them: give more, take fewer keyframes"
                " with --keys_every, or set --between."
            )
    if frames is None:
        return Places((chosen_chart(between, spacing, t or None),) * keys.pairs)
    if frames < len(keys.source_images):
        raise UserError(
            f"frames is {frames}, and there are {len(keys.source_images)} keyframes: give as many or more, or"
            " take fewer keyframes with --keys_every."
        )
    added = frames - len(keys.source_images)
    if added > MAX_BETWEEN * keys.pairs:
        raise UserError(f"frames is {frames}: give at most {MAX_BETWEEN} for each two keyframes.")
    ends = [added * pair // keys.pairs for pair in range(keys.pairs + 1)]
    return Places(tuple(_chart(end - begin, spacing) for begin, end in pairwise(ends)))


def frame_rate(keys: Keyframes, places: Places, hold: int) -> float:
    """Frames a second that keep the times at which the first and the last keyframe are shown, else 12."""
    if not keys.span:
        return FPS
    until = places.counts[: len(keys.source_images) - 1]
    frames = sum(keys.gaps) - 1 if keys.gaps else (sum(until) + len(until)) * hold
    exact = frames / keys.span
    # files round times, to a hundredth of a second in GIF: the usual rates are meant
    usual = (round(exact), round(exact * 1.001) / 1.001)
    close = [rate for rate in usual if rate and abs(frames / rate - keys.span) < ROUNDED]
    return min(close, key=lambda rate: abs(rate - exact), default=exact)


def numbered(places: Places, loop: bool) -> list[range]:
    """Numbers of the frames of each pair, in the order of the sequence.

    A pair's are its first keyframe and those that lie between. The last pair's are its last keyframe too, as
    often as it is repeated; in a cycle not, since it is the first one.
    """
    ranges, start = [], 0
    for count in places.counts:
        ranges.append(range(start, start + count + 1))
        start += count + 1
    if not loop:
        ranges[-1] = range(ranges[-1].start, start + 1 + places.rest)
    return ranges


def keyframes_in(places: Places, loop: bool) -> set[int]:
    """Numbers of the frames that are keyframes."""
    starts = [pair.start for pair in numbered(places, loop)]
    return {*starts} if loop else {*starts, starts[-1] + places.counts[-1] + 1}


def _chart(count: int, spacing: Chart | None) -> tuple[float, ...]:
    return chosen_chart(count, spacing, None) if count else ()
