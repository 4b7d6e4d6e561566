"""A whole sequence of keyframes at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from inbetween.errors import UserError
from inbetween.functional.spacing import Chart
from inbetween.interpolation.guides import GuidesLike
from inbetween.interpolation.kinds import ImageOrArray
from inbetween.interpolation.loading import default_method, load
from inbetween.interpolation.model import Cuts, Interpolator
from inbetween.interpolation.palette import PaletteMode


def interpolate(
    images: Iterable[ImageOrArray] | ImageOrArray,
    between: int | None = None,
    spacing: Chart | None = None,
    t: float | Sequence[float] | None = None,
    *,
    method: str | Path | Interpolator | None = None,
    device: torch.device | str | None = None,
    cuts: Cuts = "repeat",
    candidate: int = 0,
    seed: int = 0,
    palette: PaletteMode = "none",
    guides: GuidesLike = None,
    arcs: bool = False,
) -> Any:  # noqa: ANN401 - the kind that was given
    """Interpolate a whole sequence: all keyframes and what lies between them, in the order they are shown.

    Between equal keyframes the keyframe is repeated.

    Args:
        images: Two or more keyframes of one size and kind: PIL images, numpy arrays (H, W, 3 or 4) uint8 or
            uint16, or tensors (3 or 4, H, W) of floats in [0, 1]; or all of them in one array (K, H, W, C) or
            tensor (K, C, H, W). A fourth channel is opacity, by which colours are not multiplied. Images of
            16 bits give images of 16 bits, of Pillow's those of grey (`I;16`).
        between: Frames between two keyframes; 1 by default.
        spacing: Their spacing chart: `even` (the default), `ease_in` (starts slowly), `ease_out` (ends
            slowly), `ease_in_out`, or `halves` (each goes half of the remaining distance: 1/2, 3/4, 7/8).
        t: A chart of your own, in place of both: the position of each frame, rising numbers between 0 and 1;
            or one such number.
        method: See `load`; or what `load` returned, to load it once for many sequences. None takes
            `spacing_rife` where RIFE's weights have been fetched (`python -m inbetween fetch-weights rife`),
            else `spacing_flow`.
        device: See `load`.
        cuts: Between keyframes of two different shots, `repeat` repeats the first one; it blends a fade and
            shows a flash once. `interpolate` interpolates all the same.
        candidate: See `Interpolator.interpolate`.
        seed: Seed of a method that samples at random. The same seed always gives the same frames.
        palette: `keep` repaints the frames of flat-coloured drawings in the flat colours of their two
            keyframes, and mixtures of two where these meet; in 8 bits. `none` leaves them as the method drew
            them.
        guides: How things move between the keyframes, as the animator has it: `Guides`, what
            `Guides.from_dict` takes, or the path of a JSON file.
        arcs: Let motion run through the keyframes, on curved paths and without a jump of its velocity; for
            spacing flow and spacing RIFE. Else each pair of keyframes has straight paths of its own, but for
            what the network bends.

    Returns:
        The sequence, of the kind that was given: a list of PIL images, an array (M, H, W, C) uint8, or a
        tensor (M, C, H, W) with dtype and device of the first keyframe. The keyframes in it are bit-exact.

    Raises:
        UserError: The images differ in kind or size, or are no images; an argument is invalid; `palette`
            is `keep` and an image is not flat-coloured; a guide is wrong; or
            `arcs` is set for a method that has none.
    """
    if not isinstance(method, Interpolator):
        method = load(default_method().name if method is None else method, device=device)
    elif device is not None:
        raise UserError("device is given, and the method is loaded already: give it to inbetween.load.")
    return method.interpolate_sequence(
        images,
        between,
        spacing,
        t,
        cuts=cuts,
        candidate=candidate,
        seed=seed,
        palette=palette,
        guides=guides,
        arcs=arcs,
    )
