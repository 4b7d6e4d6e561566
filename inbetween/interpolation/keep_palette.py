"""`palette` `keep` on tensors: which keyframes have a palette, and frames repainted in it."""

from collections.abc import Container, Iterable, Sequence
from typing import get_args

import torch
from torch import Tensor

from inbetween.data.keyframes import in_unit_range
from inbetween.errors import UserError
from inbetween.interpolation.palette import (
    MOST,
    FlatColours,
    Packed,
    PaletteMode,
    common_palette,
    flat_colours,
)
from inbetween.interpolation.repaint import PairPalette
from inbetween.io.frames import to_bytes
from inbetween.io.images import Pixels

FAITHFUL = 0.985  # least share of what a keyframe shows that its own palette can show


def flat_palettes(
    images: Iterable[Tensor], palette: PaletteMode, names: Sequence[str], held: Container[int] = ()
) -> list[FlatColours]:
    """The flat colours of each keyframe of a sequence, if they are to be kept; else none.

    Args:
        images: (4, H, W) in [0, 1], RGB not multiplied by opacity, then opacity.
        palette: Whether they are.
        names: What each is called in messages.
        held: Indices of keyframes after a cut, to which nothing is interpolated.

    Raises:
        UserError: `palette` is unknown, or a keyframe or two neighbours have too many colours.
    """
    if palette not in get_args(PaletteMode):
        raise UserError(f"palette is {palette}: give one of {', '.join(get_args(PaletteMode))}.")
    if palette == "none":
        return []
    found = [flat_palette(to_bytes(image), name) for image, name in zip(images, names, strict=True)]
    for number in range(1, len(found)):
        if number not in held:
            both = common_palette(found[number - 1], found[number])
            check_number(both, f"{names[number - 1]} and {names[number]}")
    return found


def pair_palette(first: Tensor, last: Tensor, colours: Sequence[FlatColours]) -> PairPalette | None:
    """The palette of two keyframes (4, H, W) in [0, 1] with flat colours; None without any."""
    return PairPalette(to_bytes(first), to_bytes(last), (colours[0], colours[1])) if colours else None


def repainted(frames: Tensor, palette: PairPalette) -> Tensor:
    """Frames (N, 4, H, W) in [0, 1] in the colours of a palette, on the same device."""
    painted = [in_unit_range(palette.repaint(to_bytes(frame))).permute(2, 0, 1) for frame in frames]
    return torch.stack(painted).to(frames)


def flat_palette(image: Pixels, name: str) -> FlatColours:
    """The flat colours of a keyframe (H, W, 4) that shows little else.

    Args:
        image: RGB, not multiplied by opacity, then opacity.
        name: What it is called in messages.

    Raises:
        UserError: It has gradients, textures or no flat colours.
    """
    found = flat_colours(image)
    check_number(found.packed, name)
    own = PairPalette(image, image, (found, found)) if len(found.packed) else None
    shown = own.fidelity(image) if own else 0.0
    if shown < FAITHFUL:
        raise UserError(
            f"{name} has gradients, textures or soft shading, of which its flat colours can show"
            f" {shown:.0%}: use palette none, or give flat-coloured drawings."
        )
    return found


def check_number(packed: Packed, names: str) -> None:
    """Check that a palette (K,) of some keyframes has `MOST` colours at most.

    Raises:
        UserError: It has more.
    """
    if len(packed) > MOST:
        raise UserError(
            f"More than {MOST} flat colours are in {names}, as in gradients, textures and photographs: use"
            " palette none, or give flat-coloured drawings."
        )
