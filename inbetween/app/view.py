"""What the page shows of a project, as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from inbetween.app.drawing import missing
from inbetween.app.export import FORMATS
from inbetween.app.limits import (
    MAX_BETWEEN,
    MAX_CANDIDATES,
    MAX_FILE,
    MAX_FPS,
    MAX_GUIDES_TEXT,
    MAX_HOLD,
)
from inbetween.app.models import Models
from inbetween.app.pictures import Picture
from inbetween.app.project import Project
from inbetween.app.sequence import Frame, sequence_of
from inbetween.app.steering import values_of
from inbetween.app.timing import Timing
from inbetween.functional.spacing import Chart


def view_of(project: Project, models: Models, base: str) -> dict[str, Any]:
    """Everything that the page shows.

    Args:
        project: The user's.
        models: The methods.
        base: The address below which the browser finds the project's files.
    """
    with project.lock:
        style, drawing = project.style, project.drawing
        project.views += 1
        return {
            "base": base,
            "serial": project.views,
            "keyframes": [
                {"number": keyframe.number, "name": keyframe.name, "picture": keyframe.picture.name}
                for keyframe in project.keyframes
            ],
            "pairs": [
                {
                    "pair": list(pair),
                    "timing": _timing(project.timing_of(pair)),
                    "alone": project.set_for(pair).timing is not None,
                    "transition": transition,
                    "guides": values_of(project.set_for(pair).guides),
                    "split": bool(project.set_for(pair).own),
                }
                for pair, transition in zip(project.pairs_in_order(), _transitions(project), strict=True)
            ],
            "timing": _timing(project.timing),
            "style": {
                "method": style.method,
                "palette": style.palette,
                "cuts": style.cuts,
                "candidates": style.candidates,
                "arcs": style.arcs,
            },
            "hold": project.hold,
            "fps": project.fps,
            "size": list(project.keyframes[0].picture.size) if project.keyframes else None,
            "frames": [_frame(frame) for frame in sequence_of(project)],
            "missing": sum(len(key.segment.t) for key in missing(project, models)),
            "drawing": None if drawing is None else {"done": drawing[0], "total": drawing[1]},
        }


def choices(models: Models) -> dict[str, Any]:
    """What the page offers to choose from, and how much of it."""
    return {
        "methods": models.names(),
        "spacings": list(get_args(Chart)),
        "formats": {suffix: found.label for suffix, found in FORMATS.items()},
        "limits": {
            "between": MAX_BETWEEN,
            "candidates": MAX_CANDIDATES,
            "hold": MAX_HOLD,
            "fps": MAX_FPS,
            "file": MAX_FILE,
            "guides": MAX_GUIDES_TEXT,
        },
    }


def _transitions(project: Project) -> Iterator[str]:
    """A word for what lies within each pair, if it is no motion."""
    found, begin = project.transitions(), 0
    for given in project.given().values():
        numbers = set(range(begin + 1, begin + len(given) + 1))
        words = {"cut": found.cuts, "fade": found.fades, "flash": found.flashes}
        yield next((word for word, at in words.items() if at & numbers), "")
        begin += len(given)


def _timing(timing: Timing) -> dict[str, Any]:
    return {"t": list(timing.t), "spacing": timing.spacing}


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "pair": list(frame.pair),
        "place": frame.place,
        "picture": _name(frame.picture),
        "own": frame.own,
        "held": frame.held,
        "review": frame.candidates[frame.chosen].review if frame.candidates else "",
        "candidates": [drawing.picture.name for drawing in frame.candidates],
        "chosen": frame.chosen,
    }


def _name(picture: Picture | None) -> str | None:
    return picture.name if picture else None
