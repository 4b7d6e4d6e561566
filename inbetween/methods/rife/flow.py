"""RIFE as the flow network of spacing flow: frozen published weights and a trained difference."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from inbetween.functional.batch import repeat_samples
from inbetween.functional.constants import constant
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.warp import backward_warp
from inbetween.methods.rife.error_head import ErrorHead
from inbetween.methods.rife.network import MULTIPLE, Estimate, RifeNetwork
from inbetween.methods.spacing_flow.composition import Intermediate, proximity_logit

#: Distance of the spacing from 0 and 1 below which flow to that keyframe shrinks in proportion, and the mask
#: selects it. RIFE alone does not reproduce the keyframes at 0 and 1; further inside it is unchanged.
NEAREST = 1 / 64
#: Of the resolutions, from the highest: a lower one is chosen where the warped keyframes differ by less than
#: this share of their difference at the highest.
MARGINS = (1.0, 0.93, 0.8)
LEAST_ENLARGEMENT = 1.25  # smaller factors are not worth their time
LOWER = (1.0, 0.5, 0.25)  # resolutions below the highest, relative to the keyframes' own
LEVELS = 8  # of a spacing map that is not constant
LEAST_DISAGREEMENT = 2e-4  # of [0, 1], added to all: smaller ones do not matter


class Scaled(NamedTuple):
    """Both keyframes of B windows at one of the resolutions that motion is estimated at."""

    size: tuple[int, int]  # without padding
    first: Tensor  # (B, 3, h, w) float32 in [0, 1], padded
    last: Tensor
    features: tuple[Tensor, Tensor]  # (B, 4, h, w) each


class RifePair(NamedTuple):
    """Both keyframes of B windows, encoded."""

    weights: dict[str, Tensor]  # base and difference together
    first: Tensor  # (B, 3, H, W) float32 in [0, 1]
    last: Tensor
    scaled: list[Scaled]
    chosen: list[int]  # of each window: the place of its resolution in `scaled`
    midway: Estimate | None  # at that resolution and a spacing of 1/2, if it was needed to choose


class RifeFlow(nn.Module):
    """RIFE 4.26 in the place of `IntermediateFlow`, its weights a frozen base and a trained difference.

    Its flows become displacement and curvature, exactly: displacement = f_t1 - f_t0, and
    curvature = -(f_t0 + s displacement) / (4 s (1 - s)). Its mask already contains
    the weights (1 - s, s), which are divided out.

    RIFE follows thin lines more precisely on enlarged keyframes, and far motion on shrunk ones. In evaluation
    mode the resolution is chosen for each window: the one at which both warped keyframes agree best, halfway
    between them. Training uses the highest.

    The base is not in `state_dict`. The difference, initially 0, and the error head are trained. A difference
    that is frozen and 0 is not in `state_dict` either, and one that is missing there is loaded as 0.

    Args:
        enlargement: Factor, at least 1, by which keyframes are enlarged at the highest resolution.
        resolution: Square root of the number of pixels that they are not enlarged beyond.
        scales: Number of resolutions, 1 to 3: the highest, then the keyframes' own and half of it.
    """

    #: Next to a keyframe the flow to the other one is not.
    reliable_from = 0.25

    def __init__(self, enlargement: float = 1.0, resolution: int = 768, scales: int = 1) -> None:
        super().__init__()
        self.enlargement, self.resolution, self.scales = enlargement, resolution, scales
        self.base, self.difference = RifeNetwork(), RifeNetwork()
        for module in self.base.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                delattr(module, name)
                module.register_buffer(name, parameter.detach(), persistent=False)
        for parameter in self.difference.parameters():
            nn.init.zeros_(parameter)
        self.error_head = ErrorHead()
        self.register_state_dict_post_hook(_drop_untrained_difference)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_add_untrained_difference)  # type: ignore[no-untyped-call]

    def load_base(self, weights: dict[str, Tensor]) -> None:
        """Load the base's weights, by RIFE's names."""
        for name, buffer in self.base.named_buffers():
            buffer.copy_(weights[name])

    def forward(
        self, first: Tensor, last: Tensor, spacing: Tensor, flow_01: Tensor, flow_10: Tensor
    ) -> Intermediate:
        """See `IntermediateFlow.forward`; any H and W that are even."""
        return self.between(self.encode_pair(first, last, flow_01, flow_10), spacing)

    def encode_pair(self, first: Tensor, last: Tensor, flow_01: Tensor, flow_10: Tensor) -> RifePair:
        """See `IntermediateFlow.encode_pair`; classical flows are not used."""
        changes = dict(self.difference.named_parameters())
        weights = {name: value + changes[name] for name, value in self.base.named_buffers()}
        of_encoder = {
            name.removeprefix("encode."): value
            for name, value in weights.items()
            if name.startswith("encode.")
        }
        first, last = first.float(), last.float()
        height, width = first.shape[-2:]
        factor = min(self.enlargement, self.resolution / math.sqrt(height * width))
        if factor < LEAST_ENLARGEMENT:
            factor = 1.0
        scaled = []
        factors = sorted({factor, *LOWER}, reverse=True)
        for factor in factors[: 1 if self.training else self.scales]:
            size = _scaled_size(height, width, factor)
            one, other = (pad_to_multiple(_resized(image, size), MULTIPLE) for image in (first, last))
            encoded = functional_call(self.base.encode, of_encoder, (torch.cat([one, other]),))
            scaled.append(Scaled(size, one, other, encoded.chunk(2)))
        pair = RifePair(weights, first, last, scaled, [0] * len(first), None)
        return pair if len(scaled) == 1 else self._choose(pair)

    def between(self, pair: RifePair, spacing: Tensor) -> Intermediate:
        """See `IntermediateFlow.between`."""
        count, maps = spacing.shape[1], spacing.flatten(0, 1).float()
        windows = [window for window in range(len(spacing)) for _ in range(count)]
        found = self._estimates(pair, windows, maps) if self.training else self._of_maps(pair, windows, maps)
        inner = maps.clamp(NEAREST, 1 - NEAREST)
        # composition adds the logit of the spacing, which restores RIFE's mask, except next to a keyframe,
        # where the logit counts twice
        mask = found.mask - 2 * proximity_logit(inner) + proximity_logit(maps)
        error = self.error_head(
            repeat_samples(pair.first, count), repeat_samples(pair.last, count), found, maps
        )
        motion, *levels = (_motion(flows, inner) for flows in (found.flows, *found.levels))
        return Intermediate(motion, mask, None, error, levels)

    def _choose(self, pair: RifePair) -> RifePair:
        """The pair with each window's resolution chosen."""
        count = len(pair.first)
        halfway = pair.first.new_full((count, 1, *pair.first.shape[-2:]), 0.5)
        found = [self._estimate(pair.weights, scaled, list(range(count)), halfway) for scaled in pair.scaled]
        apart = torch.stack([_disagreement(pair.first, pair.last, estimate) for estimate in found], dim=1)
        chosen = (apart / constant(apart, *MARGINS[: len(found)])).argmin(1).tolist()
        flows, mask, hidden = (
            torch.stack([maps[number][row] for row, number in enumerate(chosen)])
            for maps in zip(*(estimate[:3] for estimate in found), strict=True)
        )
        return pair._replace(chosen=chosen, midway=Estimate(flows, mask, hidden, []))

    def _of_maps(self, pair: RifePair, windows: list[int], maps: Tensor) -> Estimate:
        """Estimates at spacing maps (M, 1, H, W), which may vary.

        RIFE was trained on constant ones, and follows others loosely. So a map is divided into levels; each
        pixel takes the flows that RIFE finds at the two levels around its spacing, interpolated.
        """
        low, high = (reduce(maps.flatten(1), 1)[:, None, None, None] for reduce in (torch.amin, torch.amax))
        if torch.equal(low, high):
            return self._estimates(pair, windows, maps)
        place = (maps - low) / (high - low).clamp(min=1e-6) * (LEVELS - 1)
        fields: list[Tensor] = []
        for number in range(LEVELS):
            level = low + (high - low) * (number / (LEVELS - 1))
            found = self._estimates(pair, windows, level.expand_as(maps))
            weight = (1 - (place - number).abs()).clamp(min=0)
            weighted = [weight * field for field in found[:3]]
            fields = [a + b for a, b in zip(fields, weighted, strict=True)] if fields else weighted
        return Estimate(fields[0], fields[1], fields[2], [])

    def _estimates(self, pair: RifePair, windows: list[int], maps: Tensor) -> Estimate:
        """Estimates of M in-betweens of these windows, each at its window's resolution."""
        if pair.midway is not None and bool((maps == 0.5).all()):
            flows, mask, hidden = (x[windows] for x in pair.midway[:3])
            return Estimate(flows, mask, hidden, [])
        groups: dict[int, list[int]] = {}
        for row, window in enumerate(windows):
            groups.setdefault(pair.chosen[window], []).append(row)
        if len(groups) == 1:
            [number] = groups
            return self._estimate(pair.weights, pair.scaled[number], windows, maps)
        order = [row for rows in groups.values() for row in rows]
        found = [
            self._estimate(pair.weights, pair.scaled[number], [windows[row] for row in rows], maps[rows])
            for number, rows in groups.items()
        ]
        back = sorted(range(len(order)), key=order.__getitem__)
        flows, mask, hidden = (
            torch.cat(maps)[back] for maps in zip(*(part[:3] for part in found), strict=True)
        )
        return Estimate(flows, mask, hidden, [])

    def _estimate(
        self, weights: dict[str, Tensor], scaled: Scaled, windows: list[int], maps: Tensor
    ) -> Estimate:
        """Estimates at one resolution, resized to that of the spacing maps (M, 1, H, W)."""
        every = windows == list(range(len(scaled.first)))
        first, last, one, other = (
            x if every else x[windows] for x in (scaled.first, scaled.last, *scaled.features)
        )
        small = pad_to_multiple(_resized(maps, scaled.size), MULTIPLE)
        found: Estimate = functional_call(self.base, weights, (first, last, (one, other), small))
        # only the loss in training takes the levels
        levels = found.levels[:3] if self.training else []
        return _at_size(found._replace(levels=levels), scaled.size, (maps.shape[-2], maps.shape[-1]))


def _drop_untrained_difference(
    module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    difference = dict(cast(RifeFlow, module).difference.named_parameters())
    if not any(weight.requires_grad or bool(weight.any()) for weight in difference.values()):
        for name in difference:
            del state[f"{prefix}difference.{name}"]


def _add_untrained_difference(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name, weight in cast(RifeFlow, module).difference.named_parameters():
        state.setdefault(f"{prefix}difference.{name}", torch.zeros_like(weight))


def _disagreement(first: Tensor, last: Tensor, found: Estimate) -> Tensor:
    """Mean difference (B,) of both keyframes (B, 3, H, W), warped to an estimate."""
    one, other = backward_warp(first, found.flows[:, :2]), backward_warp(last, found.flows[:, 2:])
    return (one - other).abs().flatten(1).mean(1) + LEAST_DISAGREEMENT


def _scaled_size(height: int, width: int, factor: float) -> tuple[int, int]:
    return max(round(height * factor), 1), max(round(width * factor), 1)


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images or maps in [0, 1], enlarged smoothly or shrunk."""
    if images.shape[-2:] == size:
        return images
    if images.shape[-2] > size[0]:
        return F.interpolate(images, size=size, mode="area")
    return F.interpolate(images, size=size, mode="bicubic").clamp(0, 1)


def _at_size(found: Estimate, own: tuple[int, int], size: tuple[int, int]) -> Estimate:
    """An estimate for images of another size, without the padding."""
    scale = constant(found.flows, *([size[1] / own[1], size[0] / own[0]] * 2)).view(1, 4, 1, 1)

    def resized(maps: Tensor) -> Tensor:
        maps = maps[..., : own[0], : own[1]]
        if size == own:
            return maps
        return F.interpolate(maps, size=size, mode="area" if own[0] > size[0] else "bilinear")

    return Estimate(
        resized(found.flows) * scale,
        resized(found.mask),
        resized(found.hidden),
        [resized(flows) * scale for flows in found.levels],
    )


def _motion(flows: Tensor, spacing: Tensor) -> Tensor:
    """Displacement and curvature (M, 4, H, W) that give these flows at a spacing (M, 1, H, W) in (0, 1)."""
    to_first, to_last = flows.chunk(2, dim=1)
    displacement = to_last - to_first
    curvature = -(to_first + spacing * displacement) / (4 * spacing * (1 - spacing))
    return torch.cat([displacement, curvature], dim=1)
