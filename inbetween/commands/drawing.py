"""One pair of keyframes drawn by a method: with opacity, by chance, and how sure it is."""

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.opacity import contrasting_paper, lay_on, lift_off
from inbetween.functional.seeds import generators
from inbetween.methods import Method
from inbetween.methods.base import SpacedMethod, even_spacing


def draws_by_chance(method: Method, fabric: L.Fabric) -> bool:
    """Whether a method draws random numbers; tried out on a small picture."""
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    paper, half = torch.ones(1, 3, 64, 64, device=method.device), torch.full((1, 1), 0.5)
    with fabric.autocast(), torch.no_grad():
        method.interpolate(paper, paper, half.to(method.device), [generator])
    return not torch.equal(before, generator.get_state())


def versions_of(method: Method) -> int:
    """How many drawings a method knows for one place, without chance."""
    return method.versions if isinstance(method, SpacedMethod) else 1


def draw_between(
    method: Method,
    first: Tensor,
    last: Tensor,
    place: Tensor,
    seed: int,
    transparent: bool,
    version: int = 0,
) -> tuple[Tensor, Tensor | None]:
    """Draw between two keyframes with or without transparency.

    Where a method moves opacity itself, one motion moves colours and opacity. Else opacity is a grey picture
    of its own, drawn beside the coloured one and from the same noise.

    Args:
        method: Draws.
        first: (4, H, W) in [0, 1], RGB not multiplied by opacity, then opacity.
        last: The same.
        place: `t` (1, N) or a spacing map (1, N, 1, H, W).
        seed: Decides about chance.
        transparent: Whether opacity counts.
        version: See `SpacedMethod.interpolate_spaced`.

    Returns:
        (N, 4, H, W) in [0, 1] like the keyframes, and the expected absolute error (N, 1, H, W) of methods
        that know it.
    """
    if not transparent:
        pictures, errors = drawn(method, first[None, :3], last[None, :3], place, seed, version)
        return F.pad(pictures[0], (0, 0, 0, 0, 0, 1), value=1.0), None if errors is None else errors[0]
    keyframes = torch.stack([first, last])
    colors, opacity = keyframes[:, :3], keyframes[:, 3:]
    paper = contrasting_paper(colors, opacity)
    pictures = lay_on(colors, opacity, paper)
    if method.moves_opacity:
        layered = torch.cat([pictures, opacity], dim=1)
        layers, errors = drawn(method, layered[:1], layered[1:], place, seed, version)
        picture, opacity = layers[0, :, :3], layers[0, :, 3:]
    else:
        a, b = torch.stack([pictures, opacity.expand_as(pictures)], dim=1)
        (picture, grey), errors = drawn(method, a, b, place, seed, version)
        opacity = grey.mean(dim=1, keepdim=True)
    transparent_picture = torch.cat([lift_off(picture, opacity, paper), opacity], dim=1)
    return transparent_picture, None if errors is None else errors[0]


def drawn(
    method: Method, first: Tensor, last: Tensor, place: Tensor, seed: int, version: int
) -> tuple[Tensor, Tensor | None]:
    """Frames (B, N, C, H, W), on the CPU, of keyframes (B, C, H, W) that share `place` and the noise.

    Methods that know it also give the expected absolute error (B, N, 1, H, W).
    """
    chance = generators(torch.full((len(first),), seed))
    place = place.expand(len(first), *place.shape[1:])
    first, last, place = (value.to(method.device) for value in (first, last, place))
    if isinstance(method, SpacedMethod):
        spacing = place if place.ndim == 5 else even_spacing(first, place)
        pictures, errors = method.interpolate_spaced(first, last, spacing, version)
        return pictures.cpu(), errors.cpu()
    return method.interpolate(first, last, place, chance).cpu(), None
