"""What one user works on: keyframes, their timing, and the drawings between them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from inbetween.app.limits import MAX_BETWEEN, MAX_DRAWINGS, MAX_KEYFRAMES
from inbetween.app.pictures import Picture, Pictures
from inbetween.app.segments import Segment, segments_of
from inbetween.data.shots import find_cuts
from inbetween.errors import UserError
from inbetween.functional.spacing import Chart
from inbetween.interpolation.model import Cuts
from inbetween.interpolation.palette import PaletteMode
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
    if not 1 <= between <= MAX_BETWEEN:
        raise UserError(
            f"{between} drawings between two keyframes cannot be made here: ask for 1 to {MAX_BETWEEN}."
        )
    return Timing(chosen_chart(between, spacing, None), spacing)


def own_timing(t: Sequence[float]) -> Timing:
    """Timing by the user's own chart.

    Raises:
        UserError: The numbers do not rise from 0 to 1.
    """
    if not 1 <= len(t) <= MAX_BETWEEN:
        raise UserError(
            f"{len(t)} drawings between two keyframes cannot be made here: ask for 1 to {MAX_BETWEEN}."
        )
    return Timing(chosen_chart(None, None, t))


@dataclass(frozen=True)
class Style:
    """What the drawings depend on besides keyframes and timing.

    Args:
        method: Name of the method that draws.
        palette: Whether it keeps to the keyframes' flat colours.
        cuts: What happens between keyframes of different shots.
        candidates: How many versions of each drawing are made.
    """

    method: str
    palette: PaletteMode = "none"
    cuts: Cuts = "repeat"
    candidates: int = 1


class Keyframe(NamedTuple):
    """A keyframe, which keeps its number when the order changes."""

    number: int
    name: str  # of the user's file
    picture: Picture


PairOf = tuple[int, int]  # the numbers of two keyframes


@dataclass
class Pair:
    """What the user has set for the drawings between two keyframes.

    Args:
        timing: Theirs alone; None takes the timing of all.
        own: Drawings of the user's own, by their place in the chart.
        chosen: Index of the chosen candidate, by place.
    """

    timing: Timing | None = None
    own: dict[int, Picture] = field(default_factory=dict)
    chosen: dict[int, int] = field(default_factory=dict)


class Drawing(NamedTuple):
    """A drawing that a method made."""

    picture: Picture
    review: str  # a word of `REVIEW_LABELS`; empty where the method does not say


#: What a segment's drawings are determined by.
ResultKey = tuple[Segment, Style, int, bool, bool]


class Frame(NamedTuple):
    """A place of the sequence.

    Args:
        pair: Of which keyframes it lies between, or which it begins or ends.
        place: In the chart; None for a keyframe.
        picture: What is shown; None where nothing has been drawn yet.
        own: A drawing of the user's.
        held: A repeated keyframe before a cut.
        candidates: Drawings to choose from.
        chosen: Which of them is shown.
    """

    pair: PairOf
    place: int | None
    picture: Picture | None
    own: bool = False
    held: bool = False
    candidates: tuple[Drawing, ...] = ()
    chosen: int = 0


class Project:
    """Keyframes, timing and drawings of one user.

    What a method has drawn is kept by what determines it: only what has changed is drawn again. All methods
    may be called from several threads.

    Args:
        folder: For pictures; it exists, and is removed by `close`.
        style: To begin with.
    """

    def __init__(self, folder: Path, style: Style) -> None:
        self.folder = folder
        self.pictures = Pictures(folder)
        self.keyframes: list[Keyframe] = []
        self.timing = chart_timing(3, "even")
        self.style = style
        self.hold, self.fps = 1, 12.0
        self.pairs: dict[PairOf, Pair] = {}
        self.results: dict[ResultKey, tuple[Drawing, ...]] = {}
        self.lock = threading.RLock()
        self.drawing: tuple[int, int] | None = None  # how many are done, of how many
        self.stopped = False
        self.views = 0  # that have been made: the browser ignores those that come late
        self._next = 0
        self._cuts: dict[tuple[str, str], bool] = {}

    def close(self) -> None:
        """Stop drawing and remove all files."""
        self.stopped = True
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, path: Path, at: int | None = None) -> int:
        """Add keyframes from a file: one image, or all of an animation.

        Args:
            path: The file.
            at: Place of the first one; None is the end.

        Returns:
            How many there were.

        Raises:
            UserError: It cannot be used; nothing is added then.
        """
        with self.lock:
            room = MAX_KEYFRAMES - len(self.keyframes)
            if room < 1:
                raise UserError(f"There are {MAX_KEYFRAMES} keyframes, the most that this page takes.")
            size = self.keyframes[0].picture.size if self.keyframes else None
            found = list(self.pictures.read_file(path, room, size))
            several = len(found) > 1
            new = [
                Keyframe(
                    self._next + number, f"{path.name} ({number + 1})" if several else path.name, picture
                )
                for number, picture in enumerate(found)
            ]
            self._next += len(new)
            at = len(self.keyframes) if at is None else at
            self.keyframes[at:at] = new
            try:
                self._check_length()
            except UserError:
                self.keyframes = [keyframe for keyframe in self.keyframes if keyframe not in new]
                raise
            return len(new)

    def move(self, number: int, to: int) -> None:
        """Move a keyframe to another place of the order, counted from 0."""
        with self.lock:
            keyframe = self.keyframes.pop(self._at(number))
            self.keyframes.insert(to, keyframe)

    def remove(self, number: int) -> None:
        """Remove a keyframe."""
        with self.lock:
            self.keyframes.pop(self._at(number))

    def clear(self) -> None:
        """Remove everything."""
        with self.lock:
            self.keyframes, self.pairs, self.results = [], {}, {}
            self.pictures.keep(())

    def set_timing(self, timing: Timing | None, pair: PairOf | None = None) -> None:
        """Set the timing of all pairs, or of one; None gives one the timing of all again.

        Where the number of drawings changes, those of the user's own stay where they are in time.

        Raises:
            UserError: There is no room for them, or the sequence becomes too long.
        """
        with self.lock:
            before = self.timing, {key: replace(found) for key, found in self.pairs.items()}
            moved = {key: self.timing_of(key) for key in self.pairs}
            if pair is None:
                assert timing is not None
                self.timing = timing
            else:
                self._pair(pair).timing = timing
            try:
                for key, old in moved.items():
                    self._fit_own(key, old.t)
                self._check_length()
            except UserError:
                self.timing, self.pairs = before
                raise

    def set_style(self, style: Style) -> None:
        """Set how drawings are made."""
        with self.lock:
            self.style = style

    def choose(self, pair: PairOf, place: int, candidate: int) -> None:
        """Choose a candidate of a drawing."""
        with self.lock:
            self._pair(pair).chosen[self._place(pair, place)] = candidate

    def replace(self, pair: PairOf, place: int, path: Path) -> None:
        """Put a user's own drawing in the place of a made one; its neighbours are drawn from it.

        Raises:
            UserError: The file cannot be used.
        """
        with self.lock:
            place = self._place(pair, place)
            (picture,) = self.pictures.read_file(path, 1, self.keyframes[0].picture.size)
            self._pair(pair).own[place] = picture

    def restore(self, pair: PairOf, place: int) -> None:
        """Take the user's own drawing away again."""
        with self.lock:
            self._pair(pair).own.pop(place, None)

    def pairs_in_order(self) -> list[PairOf]:
        """The neighbouring keyframes."""
        return [(first.number, last.number) for first, last in pairwise(self.keyframes)]

    def timing_of(self, pair: PairOf) -> Timing:
        """The timing between two keyframes."""
        found = self.pairs.get(pair)
        return found.timing if found and found.timing else self.timing

    def is_cut(self, first: Picture, last: Picture) -> bool:
        """Whether a picture is repeated until the next one, which seems to be of another shot."""
        names = first.name, last.name
        if names not in self._cuts:
            self._cuts[names] = bool(find_cuts([first.glance, last.glance]))
        return self.style.cuts == "repeat" and self._cuts[names]

    def plan(self) -> Iterator[tuple[PairOf, list[int], Segment]]:
        """What is to be drawn: for each pair, its places, and the segments that they lie in."""
        for index, pair in enumerate(self.pairs_in_order()):
            first, last = (keyframe.picture for keyframe in self.keyframes[index : index + 2])
            own = self.pairs.get(pair, Pair()).own
            for places, segment in segments_of(first, last, self.timing_of(pair).t, own, self.is_cut):
                yield pair, places, segment

    def key_of(self, segment: Segment, candidate: int) -> ResultKey:
        """What determines a segment's drawings."""
        style = replace(self.style, candidates=1)
        return segment, style, candidate, self.grey, self.transparent

    @property
    def shown(self) -> list[Picture]:
        """The keyframes and the user's own drawings between them."""
        own = (self.pairs.get(pair, Pair()).own.values() for pair in self.pairs_in_order())
        return [keyframe.picture for keyframe in self.keyframes] + [
            picture for found in own for picture in found
        ]

    @property
    def grey(self) -> bool:
        """Whether everything given is without colour."""
        return all(picture.grey for picture in self.shown)

    @property
    def transparent(self) -> bool:
        """Whether something given has transparency."""
        return any(picture.transparent for picture in self.shown)

    def sequence(self) -> list[Frame]:
        """All places of the sequence in order."""
        with self.lock:
            frames: dict[tuple[PairOf, int], Frame] = {}
            for pair, places, segment in self.plan():
                found = [
                    self.results.get(self.key_of(segment, number)) for number in range(self.style.candidates)
                ]
                drawn = [drawings for drawings in found if drawings]
                chosen = self.pairs.get(pair, Pair()).chosen
                for number, place in enumerate(places):
                    candidates = tuple(drawings[number] for drawings in drawn)
                    choice = min(chosen.get(place, 0), max(len(candidates) - 1, 0))
                    picture = candidates[choice].picture if candidates else None
                    if segment.held:
                        frames[pair, place] = Frame(pair, place, segment.first, held=True)
                    else:
                        frames[pair, place] = Frame(
                            pair, place, picture, candidates=candidates, chosen=choice
                        )
            order: list[Frame] = []
            for index, pair in enumerate(self.pairs_in_order()):
                order.append(Frame(pair, None, self.keyframes[index].picture))
                own = self.pairs.get(pair, Pair()).own
                for place in range(len(self.timing_of(pair).t)):
                    mine = own.get(place)
                    order.append(Frame(pair, place, mine, own=True) if mine else frames[pair, place])
            if self.keyframes:
                last = self.keyframes[-1]
                order.append(Frame((last.number, last.number), None, last.picture))
            return order

    def forget_unused(self) -> None:
        """Remove drawings that the sequence does not show any more, and their files."""
        with self.lock:
            used = {
                self.key_of(segment, number)
                for _, _, segment in self.plan()
                for number in range(self.style.candidates)
            }
            self.results = {key: found for key, found in self.results.items() if key in used}
            own = [picture for pair in self.pairs.values() for picture in pair.own.values()]
            drawn = [drawing.picture for found in self.results.values() for drawing in found]
            self.pictures.keep({picture.name for picture in [*self.shown, *own, *drawn]})

    def _fit_own(self, pair: PairOf, before: Sequence[float]) -> None:
        """Move a pair's own drawings to the places of its chart that are nearest in time."""
        found, t = self.pairs[pair], self.timing_of(pair).t
        if len(t) == len(before):
            return
        if len(found.own) > len(t):
            raise UserError(
                f"{len(found.own)} drawings between two keyframes are your own: keep at least as many places, or"
                " take drawings away first."
            )
        placed: dict[int, Picture] = {}
        left = sorted(found.own)
        for number, place in enumerate(left):
            # those that follow need places too
            free = range(max(placed, default=-1) + 1, len(t) - (len(left) - number - 1))
            placed[min(free, key=lambda at: abs(t[at] - before[place]))] = found.own[place]
        self.pairs[pair] = replace(found, own=placed, chosen={})

    def _check_length(self) -> None:
        length = len(self.keyframes) + sum(len(self.timing_of(pair).t) for pair in self.pairs_in_order())
        if length > MAX_DRAWINGS:
            raise UserError(
                f"The sequence would have {length} drawings, and {MAX_DRAWINGS} are the most that this page makes:"
                " ask for fewer between two keyframes, or work on a part."
            )

    def _at(self, number: int) -> int:
        for index, keyframe in enumerate(self.keyframes):
            if keyframe.number == number:
                return index
        raise UserError("This keyframe is not there any more.")

    def _pair(self, pair: PairOf) -> Pair:
        if pair not in self.pairs_in_order():
            raise UserError("These keyframes are not neighbours any more.")
        return self.pairs.setdefault(pair, Pair())

    def _place(self, pair: PairOf, place: int) -> int:
        self._pair(pair)
        if not 0 <= place < len(self.timing_of(pair).t):
            raise UserError("This drawing is not there any more.")
        return place
