"""Guides: what an animator says about the motion between keyframes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inbetween.errors import UserError
from inbetween.interpolation.guides.curves import Points, bezier, length
from inbetween.interpolation.guides.items import Item, Point, shown
from inbetween.interpolation.guides.masks import Mask
from inbetween.interpolation.guides.timing import Timing

LARGEST = 20_000_000  # bytes of a file of guides
SMALLEST = 0.001  # of a region's size: what is smaller cannot be seen, and its map has no inverse
REGION = ("mask", "mask_last", "path", "bezier", "spacing", "rotation", "scale", "behind")
PAIR = ("pair", "regions", "points", "bones", "spacing")


@dataclass(frozen=True)
class Region:
    """A region of the first keyframe that travels a curve.

    All coordinates are pixels of the keyframes, x right and y down.

    Args:
        place: Its name in messages.
        mask: In the first keyframe.
        path: The curve (K, 2). The region starts at its first point, which is also what it turns about, and
            arrives at its last.
        mask_last: In the last keyframe; None to look for the region where the path ends.
        spacing: Which share of the path's length is done at t.
        rotation: Degrees that it has turned in the last keyframe, clockwise as seen.
        scale: Its size in the last keyframe, relative to the first.
        behind: It passes behind everything but what surrounds it in the keyframes.
    """

    place: str
    mask: Mask
    path: Points = field(repr=False)
    mask_last: Mask | None = None
    spacing: Timing = "even"
    rotation: float = 0.0
    scale: float = 1.0
    behind: bool = False


@dataclass(frozen=True)
class MatchedPoint:
    """A point of the first keyframe, and where it is in the last.

    Args:
        place: Its name in messages.
        first: (x, y) in pixels.
        last: (x, y) in pixels.
        radius: Pixels around it that move with it; None for an eighth of the picture's shorter side.
    """

    place: str
    first: Point
    last: Point
    radius: float | None = None


@dataclass(frozen=True)
class Bone:
    """Two points of something stiff, in both keyframes.

    It turns about its first point, and its length changes evenly. Where the first point is the second one of
    an earlier bone, in both keyframes, it is their joint and moves with that bone.

    Args:
        place: Its name in messages.
        first: Both points in the first keyframe.
        last: Both points in the last.
        width: Pixels on either side that move with it; None for a quarter of its length.
    """

    place: str
    first: tuple[Point, Point]
    last: tuple[Point, Point]
    width: float | None = None


@dataclass(frozen=True)
class RegionSpacing:
    """A region with a spacing chart of its own.

    Args:
        place: Its name in messages.
        mask: In the first keyframe.
        spacing: Which share of its path the region has done at t.
        mask_last: In the last keyframe; in between the mask is between both. None if it is the same.
    """

    place: str
    mask: Mask
    spacing: Timing
    mask_last: Mask | None = None


@dataclass(frozen=True)
class PairGuides:
    """The guides of one pair of keyframes.

    Args:
        pair: Index of the pair, from 0.
        regions: Later ones are in front.
        points: Matched points.
        bones: Bones.
        spacing: Regions with spacing of their own; later ones count where they overlap.
    """

    pair: int = 0
    regions: tuple[Region, ...] = ()
    points: tuple[MatchedPoint, ...] = ()
    bones: tuple[Bone, ...] = ()
    spacing: tuple[RegionSpacing, ...] = ()

    @property
    def masks(self) -> list[Mask]:
        """All masks."""
        of_regions = [mask for region in self.regions for mask in (region.mask, region.mask_last)]
        of_spacing = [mask for region in self.spacing for mask in (region.mask, region.mask_last)]
        return [mask for mask in (*of_regions, *of_spacing) if mask is not None]

    def __bool__(self) -> bool:
        return bool(self.regions or self.points or self.bones or self.spacing)

    def __add__(self, other: PairGuides) -> PairGuides:
        return PairGuides(
            self.pair,
            self.regions + other.regions,
            self.points + other.points,
            self.bones + other.bones,
            self.spacing + other.spacing,
        )


@dataclass(frozen=True)
class Guides:
    """Guides of a sequence of keyframes: paths, matched points, bones, and spacing by region.

    `Guides.from_dict` makes them from plain values, `Guides.read` from a JSON file. Without any, every frame
    is as if there were no guides.

    Args:
        pairs: Guides of pairs of keyframes; several of one pair add up.
        digest: Hash of everything that was given.
    """

    pairs: tuple[PairGuides, ...] = ()
    digest: str = ""

    @classmethod
    def read(cls, path: Path | str) -> Guides:
        """Read a JSON file; masks in it are relative to its folder.

        Raises:
            UserError: It cannot be read, or something in it is wrong.
        """
        path = Path(path).expanduser()
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)  # a device may have no end
            if len(content) > LARGEST:
                raise UserError(
                    f"{path} has more than {LARGEST // 1_000_000} MB: give a JSON file of guides."
                )
            data = json.loads(content.decode("utf-8-sig"))  # editors may put a mark at its beginning
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{path} cannot be read ({reason}): give a JSON file of guides.") from None
        except (ValueError, RecursionError) as error:
            reason = str(error).partition(":")[0]
            raise UserError(f"{path} is no JSON ({reason}): correct it, or export it again.") from None
        return cls.from_dict(data, path.parent, str(path))

    @classmethod
    def from_dict(cls, data: Any, folder: Path | None = None, name: str = "guides") -> Guides:  # noqa: ANN401 - JSON
        """Make guides from the values that the JSON file holds.

        Args:
            data: `{"pairs": [{"pair": 0, "regions": [...], "points": [...], "bones": [...], "spacing":
                [...]}]}`; masks may also be arrays (H, W), bool or uint8.
            folder: That files of masks are relative to; None to refuse files.
            name: What the guides are called in messages.

        Raises:
            UserError: Something is wrong; it names the item.
        """
        item = Item(data, name, ("pairs",), folder)

        def pair(each: Any, place: str) -> PairGuides:  # noqa: ANN401 - JSON
            own = Item(each, place.replace(f"{name}.", f"{name}: ", 1), PAIR, folder)
            return PairGuides(
                own.whole("pair"),
                own.each("regions", lambda value, at: _region(Item(value, at, REGION, folder))),
                own.each("points", lambda value, at: _point(value, at)),
                own.each("bones", lambda value, at: _bone(value, at)),
                own.each("spacing", lambda value, at: _spacing(value, at, folder)),
            )

        pairs = item.each("pairs", pair)
        return cls(pairs, _digest(data, pairs))

    def __bool__(self) -> bool:
        return any(self.pairs)

    @property
    def guided(self) -> frozenset[int]:
        """Indices of the pairs that have guides: they have motion, and no cut."""
        return frozenset(pair.pair for pair in self.pairs if pair)

    def of_pair(self, number: int) -> PairGuides:
        """The guides of the pair with this index, which may be none."""
        return sum((pair for pair in self.pairs if pair.pair == number), PairGuides(number))


#: What can be given as `guides`: themselves, what `Guides.from_dict` takes, or the path of a JSON file.
GuidesLike = Guides | Mapping[str, Any] | Path | str | None


def as_guides(given: GuidesLike) -> Guides:
    """Guides of any form that can be given; none for None.

    Raises:
        UserError: Something in them is wrong.
    """
    if given is None:
        return Guides()
    if isinstance(given, Guides):
        return given
    return Guides.read(given) if isinstance(given, str | Path) else Guides.from_dict(given)


def _region(item: Item) -> Region:
    mask = item.mask("mask")
    if mask is None:
        raise UserError(f"{item.place} has no mask: give the points of a polygon, or the file of an image.")
    if ("path" in item) == ("bezier" in item):
        raise UserError(f"{item.place} needs a curve: give path, a list of points, or bezier, not both.")
    if "path" in item:
        path = np.array(item.points("path", 2))
    else:
        corners = item.points("bezier", 4)
        if len(corners) % 3 != 1:
            raise UserError(
                f"{item.place}.bezier has {len(corners)} points: give 4, 7, 10 and so on, each curve two"
                " control points and its end."
            )
        path = bezier(corners)
    if length(path) == 0 and "rotation" not in item and "scale" not in item:
        raise UserError(f"{item.place} does not move: give different points, a rotation or a scale.")
    return Region(
        item.place,
        mask,
        path,
        item.mask("mask_last"),
        item.timing("spacing"),
        item.number("rotation", 0.0, above=-3601, most=3600) or 0.0,
        item.number("scale", 1.0, above=SMALLEST, most=100) or 1.0,
        item.truth("behind"),
    )


def _point(value: Any, place: str) -> MatchedPoint:  # noqa: ANN401 - JSON
    item = Item(value, place, ("first", "last", "radius"), None)
    return MatchedPoint(place, item.point("first"), item.point("last"), item.number("radius", above=0))


def _bone(value: Any, place: str) -> Bone:  # noqa: ANN401 - JSON
    item = Item(value, place, ("first", "last", "width"), None)
    return Bone(place, item.segment("first"), item.segment("last"), item.number("width", above=0))


def _spacing(value: Any, place: str, folder: Path | None) -> RegionSpacing:  # noqa: ANN401 - JSON
    item = Item(value, place, ("mask", "mask_last", "spacing"), folder)
    mask = item.mask("mask")
    if mask is None or "spacing" not in item:
        raise UserError(f"{place} is {shown(value)}: give a mask, and its spacing.")
    return RegionSpacing(place, mask, item.timing("spacing"), item.mask("mask_last"))


def _digest(data: Any, pairs: tuple[PairGuides, ...]) -> str:  # noqa: ANN401 - JSON
    """A hash of the values, and of the masks' pixels."""
    found = hashlib.sha256(repr(data).encode())
    for pair in pairs:
        for mask in pair.masks:
            if mask.pixels is not None:
                found.update(mask.pixels.tobytes())
    return found.hexdigest()
