"""The frames between one pair of keyframes: with opacity, from a seed, in small batches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.opacity import composite, contrasting_background, uncomposite
from inbetween.functional.seeds import generators
from inbetween.methods import Method
from inbetween.methods.spaced import SpacedMethod, even_spacing

#: Takes `t` (1, N) or a spacing map (1, N, 1, H, W); returns N in-betweens, and their expected absolute
#: error (..., N, 1, H, W), for methods that predict it.
FramesAt = Callable[[Tensor], tuple[Tensor, Tensor | None]]


class Between(NamedTuple):
    """A prepared pair of keyframes."""

    frames_at: FramesAt
    spaced: Any  # what `SpacedMethod.spaced_interpolator` returned; None for other methods


PIXELS_AT_ONCE = 2**20  # of in-betweens computed together, which bounds memory


def few_at_once(count: int, size: tuple[int, int]) -> list[range]:
    """Numbers, from 0 to `count` - 1, of the in-betweens of `size` = (H, W) that are computed together."""
    at_once = max(1, PIXELS_AT_ONCE // (size[0] * size[1]))
    return [range(begin, min(begin + at_once, count)) for begin in range(0, count, at_once)]


def frames_between(
    method: Method, first: Tensor, last: Tensor, seed: int, transparent: bool, candidate: int = 0
) -> Between:
    """Prepare interpolation between two keyframes with or without transparency.

    Where a method supports alpha, one motion moves colours and opacity. Else opacity is a grey image of its
    own, interpolated beside the coloured one and from the same noise.

    Args:
        method: The method.
        first: (4, H, W) in [0, 1] on the method's device, RGB not multiplied by opacity, then opacity.
        last: The same.
        seed: Of methods that sample at random.
        transparent: Whether the keyframes have transparency.
        candidate: See `SpacedMethod.interpolate_spaced`.

    Returns:
        A `Between` that gives (N, 4, H, W) in [0, 1] like the keyframes, the same however in-betweens are
        split over calls.
    """
    if not transparent:
        frames_at, spaced = _between(method, first[None, :3], last[None, :3], seed, candidate)

        def opaque(place: Tensor) -> tuple[Tensor, Tensor | None]:
            frames, errors = frames_at(place)
            return F.pad(frames[0], (0, 0, 0, 0, 0, 1), value=1.0), None if errors is None else errors[0]

        return Between(opaque, spaced)
    keyframes = torch.stack([first, last])
    colors, opacity = keyframes[:, :3], keyframes[:, 3:]
    background = contrasting_background(colors, opacity)
    images = composite(colors, opacity, background)
    if method.supports_alpha:
        layered = torch.cat([images, opacity], dim=1)
        a, b = layered[:1], layered[1:]
    else:
        a, b = torch.stack([images, opacity.expand_as(images)], dim=1)
    frames_at, spaced = _between(method, a, b, seed, candidate)

    def with_alpha(place: Tensor) -> tuple[Tensor, Tensor | None]:
        layers, errors = frames_at(place)
        if method.supports_alpha:
            image, opacity = layers[0, :, :3], layers[0, :, 3:]
        else:
            image, opacity = layers[0], layers[1].mean(dim=1, keepdim=True)
        frames = torch.cat([uncomposite(image, opacity, background), opacity], dim=1)
        return frames, None if errors is None else errors[0]

    return Between(with_alpha, spaced)


def _between(method: Method, first: Tensor, last: Tensor, seed: int, candidate: int) -> Between:
    """Gives frames (B, N, C, H, W) of keyframes (B, C, H, W) that share place and noise."""
    windows = len(first)
    if isinstance(method, SpacedMethod):
        spaced = method.spaced_interpolator(first, last, candidate)

        def with_errors(place: Tensor) -> tuple[Tensor, Tensor | None]:
            place = place.to(method.device).expand(windows, *place.shape[1:])
            return spaced(place if place.ndim == 5 else even_spacing(first, place))

        return Between(with_errors, spaced)
    plain = method.interpolator(first, last, generators(torch.full((windows,), seed)))
    return Between(lambda t: (plain(t.to(method.device).expand(windows, -1)), None), None)
