"""Motion trails: where things go between two keyframes."""

from __future__ import annotations

from typing import Any

import torch

from inbetween.app.models import Models
from inbetween.app.parts import PairOf
from inbetween.app.project import Project
from inbetween.app.steering import guides_from
from inbetween.errors import UserError
from inbetween.methods.spaced import SpacedMethod

SMOOTH = 8  # straight pieces that a trail is drawn of


def trails_of(project: Project, models: Models, pair: PairOf) -> list[dict[str, Any]]:
    """The trails of two neighbouring keyframes.

    Returns:
        For each segment its `places`, `lines` (a list of points [x, y] for each trail), and `dots`: for each
        place, where the trails are.

    Raises:
        UserError: They are not neighbours, or the method has no paths.
    """
    model = models.get(project.style.method)
    if not (isinstance(model.method, SpacedMethod) and model.method.runs_through):
        name = models.names().get(project.style.method, project.style.method).partition(":")[0]
        raise UserError(
            f"{name} has no paths to show: choose spacing flow or spacing RIFE for motion trails."
        )
    with project.lock:
        project.pair(pair)
        plan = [(places, segment) for key, places, segment in project.plan() if key == pair]
        look = project.look()
    found = []
    for places, segment in plan:
        if segment.transition != "motion":
            continue
        curve = torch.linspace(0, 1, SMOOTH + 1).tolist()
        with models.lock:
            trails = model.trails(
                segment.first.read(),
                segment.last.read(),
                [*curve, *segment.t],
                transparent=look.transparent,
                guides=guides_from(segment.guides, "guides").of_pair(0),
                near=segment.neighbours(),
            )
        lines, dots = trails[: len(curve)], trails[len(curve) :]
        found.append({"places": places, "lines": _short(lines.transpose(0, 1)), "dots": _short(dots)})
    return found


def _short(points: torch.Tensor) -> list[list[list[float]]]:
    """Points (M, N, 2) with one decimal."""
    return [[[round(x, 1), round(y, 1)] for x, y in line] for line in points.tolist()]
