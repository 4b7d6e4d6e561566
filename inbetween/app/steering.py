"""Guides of a project: what the page draws, and the JSON files that `interpolate --guides` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from inbetween.app.limits import MAX_GUIDES, MAX_GUIDES_TEXT
from inbetween.app.parts import Pair, PairOf
from inbetween.app.project import Project
from inbetween.errors import UserError
from inbetween.interpolation.guides import Guides, PairGuides, check_guides
from inbetween.methods import Method

KINDS = ("regions", "points", "bones", "spacing")


def set_guides(project: Project, method: Method, text: str, pair: PairOf | None) -> None:
    """Set guides from text; nothing is changed if something in it is wrong.

    Args:
        project: The user's.
        method: That draws.
        text: JSON: one entry of `pairs`, or everything that a file of guides holds. Masks are polygons.
        pair: The keyframes that the entry is of; None to replace all guides by those of a file.

    Raises:
        UserError: Something in it is wrong; it names the item.
    """
    if len(text) > MAX_GUIDES_TEXT:
        raise UserError(f"Guides of {len(text)} characters are too long: {MAX_GUIDES_TEXT} are the most.")
    try:
        values = json.loads(text) if text.strip() else {}
        json.dumps(values, ensure_ascii=False).encode()  # half of a surrogate pair cannot be sent back
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"The guides are no JSON{where}: correct them, or load a file again.") from None
    with project.lock:
        order = project.pairs_in_order()
        if not order:
            raise UserError("Guides lie between two keyframes: drop another one first.")
        if pair is None:
            found = _checked(project, method, values)
            new = dict.fromkeys(project.pairs, "") | dict(zip(order, found, strict=True))
        else:
            project.pair(pair)  # they are neighbours
            number = order.index(pair)
            try:
                entry = {**values, "pair": number} if isinstance(values, Mapping) else values
                found = _checked(project, method, {"pairs": [entry]})
            except UserError as error:  # users see one pair only
                raise UserError(str(error).replace("guides: pairs[0]", "guides")) from None
            new = {key: each.guides for key, each in project.pairs.items()} | {pair: found[number]}
        if sum(map(len, new.values())) > MAX_GUIDES_TEXT:
            raise UserError(f"All guides have more than {MAX_GUIDES_TEXT} characters: draw simpler ones.")
        for key, guides in new.items():
            project.pairs.setdefault(key, Pair()).guides = guides


def values_of(guides: str) -> dict[str, Any]:
    """A pair's guides as values: an entry of `pairs` without its number."""
    found: dict[str, Any] = json.loads(guides) if guides else {}
    return found


def guides_from(guides: str, name: str) -> Guides:
    """Guides of a single pair from text.

    Args:
        guides: As a project has them.
        name: What they are called in messages.
    """
    return Guides.from_dict({"pairs": [values_of(guides)]}, None, name)


def _checked(project: Project, method: Method, values: Any) -> list[str]:  # noqa: ANN401 - JSON
    """The guides of every pair, as text."""
    order, size = project.pairs_in_order(), project.keyframes[0].picture.size
    guides = Guides.from_dict(values)
    for number in range(len(order)):
        if _count(guides.of_pair(number)) > MAX_GUIDES:
            raise UserError(f"{MAX_GUIDES} guides between two keyframes are the most that this page takes.")
    check_guides(guides, size, len(order), method)
    texts = []
    for number in range(len(order)):
        entries = [each for each in values.get("pairs") or () if each.get("pair", 0) == number]
        merged = {kind: [item for each in entries for item in each.get(kind) or ()] for kind in KINDS}
        kept = {kind: items for kind, items in merged.items() if items}
        texts.append(json.dumps(kept) if kept else "")
    return texts


def _count(guides: PairGuides) -> int:
    return len(guides.regions) + len(guides.points) + len(guides.bones) + len(guides.spacing)
