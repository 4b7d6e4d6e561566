"""Draws what a project lacks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import torch

from inbetween.app.models import Models
from inbetween.app.parts import Drawing, ResultKey
from inbetween.app.pictures import Look, Picture
from inbetween.app.project import Project
from inbetween.app.segments import Segment
from inbetween.app.steering import guides_from
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.interpolation.arcs import check_arcs
from inbetween.interpolation.guides import Guides, check_guides
from inbetween.interpolation.keep_palette import flat_palettes, pair_palette
from inbetween.methods.spaced import SpacedMethod
from inbetween.metrics import review_label


def missing(project: Project, models: Models) -> list[ResultKey]:
    """What is to be drawn, the first candidates of everything before the second ones."""
    count = models.candidates(project.style.method, project.style.candidates)
    plan = [segment for _, _, segment in project.plan() if not segment.held]
    # equal segments, as in a loop, are drawn once
    look = project.look() if plan else Look(False, False)
    found = dict.fromkeys(
        project.key_of(segment, number, look) for number in range(count) for segment in plan
    )
    return [key for key in found if key not in project.results]


def draw(project: Project, models: Models) -> Iterator[tuple[int, int]]:
    """Draw everything that is missing; the network is shared with other users in between.

    Yields:
        How many drawings are done, of how many.

    Raises:
        UserError: There is nothing to draw between, the user is drawing already, or a drawing cannot be made.
    """
    with project.lock:
        if len(project.keyframes) < 2:
            raise UserError("Two keyframes are needed: drop another one.")
        if project.drawing is not None:
            raise UserError("Your drawings are being made already.")
        project.drawing, project.stopped = (0, 0), False
    try:
        method = models.get(project.style.method).method
        with project.lock:
            if _stopped(project) or len(project.keyframes) < 2:  # cleared while the method was loaded
                return
            project.forget_unused()
            work = missing(project, models)
            project.remarks = []
            if project.style.arcs:
                check_arcs(method)
        for segment in {key.segment for key in work if key.segment.guides}:
            check_guides(_guides(project, segment), segment.first.size, 1, method)
        done, total = 0, sum(len(key.segment.t) for key in work)
        project.drawing = (done, total)
        yield project.drawing
        for key in work:
            if _stopped(project):
                return
            drawings: list[Drawing] = []
            for drawn in draw_segment(project, models, key):
                if _stopped(project):
                    return
                drawings += drawn
                project.drawing = (done + len(drawings), total)
                yield project.drawing
            with project.lock:
                if _stopped(project):
                    return
                done += len(drawings)
                project.results[key] = tuple(drawings)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"The memory of {models.device} is too small for these keyframes: give smaller ones."
        ) from error
    finally:
        project.drawing = None


def _stopped(project: Project) -> bool:
    """Whether the user has stopped drawing meanwhile."""
    return project.stopped


def draw_segment(project: Project, models: Models, key: ResultKey) -> Iterator[list[Drawing]]:
    """Draw one candidate of a segment, a few drawings at a time.

    Raises:
        UserError: The user wants flat colours and a keyframe has others.
    """
    segment, style, candidate = key.segment, key.style, key.candidate
    model = models.get(style.method)
    first, last = segment.first.read(), segment.last.read()
    names = [name_of(project, picture) for picture in (segment.first, segment.last)]
    try:
        moves = segment.transition == "motion"
        colours = flat_palettes((first, last), style.palette, names) if moves else []
    except UserError as error:
        what = str(error).partition(":")[0]
        raise UserError(f"{what}: do not keep to flat colours, or give flat-coloured drawings.") from None
    thresholds = model.method.review_thresholds if isinstance(model.method, SpacedMethod) else None
    parts = model.in_betweens(
        first,
        last,
        len(segment.t),
        lambda part: torch.tensor([segment.t[part.start : part.stop]]),
        transparent=key.look.transparent,
        candidate=candidate,
        seed=sample_seed(0, candidate, 0),
        palette=pair_palette(first, last, colours),
        transition=segment.transition,
        guides=_guides(project, segment).of_pair(0),
        near=segment.neighbours(),
    )
    while True:
        with models.lock, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            part = next(parts, None)
        _remark(project, told)
        if part is None:
            return
        images, errors = part
        expected = None if errors is None else errors.flatten(1).mean(1).tolist()
        yield [
            Drawing(
                project.pictures.add(image, key.look),
                review_label(expected[number], thresholds) if expected and thresholds else "",
            )
            for number, image in enumerate(images)
        ]


def _guides(project: Project, segment: Segment) -> Guides:
    """The guides of a segment; messages name them by its keyframes."""
    names = [name_of(project, picture) for picture in (segment.first, segment.last)]
    return guides_from(segment.guides, f"Guides from {names[0]} to {names[1]}")


def _remark(project: Project, told: Sequence[warnings.WarningMessage]) -> None:
    """Keep what guides warn of, for the user."""
    for warning in told:
        if ": pairs[0]." not in str(warning.message):
            continue  # of a library
        text = f"{warning.message}.".replace(": pairs[0].", ", ")
        if text not in project.remarks:
            project.remarks.append(text)


def name_of(project: Project, picture: Picture) -> str:
    """What the user calls a given drawing."""
    names = [keyframe.name for keyframe in project.keyframes if keyframe.picture == picture]
    return names[0] if names else "A drawing of your own"
