"""Motion through keyframes: each pair of a sequence is prepared once, and linked with its neighbours."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container
from hashlib import blake2b
from typing import NamedTuple

from torch import Tensor

from inbetween.errors import UserError
from inbetween.interpolation.pair import Between, FramesAt, frames_between
from inbetween.methods import Method
from inbetween.methods.spaced import SpacedMethod

KEPT = 3  # pairs of each candidate: one, and both of its neighbours


class Neighbours(NamedTuple):
    """The keyframes around a pair, (4, H, W) each; None at a cut, and where the sequence ends."""

    before: Tensor | None
    after: Tensor | None


def neighbours(
    read: Callable[[int], Tensor], pairs: int, pair: int, still: Container[int], loop: bool = False
) -> Neighbours:
    """The keyframes around a pair.

    Args:
        read: Gives a keyframe by its index, from 0 to `pairs`.
        pairs: Number of pairs.
        pair: Index of the pair.
        still: Indices of keyframes to which nothing moves, as after a cut.
        loop: The last keyframe is the first one again.
    """
    before, after = ((pair - 1) % pairs, (pair + 1) % pairs) if loop else (pair - 1, pair + 1)
    return Neighbours(
        read(before) if before >= 0 and before + 1 not in still else None,
        read(after + 1) if after < pairs and after + 1 not in still else None,
    )


def check_arcs(method: Method) -> None:
    """Check that motion can run through keyframes.

    Raises:
        UserError: The method cannot bend paths.
    """
    if not (isinstance(method, SpacedMethod) and method.runs_through):
        raise UserError(
            f"arcs bend the paths of spacing flow, and {type(method).__name__} has none: take spacing_flow or"
            " spacing_rife, or leave arcs out."
        )


class LinkedPairs:
    """Prepares pairs of keyframes, and keeps those that the next pair needs again.

    Args:
        method: One that `check_arcs` accepts.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self.prepared: OrderedDict[tuple[object, ...], Between] = OrderedDict()

    def frames_between(
        self, first: Tensor, last: Tensor, near: Neighbours, transparent: bool, candidate: int
    ) -> FramesAt:
        """Frames between two keyframes, on paths that run through both; see `frames_between`."""
        own = self._between(first, last, transparent, candidate)
        before = None if near.before is None else self._between(near.before, first, transparent, candidate)
        after = None if near.after is None else self._between(last, near.after, transparent, candidate)
        links = before and before.spaced, after and after.spaced

        def frames_at(place: Tensor) -> tuple[Tensor, Tensor | None]:
            own.spaced.run_through(*links)  # another caller may have linked the pair otherwise meanwhile
            return own.frames_at(place)

        own.spaced.run_through(*links)  # for `paths`
        return frames_at

    def paths(
        self, first: Tensor, last: Tensor, near: Neighbours, transparent: bool, points: Tensor, t: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Where points (K, 2) of the first keyframe go: (N, K, 2) in pixels, and the confidence (K,)."""
        self.frames_between(first, last, near, transparent, 0)
        found: tuple[Tensor, Tensor] = self._between(first, last, transparent, 0).spaced.paths(points, t)
        return found

    def _between(self, first: Tensor, last: Tensor, transparent: bool, candidate: int) -> Between:
        digests = [blake2b(image.cpu().numpy().tobytes()).digest() for image in (first, last)]
        key = (*digests, tuple(first.shape), transparent, candidate)
        if key not in self.prepared:
            ends = first.to(self.method.device), last.to(self.method.device)
            self.prepared[key] = frames_between(self.method, *ends, 0, transparent, candidate)
        self.prepared.move_to_end(key)
        alike = [each for each in self.prepared if each[-1] == candidate]
        for each in alike[:-KEPT]:
            del self.prepared[each]
        return self.prepared[key]
