"""Guides checked against the keyframes and the method, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

from inbetween.errors import UserError
from inbetween.interpolation.guides.guides import Guides, PairGuides
from inbetween.interpolation.guides.items import Point
from inbetween.methods import Method
from inbetween.methods.spaced import SpacedMethod

FAR = 0.5  # of the picture's size: a path may go so far outside, as of something that leaves the picture


def check_guides(guides: Guides, size: tuple[int, int], pairs: int, method: Method) -> None:
    """Check guides.

    Args:
        guides: All of a sequence.
        size: Height and width of the keyframes.
        pairs: Number of pairs of keyframes.
        method: That interpolates.

    Raises:
        UserError: A guide is of a pair that there is not, or outside of the picture; a mask has another size
            or is empty; or the method takes no spacing by region.
    """
    for pair in guides.pairs:
        if pair.pair >= pairs:
            raise UserError(
                f"guides are given for pair {pair.pair}, and the last pair of keyframes is pair {pairs - 1}:"
                " count pairs from 0."
            )
        if pair.spacing and not isinstance(method, SpacedMethod):
            raise UserError(
                f"{pair.spacing[0].place} gives spacing by region, which {type(method).__name__} does not"
                " follow: take spacing_flow, spacing_rife or rife."
            )
        for place, point, beyond in _points(pair):
            height, width = size
            least_x, least_y = -beyond * width, -beyond * height
            if not (least_x <= point[0] < width - least_x and least_y <= point[1] < height - least_y):
                raise UserError(
                    f"{place} leaves the picture of {width}x{height} pixels at {point[0]:g}, {point[1]:g}:"
                    " give pixels of the keyframes, x to the right and y down."
                )
        for mask in pair.masks:
            mask.at_size(size)


def _points(pair: PairGuides) -> Iterator[tuple[str, Point, float]]:
    """Every point of a pair's guides, its name, and how far it may be outside, relative to the size."""
    for region in pair.regions:
        for number, (x, y) in enumerate(region.path):
            yield f"{region.place}.path", (float(x), float(y)), FAR if number else 0.0
    for matched in pair.points:
        yield f"{matched.place}.first", matched.first, 0.0
        yield f"{matched.place}.last", matched.last, 0.0
    for bone in pair.bones:
        for name, points in (("first", bone.first), ("last", bone.last)):
            for point in points:
                yield f"{bone.place}.{name}", point, 0.0
