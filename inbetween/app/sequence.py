"""The sequence of a project: keyframes, made drawings and the user's own in order."""

from __future__ import annotations

from typing import NamedTuple

from inbetween.app.parts import Drawing, PairOf
from inbetween.app.pictures import Picture
from inbetween.app.project import Project


class Frame(NamedTuple):
    """A place of the sequence.

    Args:
        pair: The keyframes that it lies between, or begins; the last keyframe is a pair with itself.
        place: In their chart; None for a keyframe.
        picture: What is shown; None where nothing has been drawn yet.
        own: It is a drawing of the user's.
        held: It is a given drawing that is repeated, at a cut or a flash.
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


def sequence_of(project: Project) -> list[Frame]:
    """All places of a project's sequence in order."""
    with project.lock:
        between: dict[PairOf, dict[int, Frame]] = {pair: {} for pair in project.pairs_in_order()}
        for pair, frames in between.items():
            for place, own in project.set_for(pair).own.items():
                frames[place] = Frame(pair, place, own, own=True)
        look = project.look() if project.keyframes else None
        for pair, places, segment in project.plan():
            assert look is not None
            keys = [project.key_of(segment, number, look) for number in range(project.style.candidates)]
            drawn = [project.results[key] for key in keys if key in project.results]
            for number, place in enumerate(places):
                if segment.held:
                    between[pair][place] = Frame(pair, place, segment.held, held=True)
                    continue
                candidates = tuple(drawings[number] for drawings in drawn)
                chosen = min(project.set_for(pair).chosen.get(place, 0), max(len(candidates) - 1, 0))
                picture = candidates[chosen].picture if candidates else None
                between[pair][place] = Frame(pair, place, picture, candidates=candidates, chosen=chosen)
        order: list[Frame] = []
        for keyframe, (pair, frames) in zip(project.keyframes, between.items(), strict=False):
            order.append(Frame(pair, None, keyframe.picture))
            order += [frames[place] for place in sorted(frames)]
        if project.keyframes:
            last = project.keyframes[-1]
            order.append(Frame((last.number, last.number), None, last.picture))
        return order
