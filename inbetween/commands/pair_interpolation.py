"""One pair of keyframes drawn by a method: with opacity, by chance, and how sure it is."""

from collections.abc import Callable

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.opacity import composite, contrasting_background, uncomposite
from inbetween.functional.seeds import generators
from inbetween.methods import Method
from inbetween.methods.spaced import SpacedMethod, even_spacing

#: Takes `t` (1, N) or a spacing map (1, N, 1, H, W); gives what belongs to N in-betweens, and the expected
#: absolute error of methods that know it, (..., N, 1, H, W).
Interpolator = Callable[[Tensor], tuple[Tensor, Tensor | None]]

PIXELS_AT_ONCE = 2**20  # of in-betweens drawn together: with their number memory would grow


def few_at_once(count: int, size: tuple[int, int]) -> list[range]:
    """Numbers, from 0 to `count` - 1, of the in-betweens of `size` = (H, W) that are drawn together."""
    at_once = max(1, PIXELS_AT_ONCE // (size[0] * size[1]))
    return [range(begin, min(begin + at_once, count)) for begin in range(0, count, at_once)]


def is_stochastic(method: Method, fabric: L.Fabric) -> bool:
    """Whether a method draws random numbers; tried out on a small picture."""
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    background, half = torch.ones(1, 3, 64, 64, device=method.device), torch.full((1, 1), 0.5)
    with fabric.autocast(), torch.no_grad():
        method.interpolate(background, background, half.to(method.device), [generator])
    return not torch.equal(before, generator.get_state())


def candidates_of(method: Method) -> int:
    """How many drawings a method knows for one place, without chance."""
    return method.candidates if isinstance(method, SpacedMethod) else 1


def pair_interpolator(
    method: Method, first: Tensor, last: Tensor, seed: int, transparent: bool, candidate: int = 0
) -> Interpolator:
    """What draws between two keyframes with or without transparency, a few in-betweens at a time.

    Where a method moves opacity itself, one motion moves colours and opacity. Else opacity is a grey picture
    of its own, drawn beside the coloured one and from the same noise.

    Args:
        method: Draws.
        first: (4, H, W) in [0, 1], RGB not multiplied by opacity, then opacity.
        last: The same.
        seed: Decides about chance.
        transparent: Whether opacity counts.
        candidate: See `SpacedMethod.interpolate_spaced`.

    Returns:
        An `Interpolator` that gives (N, 4, H, W) in [0, 1] like the keyframes, the same
        however in-betweens are dealt out to calls.
    """
    if not transparent:
        interpolator = _interpolator(method, first[None, :3], last[None, :3], seed, candidate)

        def opaque(place: Tensor) -> tuple[Tensor, Tensor | None]:
            images, errors = interpolator(place)
            return F.pad(images[0], (0, 0, 0, 0, 0, 1), value=1.0), None if errors is None else errors[0]

        return opaque
    keyframes = torch.stack([first, last])
    colors, opacity = keyframes[:, :3], keyframes[:, 3:]
    background = contrasting_background(colors, opacity)
    images = composite(colors, opacity, background)
    if method.supports_alpha:
        layered = torch.cat([images, opacity], dim=1)
        a, b = layered[:1], layered[1:]
    else:
        a, b = torch.stack([images, opacity.expand_as(images)], dim=1)
    interpolator = _interpolator(method, a, b, seed, candidate)

    def see_through(place: Tensor) -> tuple[Tensor, Tensor | None]:
        layers, errors = interpolator(place)
        if method.supports_alpha:
            image, opacity = layers[0, :, :3], layers[0, :, 3:]
        else:
            image, opacity = layers[0], layers[1].mean(dim=1, keepdim=True)
        in_betweens = torch.cat([uncomposite(image, opacity, background), opacity], dim=1)
        return in_betweens, None if errors is None else errors[0]

    return see_through


def _interpolator(method: Method, first: Tensor, last: Tensor, seed: int, candidate: int) -> Interpolator:
    """Gives frames (B, N, C, H, W), on the CPU, of keyframes (B, C, H, W) that share place and noise."""
    windows = len(first)
    first, last = first.to(method.device), last.to(method.device)
    if isinstance(method, SpacedMethod):
        interpolate_spacing = method.spaced_interpolator(first, last, candidate)

        def spaced(place: Tensor) -> tuple[Tensor, Tensor | None]:
            place = place.to(method.device).expand(windows, *place.shape[1:])
            images, errors = interpolate_spacing(place if place.ndim == 5 else even_spacing(first, place))
            return images.cpu(), errors.cpu()

        return spaced
    interpolator = method.interpolator(first, last, generators(torch.full((windows,), seed)))
    return lambda t: (interpolator(t.to(method.device).expand(windows, -1)).cpu(), None)
