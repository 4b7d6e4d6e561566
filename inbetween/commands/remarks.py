"""What `interpolate` remarks on keyframes and method before it starts."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from lightning.pytorch.utilities.model_helpers import is_overridden

from inbetween.commands.places import Places
from inbetween.data.keyframes import LONGEST_HOLD, Keyframes
from inbetween.data.transitions import Transition
from inbetween.errors import UserError
from inbetween.interpolation.arcs import check_arcs
from inbetween.interpolation.guides import Guides, check_guides
from inbetween.interpolation.loading import ModelFiles
from inbetween.interpolation.model import Cuts, Interpolator
from inbetween.io.sequences import left_out
from inbetween.io.video_reader import VIDEO_SUFFIXES
from inbetween.methods.base import Method
from inbetween.methods.spaced import SpacedMethod


def check_method(model: Interpolator, name: str, candidates: int, spaced: bool) -> None:
    """Check that a method supports spacing maps and that many candidates, where they are asked for.

    Raises:
        UserError: It does not.
    """
    kind, own = type(model.method).__name__, model.candidates
    if spaced and not isinstance(model.method, SpacedMethod):
        raise UserError(f"{kind} ({name}) takes no spacing map: leave out --method, or give --t instead.")
    if candidates > own and not model.stochastic:
        raise UserError(
            f"{kind} ({name}) has {own} candidates: give --candidates {own} or less."
            if own > 1
            else f"{kind} ({name}) has one candidate only: leave out --candidates."
        )


def check_steering(model: Interpolator, keys: Keyframes, guides: Guides, arcs: bool, spaced: bool) -> None:
    """Check that guides fit the keyframes, and that the method can follow guides and arcs.

    Raises:
        UserError: They do not, or it cannot.
    """
    check_guides(guides, keys.size, keys.pairs, model.method)
    if guides and spaced:
        raise UserError("guides move things by t: leave out --spacing_map, or give spacing among the guides.")
    if arcs:
        check_arcs(model.method)


def check_charts(model: Interpolator, keys: Keyframes, places: Places, transitions: list[Transition]) -> None:
    """Check that the method can interpolate at the positions of all pairs, before the first is begun.

    Raises:
        UserError: It cannot.
    """
    if not is_overridden("check_chart", model.method, Method):
        return
    for pair, chart in enumerate(places.charts):
        if transitions[pair] == "motion" and not torch.equal(keys.read(pair), keys.read(pair + 1)):
            model.method.check_chart(chart)


def warnings(
    keys: Keyframes, entries: list[str], model: Interpolator, files: ModelFiles, cuts: Cuts
) -> Iterator[str]:
    """An untrained method, files that are left out, differing profiles, and cuts, fades and flashes."""
    config = files.config.name
    untrained = not files.weights and not model.method.begins_trained
    if untrained and any(parameter.requires_grad for parameter in model.method.parameters()):
        yield f"{config} is not trained: give the weights of a run with --method {config}=PATH"
    unread = left_out(entries)
    if other := [str(path) for path in unread if path.suffix.lower() not in VIDEO_SUFFIXES]:
        yield f"of a kind that is not read, and left out: {', '.join(other)}; to use them, save them as PNG"
    if videos := [str(path) for path in unread if path.suffix.lower() in VIDEO_SUFFIXES]:
        yield f"a video beside images is left out: {', '.join(videos)}; to use it, give it itself"
    if keys.differing:
        of_first = f"frames have what fits of {keys.source_images[0]}"
        yield f"the colour profile or the resolution of {keys.differing} is another one: {of_first}"
    if keys.uneven:
        path = keys.source_images[0].path
        yield f"images of {path} are shown for different times: all frames are shown equally long instead"
    if count := len(keys.resting):
        drawings = "1 drawing is" if count == 1 else f"{count} drawings are"
        yield f"{drawings} held for more than {LONGEST_HOLD} frames, and {'rests' if count == 1 else 'rest'}"
    yield from _transitions(keys, cuts)


def _transitions(keys: Keyframes, cuts: Cuts) -> Iterator[str]:
    stops, found = keys.stops, keys.transitions
    for number in range(1, len(stops)):
        before, after = stops[number - 1], stops[number]
        if number in found.cuts:
            yield f"{after} seems to begin another shot: " + _done(cuts, f"{before} is repeated until then")
        if number in found.fades:
            yield f"{before} seems to fade to {after}: " + _done(cuts, "they are blended")
        if number in found.flashes:
            yield f"{after} seems to flash: " + _done(
                cuts, "it is shown once, its neighbours until and after it"
            )


def _done(cuts: Cuts, treated: str) -> str:
    again = "--cuts interpolate interpolates instead"
    return f"{treated}; {again}" if cuts == "repeat" else "interpolating anyway"
