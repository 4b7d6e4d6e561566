"""What one user works on: keyframes, their timing, and the drawings between them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from inbetween.app.limits import MAX_DRAWINGS, MAX_KEYFRAMES
from inbetween.app.parts import Drawing, Keyframe, Pair, PairOf, ResultKey, Style
from inbetween.app.pictures import Look, Picture, Pictures, common_look
from inbetween.app.segments import Near, Segment, segments_of
from inbetween.app.shots import Shots
from inbetween.app.timing import Timing, chart_timing, fitted
from inbetween.data.transitions import Transition, Transitions
from inbetween.errors import UserError


class Project:
    """Keyframes, timing and drawings of one user.

    What a method has drawn is kept by what determines it: only what has changed is drawn again. All methods
    may be called from several threads.

    Args:
        folder: For pictures; it exists, and is removed by `close`.
        style: To begin with.

    Attributes:
        hold: How often each drawing is shown.
        fps: Frames a second.
        drawing: While drawings are made: how many are done, of how many.
        stopped: The user wants no more of them.
        remarks: What the user should know of the drawings that were made last, a sentence each.
        views: How many times the browser has been told of this project; it ignores what comes late.
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
        self.drawing: tuple[int, int] | None = None
        self.stopped = False
        self.remarks: list[str] = []
        self.views = 0
        self._next = 0
        self._shots = Shots()

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
            names = [f"{path.name} ({number + 1})" for number in range(len(found))]
            new = [
                Keyframe(self._next + number, names[number] if len(found) > 1 else path.name, picture)
                for number, picture in enumerate(found)
            ]
            self._next += len(new)
            before = list(self.keyframes)
            at = len(before) if at is None else at
            self.keyframes[at:at] = new
            try:
                self._check_length()
            except UserError:
                self.keyframes = before
                raise
            return len(new)

    def move(self, number: int, to: int) -> None:
        """Move a keyframe to another place of the order, counted from 0.

        Raises:
            UserError: It is not there, or the sequence becomes too long.
        """
        with self.lock:
            before = list(self.keyframes)
            keyframe = self.keyframes.pop(self._at(number))
            self.keyframes.insert(to, keyframe)
            try:
                self._check_length()
            except UserError:
                self.keyframes = before
                raise

    def remove(self, number: int) -> None:
        """Remove a keyframe.

        Raises:
            UserError: It is not there.
        """
        with self.lock:
            self.keyframes.pop(self._at(number))
            # numbers are never used again
            self.pairs = {pair: found for pair, found in self.pairs.items() if number not in pair}

    def clear(self) -> None:
        """Remove everything, and stop drawing."""
        with self.lock:
            self.stopped = True
            self.keyframes, self.pairs, self.results = [], {}, {}
            self.timing = chart_timing(3, "even")
            self.pictures.keep(())

    def set_timing(self, timing: Timing | None, pair: PairOf | None = None) -> None:
        """Set the timing of all pairs, or of one; None gives one the timing of all again.

        Where the number of drawings changes, those of the user's own stay where they are in time.

        Raises:
            UserError: There is no room for them, or the sequence becomes too long.
        """
        with self.lock:
            before = self.timing, {key: replace(found) for key, found in self.pairs.items()}
            charts = {key: self.timing_of(key).t for key in self.pairs}
            if pair is not None:
                self.pair(pair).timing = timing
            elif timing is not None:
                self.timing = timing
            try:
                for key, chart in charts.items():
                    t = self.timing_of(key).t
                    chosen = self.pairs[key].chosen if len(t) == len(chart) else {}
                    own = fitted(self.pairs[key].own, chart, t)
                    self.pairs[key] = replace(self.pairs[key], own=own, chosen=chosen)
                self._check_length()
            except UserError:
                self.timing, self.pairs = before
                raise

    def choose(self, pair: PairOf, place: int, candidate: int) -> None:
        """Choose a candidate of a drawing.

        Raises:
            UserError: The drawing is not there.
        """
        with self.lock:
            self.pair(pair, place).chosen[place] = candidate

    def replace(self, pair: PairOf, place: int, path: Path) -> None:
        """Put a user's own drawing in the place of a made one; its neighbours are drawn from it.

        Raises:
            UserError: The file cannot be used.
        """
        with self.lock:
            own = self.pair(pair, place).own
            (own[place],) = self.pictures.read_file(path, 1, self.keyframes[0].picture.size)

    def restore(self, pair: PairOf, place: int) -> None:
        """Take the user's own drawing away again.

        Raises:
            UserError: The drawing is not there.
        """
        with self.lock:
            self.pair(pair, place).own.pop(place, None)

    def pair(self, pair: PairOf, place: int | None = None) -> Pair:
        """What is set for two neighbouring keyframes.

        Args:
            pair: Their numbers.
            place: One in their chart.

        Raises:
            UserError: They are not neighbours, or there is no such place.
        """
        if pair not in self.pairs_in_order():
            raise UserError("These keyframes are not neighbours any more.")
        if place is not None and not 0 <= place < len(self.timing_of(pair).t):
            raise UserError("This drawing is not there any more.")
        return self.pairs.setdefault(pair, Pair())

    def pairs_in_order(self) -> list[PairOf]:
        """The neighbouring keyframes."""
        return [(first.number, last.number) for first, last in pairwise(self.keyframes)]

    def timing_of(self, pair: PairOf) -> Timing:
        """The timing between two keyframes."""
        return self.set_for(pair).timing or self.timing

    def set_for(self, pair: PairOf) -> Pair:
        """What is set for two keyframes, to be read only."""
        return self.pairs.get(pair) or Pair()

    def given(self) -> dict[PairOf, list[Picture]]:
        """For each pair its first keyframe, and the user's own drawings up to its last keyframe."""
        found = {}
        for keyframe, pair in zip(self.keyframes, self.pairs_in_order(), strict=False):
            own = self.set_for(pair).own
            found[pair] = [keyframe.picture, *(own[place] for place in sorted(own))]
        return found

    def all_given(self) -> list[Picture]:
        """All keyframes, and the user's own drawings between them, in order."""
        found = [picture for pictures in self.given().values() for picture in pictures]
        return found + [keyframe.picture for keyframe in self.keyframes[-1:]]

    def transitions(self) -> Transitions:
        """Cuts, fades and flashes of all that is given; where guides lead there is motion."""
        last, guided = 0, set()
        for pair, given in self.given().items():
            last += len(given)
            if self.guides_of(pair):
                guided.add(last - 1)
        return self._shots.find(self.all_given()).with_motion(frozenset(guided))

    def guides_of(self, pair: PairOf) -> str:
        """The guides that two keyframes are drawn with: none beside a drawing of the user's own."""
        found = self.set_for(pair)
        return "" if found.own else found.guides

    def plan(self) -> Iterator[tuple[PairOf, list[int], Segment]]:
        """What is to be drawn: for each pair, its places, and the segments that they lie in."""
        transitions = self.transitions() if self.style.cuts == "repeat" else Transitions()
        kinds: list[list[Transition]] = []  # of each pair's segments
        for given in self.given().values():
            begin = sum(map(len, kinds)) + 1
            kinds.append([transitions.before(begin + number) for number in range(len(given))])
        for index, pair in enumerate(self.pairs_in_order()):
            first, last = (keyframe.picture for keyframe in self.keyframes[index : index + 2])
            t, own, guides = self.timing_of(pair).t, self.set_for(pair).own, self.guides_of(pair)
            bent = self.style.arcs and kinds[index] == ["motion"]
            near = self._near(index, kinds) if bent else None
            for places, segment in segments_of(first, last, t, own, kinds[index].__getitem__):
                yield pair, places, replace(segment, guides=guides, near=near)

    def _near(self, index: int, kinds: list[list[Transition]]) -> Near:
        """The keyframes before and after a pair, if things move from and to them."""
        moves = [{*found} == {"motion"} for found in kinds]
        before = self.keyframes[index - 1].picture if index and moves[index - 1] else None
        follows = index + 1 < len(moves) and moves[index + 1]
        return before, self.keyframes[index + 2].picture if follows else None

    def look(self) -> Look:
        """How the sequence is stored."""
        return common_look([picture.look for picture in self.all_given()], self.style.palette != "none")

    def key_of(self, segment: Segment, candidate: int, look: Look) -> ResultKey:
        """What determines a segment's drawings; see `look`."""
        return ResultKey(segment, replace(self.style, candidates=1, arcs=False), candidate, look)

    def forget_unused(self) -> None:
        """Remove drawings that the sequence does not show any more, and their files."""
        with self.lock:
            look = self.look()
            wanted = range(self.style.candidates)
            used = {self.key_of(segment, number, look) for _, _, segment in self.plan() for number in wanted}
            self.results = {key: found for key, found in self.results.items() if key in used}
            own = [picture for pair in self.pairs.values() for picture in pair.own.values()]
            drawn = [drawing.picture for found in self.results.values() for drawing in found]
            self.pictures.keep({picture.name for picture in [*self.all_given(), *own, *drawn]})

    def _check_length(self) -> None:
        length = len(self.keyframes) + sum(len(self.timing_of(pair).t) for pair in self.pairs_in_order())
        if length > MAX_DRAWINGS:
            raise UserError(
                f"The sequence would have {length} drawings, and {MAX_DRAWINGS} are the most that this page"
                " makes: ask for fewer between two keyframes, or work on a part."
            )

    def _at(self, number: int) -> int:
        for index, keyframe in enumerate(self.keyframes):
            if keyframe.number == number:
                return index
        raise UserError("This keyframe is not there any more.")
