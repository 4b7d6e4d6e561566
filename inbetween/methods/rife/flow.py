"""RIFE as the flow network of spacing flow: frozen published weights and a trained difference."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from inbetween.functional.constants import constant
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.warp import backward_warp
from inbetween.methods.rife.network import HIDDEN, MULTIPLE, Estimate, RifeNetwork
from inbetween.methods.spacing_flow.composition import Intermediate, proximity_logit

#: Distance of the spacing from 0 and 1 below which flow to that keyframe shrinks in proportion, and the mask
#: selects it. RIFE alone does not reproduce the keyframes at 0 and 1; further inside it is unchanged.
NEAREST = 1 / 64
LEAST = 1e-3  # of [0, 1]: initial expected error where both warped keyframes agree


class ErrorHead(nn.Module):
    """Predicts the expected error of a frame from RIFE's estimate and both warped keyframes.

    Before training it is their disagreement, weighted by the mask m: 2 m (1 - m) |a - b|, as in `Rife`.

    Args:
        width: Channels within.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        inputs = HIDDEN + 1 + 4 + 1 + 1 + 3  # hidden, mask, flows, spacing, disagreement, mean colour
        final = nn.Conv2d(width, 4, 3, 1, 1)
        nn.init.zeros_(final.weight)
        final.bias = nn.Parameter(torch.zeros(4))
        self.body = nn.Sequential(
            nn.Conv2d(4 * inputs, width, 3, 1, 1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.LeakyReLU(0.1, inplace=True),
            final,
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, first: Tensor, last: Tensor, found: Estimate, spacing: Tensor) -> Tensor:
        """Log of the expected absolute error; its inputs get no gradients.

        Args:
            first: (M, 3, H, W) in [0, 1], H and W even.
            last: (M, 3, H, W) in [0, 1].
            found: RIFE's estimate.
            spacing: (M, 1, H, W) in [0, 1].

        Returns:
            (M, 1, H, W) float32.
        """
        with torch.no_grad():
            one, other = backward_warp(first, found.flows[:, :2]), backward_warp(last, found.flows[:, 2:])
            apart = (one - other).abs().mean(1, keepdim=True)
            mask = torch.sigmoid(found.mask)
            begin = (2 * mask * (1 - mask) * apart + LEAST).log()
            parts = [found.hidden, found.mask / 4, found.flows / 16, spacing, 4 * apart, (one + other) / 2]
            seen = F.pixel_unshuffle(torch.cat(parts, dim=1), 2)
        change = self.body(seen.contiguous(memory_format=torch.channels_last))
        return begin + F.pixel_shuffle(change.float(), 2)


class RifePair(NamedTuple):
    """Both keyframes of B windows, encoded."""

    weights: dict[str, Tensor]  # base and difference together
    first: Tensor  # (B, 3, H, W) float32 in [0, 1]
    last: Tensor
    enlarged: tuple[Tensor, Tensor]  # both as motion is estimated on them, enlarged and padded
    features: tuple[Tensor, Tensor]  # (B, 4, ...) of the enlarged ones


class RifeFlow(nn.Module):
    """RIFE 4.26 in the place of `IntermediateFlow`, its weights a frozen base and a trained difference.

    Its flows become displacement and curvature, exactly: displacement = f_t1 - f_t0, and
    curvature = -(f_t0 + s displacement) / (4 s (1 - s)). Its mask already contains
    the weights (1 - s, s), which are divided out.

    The base is not in `state_dict`. The difference, initially 0, and the error head are trained.

    Args:
        enlargement: Factor, at least 1, by which keyframes are enlarged before motion is estimated. RIFE
            follows thin lines more precisely when they are a few pixels wide.
        resolution: Square root of the number of pixels that keyframes are not enlarged beyond.
    """

    def __init__(self, enlargement: float = 1.0, resolution: int = 512) -> None:
        super().__init__()
        self.enlargement, self.resolution = enlargement, resolution
        self.base, self.difference = RifeNetwork(), RifeNetwork()
        for module in self.base.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                delattr(module, name)
                module.register_buffer(name, parameter.detach(), persistent=False)
        for parameter in self.difference.parameters():
            nn.init.zeros_(parameter)
        self.error_head = ErrorHead()

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
        first, last = first.float(), last.float()
        size = self._enlarged_size(first)
        enlarged = [pad_to_multiple(_enlarged(image, size), MULTIPLE) for image in (first, last)]
        of_encoder = {
            name.removeprefix("encode."): value
            for name, value in weights.items()
            if name.startswith("encode.")
        }
        encoded = functional_call(self.base.encode, of_encoder, (torch.cat(enlarged),))
        return RifePair(weights, first, last, (enlarged[0], enlarged[1]), encoded.chunk(2))

    def between(self, pair: RifePair, spacing: Tensor) -> Intermediate:
        """See `IntermediateFlow.between`."""
        count, maps = spacing.shape[1], spacing.flatten(0, 1).float()
        size = self._enlarged_size(pair.first)
        first, last, one, other = (_repeat(x, count) for x in (*pair.enlarged, *pair.features))
        enlarged_maps = pad_to_multiple(_enlarged(maps, size), MULTIPLE)
        found = functional_call(self.base, pair.weights, (first, last, (one, other), enlarged_maps))
        # only the loss in training takes the levels
        coarse = found.levels[:3] if self.training else []
        found = _shrunk(found._replace(levels=coarse), size, (maps.shape[-2], maps.shape[-1]))
        inner = maps.clamp(NEAREST, 1 - NEAREST)
        # composition adds the logit of the spacing, which restores RIFE's mask, except next to a keyframe,
        # where the logit counts twice
        mask = found.mask - 2 * proximity_logit(inner) + proximity_logit(maps)
        error = self.error_head(_repeat(pair.first, count), _repeat(pair.last, count), found, maps)
        motion, *levels = (_motion(flows, inner) for flows in (found.flows, *found.levels))
        return Intermediate(motion, mask, None, error, levels)

    def _enlarged_size(self, images: Tensor) -> tuple[int, int]:
        """Height and width at which the motion of images (B, C, H, W) is estimated."""
        height, width = images.shape[-2:]
        factor = max(1.0, min(self.enlargement, self.resolution / math.sqrt(height * width)))
        return round(height * factor), round(width * factor)


def _enlarged(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images or maps in [0, 1], enlarged smoothly."""
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size=size, mode="bicubic").clamp(0, 1)


def _shrunk(found: Estimate, enlarged: tuple[int, int], size: tuple[int, int]) -> Estimate:
    """An estimate for enlarged and padded images, for the images as they were."""
    scale = constant(found.flows, *([size[1] / enlarged[1], size[0] / enlarged[0]] * 2)).view(1, 4, 1, 1)

    def shrunk(maps: Tensor) -> Tensor:
        maps = maps[..., : enlarged[0], : enlarged[1]]
        return maps if size == enlarged else F.interpolate(maps, size=size, mode="area")

    return Estimate(
        shrunk(found.flows) * scale,
        shrunk(found.mask),
        shrunk(found.hidden),
        [shrunk(flows) * scale for flows in found.levels],
    )


def _motion(flows: Tensor, spacing: Tensor) -> Tensor:
    """Displacement and curvature (M, 4, H, W) that give these flows at a spacing (M, 1, H, W) in (0, 1)."""
    to_first, to_last = flows.chunk(2, dim=1)
    displacement = to_last - to_first
    curvature = -(to_first + spacing * displacement) / (4 * spacing * (1 - spacing))
    return torch.cat([displacement, curvature], dim=1)


def _repeat(tensor: Tensor, count: int) -> Tensor:
    return tensor if count == 1 else tensor.repeat_interleave(count, 0)
