"""Cuts, fades and flashes of a project, found once."""

from __future__ import annotations

from collections.abc import Sequence

from inbetween.app.pictures import Picture
from inbetween.data.transitions import Transitions, find_transitions
from inbetween.io.images import Pixels


class Shots:
    """Finds cuts, fades and flashes, and remembers them until the pictures change."""

    def __init__(self) -> None:
        self._glances: dict[str, Pixels] = {}
        self._found: tuple[tuple[str, ...], Transitions] = (), Transitions()

    def find(self, pictures: Sequence[Picture]) -> Transitions:
        """Cuts, fades and flashes of pictures in order."""
        names = tuple(picture.name for picture in pictures)
        if self._found[0] != names:
            glances = {
                **self._glances,
                **{p.name: p.glance() for p in pictures if p.name not in self._glances},
            }
            self._glances = {name: glances[name] for name in names}
            self._found = names, find_transitions(self._glances[name] for name in names)
        return self._found[1]
