"""Guides: an animator's own paths, matched points, bones and spacing by region, for any method."""

from inbetween.interpolation.guides.checks import check_guides
from inbetween.interpolation.guides.guided import GuidedPair, guided_pair
from inbetween.interpolation.guides.guides import Guides, GuidesLike, PairGuides, RegionSpacing, as_guides
from inbetween.interpolation.guides.spacing import spacing_maps

__all__ = [
    "GuidedPair",
    "Guides",
    "GuidesLike",
    "PairGuides",
    "RegionSpacing",
    "as_guides",
    "check_guides",
    "guided_pair",
    "spacing_maps",
]
