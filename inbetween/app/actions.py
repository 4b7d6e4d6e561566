"""What the page asks for, checked, as calls on a project."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from inbetween.app.export import export
from inbetween.app.limits import MAX_CANDIDATES, MAX_FPS, MAX_HOLD
from inbetween.app.models import Models
from inbetween.app.parts import PairOf, Style
from inbetween.app.project import Project
from inbetween.app.steering import set_guides
from inbetween.app.timing import changed, own_timing
from inbetween.app.trails import trails_of
from inbetween.errors import UserError
from inbetween.functional.spacing import Chart
from inbetween.interpolation.arcs import check_arcs
from inbetween.interpolation.model import Cuts
from inbetween.interpolation.palette import PaletteMode
from inbetween.io.images import SUFFIXES
from inbetween.io.listing import files_in
from inbetween.paths import shipped

Action = Mapping[str, Any]
EXAMPLES = ("examples", "keyframes", "finished_scene")
UPLOAD_SECONDS = 600  # from its upload on, a file may still be named by a page


class RefusedError(Exception):
    """A request that the page itself never makes."""


def perform(project: Project, models: Models, action: Any, uploads: Path) -> dict[str, str]:  # noqa: ANN401 - as it comes
    """Do what the page asks for.

    Args:
        project: The user's.
        models: The methods.
        action: `do` names it; the rest are its arguments. It comes from outside and may be anything.
        uploads: The folder that files have been uploaded to.

    Returns:
        What the page is to be told: the name of a file to `download`, or `trails` as JSON.

    Raises:
        UserError: It cannot be done.
        RefusedError: The page would not ask for it.
    """
    if not isinstance(action, Mapping):
        raise RefusedError("an action is a mapping")
    do, pair = action.get("do"), action.get("pair")
    if do == "add":
        return _add(project, action, uploads)
    if do == "examples":
        project.clear()
        for path in files_in(shipped(*EXAMPLES), SUFFIXES):
            project.add(path)
    elif do == "clear":
        project.clear()
    elif do == "move":
        project.move(whole(action, "number"), whole(action, "to"))
    elif do == "remove":
        project.remove(whole(action, "number"))
    elif do == "timing":
        _set_timing(project, action)
    elif do == "timing_of_all":
        project.set_timing(None, pair_of(pair))
    elif do == "style":
        project.style = _style(project.style, models, action)
        if project.style.arcs and ("arcs" in action or "method" in action):
            check_arcs(models.get(project.style.method).method)
    elif do == "play":
        if "hold" in action:
            project.hold = whole(action, "hold", 1, MAX_HOLD)
        if "fps" in action:
            project.fps = min(max(number(action, "fps"), 1.0), MAX_FPS)
    elif do == "choose":
        project.choose(pair_of(pair), whole(action, "place"), whole(action, "candidate", 0, MAX_CANDIDATES))
    elif do == "replace":
        path = uploaded(action.get("path"), uploads)
        try:
            project.replace(pair_of(pair), whole(action, "place"), path)
        finally:
            forget_uploads(uploads)
    elif do == "guides":
        of_pair = None if pair is None else pair_of(pair)
        set_guides(project, models.get(project.style.method).method, text(action, "text"), of_pair)
    elif do == "restore":
        project.restore(pair_of(pair), whole(action, "place"))
    elif do == "trails":
        return {"trails": json.dumps(trails_of(project, models, pair_of(pair)))}
    elif do == "download":
        return {"download": export(project, str(action.get("format")))}
    else:
        raise RefusedError(f"no action {do}")
    return {}


def uploaded(path: Any, uploads: Path) -> Path:  # noqa: ANN401 - from the browser, checked here
    """A file that a user has uploaded.

    Raises:
        RefusedError: It is not in the folder of uploads.
    """
    if not isinstance(path, str):
        raise RefusedError("a path is a string")
    try:
        found = Path(path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise RefusedError(f"no file {path!r}") from None
    if not found.is_file() or not found.is_relative_to(uploads.resolve()):
        raise RefusedError(f"{path!r} has not been uploaded")
    return found


def whole(action: Action, key: str, least: int = 0, most: int = 2**31) -> int:
    """A whole number of an action; numbers out of range are clipped."""
    value = action.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RefusedError(f"{key} is {value!r}")
    return min(max(value, least), most)


def number(action: Action, key: str) -> float:
    """A finite number of an action."""
    value = action.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RefusedError(f"{key} is {value!r}")
    return float(value)


def numbers(action: Action, key: str) -> list[float]:
    """Finite numbers of an action, a thousand at most."""
    values = action.get(key)
    if not isinstance(values, list) or len(values) > 1000:
        raise RefusedError(f"{key} is no short list")
    return [number({key: value}, key) for value in values]


def text(action: Action, key: str) -> str:
    """A text of an action."""
    value = action.get(key)
    if not isinstance(value, str):
        raise RefusedError(f"{key} is no text")
    return value


def forget_uploads(uploads: Path) -> None:
    """Remove uploads that no page can still be about to name: equal files of all users share a path."""
    for path in uploads.glob("*/*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > UPLOAD_SECONDS:
                path.unlink()


def truth(action: Action, key: str) -> bool:
    """True or false of an action."""
    value = action.get(key)
    if not isinstance(value, bool):
        raise RefusedError(f"{key} is {value!r}")
    return value


def one_of(action: Action, key: str, known: tuple[Any, ...]) -> Any:  # noqa: ANN401 - one of `known`
    """One of the known values."""
    value = action.get(key)
    if value not in known:
        raise RefusedError(f"{key} is {value!r}")
    return value


def pair_of(value: Any) -> PairOf:  # noqa: ANN401 - from the browser, checked here
    """The numbers of two keyframes."""
    if not isinstance(value, list) or len(value) != 2 or not all(type(number) is int for number in value):
        raise RefusedError(f"{value!r} are no two keyframes")
    return value[0], value[1]


def _add(project: Project, action: Action, uploads: Path) -> dict[str, str]:
    given, at = action.get("paths"), action.get("at")
    if not isinstance(given, list):
        raise RefusedError("paths is no list")
    paths = [uploaded(path, uploads) for path in given]
    place = len(project.keyframes) if at is None else min(whole(action, "at"), len(project.keyframes))
    errors = []
    for path in paths:
        try:
            place += project.add(path, place)
        except UserError as error:
            errors.append(str(error))
    forget_uploads(uploads)
    if errors:
        more = f" {len(errors) - 1} more could not be used." if len(errors) > 1 else ""
        raise UserError(errors[0] + more)
    return {}


def _set_timing(project: Project, action: Action) -> None:
    """The keys are those that change: `t`, or `spacing`, or `between`."""
    pair = None if action.get("pair") is None else pair_of(action["pair"])
    if "t" in action:
        timing = own_timing(numbers(action, "t"))
    else:
        spacing = one_of(action, "spacing", get_args(Chart)) if "spacing" in action else None
        between = whole(action, "between") if "between" in action else None
        timing = changed(project.timing_of(pair) if pair else project.timing, spacing, between)
    project.set_timing(timing, pair)


def _style(now: Style, models: Models, action: Action) -> Style:
    known = {"method": tuple(models.names()), "palette": get_args(PaletteMode), "cuts": get_args(Cuts)}
    given = {key: one_of(action, key, values) for key, values in known.items() if key in action}
    if "candidates" in action:
        given["candidates"] = whole(action, "candidates", 1, MAX_CANDIDATES)
    if "arcs" in action:
        given["arcs"] = truth(action, "arcs")
    return replace(now, **given)
