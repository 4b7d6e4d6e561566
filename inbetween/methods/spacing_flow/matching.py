"""Global matching: for each cell of a keyframe the most similar cell of the other, at any distance."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CELL = 8  # pixels: width of a cell
MAX_CELLS = 4096  # of the affinity matrix; larger images are matched by larger cells
WIDTH = 64  # channels of the descriptors


class Matches(NamedTuple):
    """The match of every cell of each keyframe in the other one."""

    flow_01: Tensor  # (B, 2, h, w) in cells, x then y, at first's cells
    flow_10: Tensor  # (B, 2, h, w) at last's cells
    confidence_01: Tensor  # (B, 1, h, w) in [0, 1]
    confidence_10: Tensor  # (B, 1, h, w)


class Matcher(nn.Module):
    """Descriptors, and the affinity of every cell of one keyframe with every cell of the other.

    The affinity is a scaled cosine similarity minus a penalty that grows with the logarithm of the distance,
    so that the nearest of several similar cells matches, and flat background stays in place.

    Args:
        fine: Channels of the features at 1/8 of height and width.
        coarse: Channels at 1/16.
    """

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(fine, WIDTH, 3, 1, 1)
        self.around = nn.Sequential(
            nn.Conv2d(coarse, coarse, 3, 1, 2, dilation=2),
            nn.LeakyReLU(0.1),
            nn.Conv2d(coarse, WIDTH, 3, 1, 1),
        )
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.log_penalty = nn.Parameter(torch.tensor(-1.5))

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Unit-length descriptors (B, 64, H/8, W/8) of (B, fine, H/8, W/8) and (B, coarse, H/16, W/16)."""
        around = F.interpolate(self.around(coarse), scale_factor=2, mode="bilinear")
        return F.normalize(self.fine(fine) + around, dim=1)

    def affinity(self, queries: Tensor, keys: Tensor, distance: Tensor) -> Tensor:
        """Logits (B, P, n) of (B, P, 64) against (B, n, 64), at `log_distance` (P, n) or (B, P, n)."""
        # a pass over the logits costs as much as their product: scale the queries, and add in one pass
        products = (self.log_scale.exp() * queries) @ keys.transpose(1, 2)
        return torch.addcmul(products.float(), distance, -self.log_penalty.exp())


@lru_cache(maxsize=4)
def log_distance(height: int, width: int, side: int, device: torch.device) -> Tensor:
    """Logarithm of 1 + the distance between all cells of a grid, (n, n) float32, n = height width.

    Args:
        height: Of the grid, in cells.
        width: Of the grid, in cells.
        side: Of a cell, in the unit of distances.
        device: Of the result.
    """
    # cached, so it must also work in training: inference tensors do not
    with torch.inference_mode(False):
        y, x = torch.meshgrid(
            torch.arange(height, device=device, dtype=torch.float32),
            torch.arange(width, device=device, dtype=torch.float32),
            indexing="ij",
        )
        positions = torch.stack([y.flatten(), x.flatten()], dim=1) * side
        return torch.cdist(positions, positions).log1p()


@torch.no_grad()
def match(matcher: Matcher, first: Tensor, last: Tensor) -> Matches:
    """The best match of every cell, in both directions.

    The confidence is that of a dual softmax (LoFTR, arXiv 2104.00680). The offset is that of the best cell,
    refined below a cell by the probabilities of its eight neighbours.

    Args:
        matcher: That made the descriptors.
        first: (B, 64, h, w) descriptors of unit length.
        last: (B, 64, h, w).
    """
    shape = first.shape[-2:]
    side = 1
    while -(-shape[0] // side) * -(-shape[1] // side) > MAX_CELLS:
        side *= 2
    if side > 1:
        # ceil_mode: every cell of the finer grid lies in one of the coarser
        first, last = (F.avg_pool2d(f, side, ceil_mode=True) for f in (first, last))
    height, width = first.shape[-2:]
    distance = log_distance(height, width, side, first.device)
    a, b = (F.normalize(f, dim=1).flatten(2).transpose(1, 2) for f in (first, last))
    logits = matcher.affinity(a, b, distance)
    forward, backward = logits.softmax(2), logits.softmax(1)
    dual = forward * backward
    both = []
    for probability, joint in ((forward, dual), (backward.transpose(1, 2), dual.transpose(1, 2))):
        confidence, best = joint.max(2)
        both.append(
            (_offsets(probability, best, height, width) * side, confidence.sqrt().view(-1, 1, height, width))
        )
    (flow_01, confidence_01), (flow_10, confidence_10) = both
    matches = Matches(flow_01, flow_10, confidence_01, confidence_10)
    if side == 1:
        return matches
    large = (F.interpolate(x, scale_factor=side, mode="nearest") for x in matches)
    return Matches(*(x[..., : shape[0], : shape[1]] for x in large))


def _offsets(probability: Tensor, best: Tensor, height: int, width: int) -> Tensor:
    """Offsets (B, 2, h, w) from each cell to its match: the expectation over 3x3 cells around the best."""
    row, column = best // width, best % width
    total = probability.new_zeros(best.shape)
    x, y = torch.zeros_like(total), torch.zeros_like(total)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            r, c = row + dy, column + dx
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            index = (r.clamp(0, height - 1) * width + c.clamp(0, width - 1))[..., None]
            weight = probability.gather(2, index)[..., 0] * inside
            total, x, y = total + weight, x + weight * dx, y + weight * dy
    total = total.clamp(min=1e-8)
    cell = torch.arange(height * width, device=best.device)
    x, y = x / total + column - cell % width, y / total + row - cell // width
    return torch.stack([x, y], dim=1).view(-1, 2, height, width)
