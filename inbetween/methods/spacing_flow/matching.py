"""Global matching: which place of the other keyframe a place of this one looks like, however far away."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.constants import constant
from inbetween.functional.splat import softmax_splat
from inbetween.functional.warp import backward_warp
from inbetween.modules.processes import mean_per_sample

CELL = 8  # pixels of the picture that a place to be matched is wide
MOST_CELLS = 4096  # matched with each other; larger pictures are matched by larger cells
WIDTH = 64  # of the features that are compared
IN_FRONT = 3.0  # how much more (in powers of e) what moves on its own counts than what is behind it


class Matches(NamedTuple):
    """For every cell of each keyframe, where the other one shows the same."""

    flow_01: Tensor  # (B, 2, h, w) in cells, x then y, at first's cells
    flow_10: Tensor  # (B, 2, h, w) at last's cells
    confidence_01: Tensor  # (B, 1, h, w) in [0, 1]
    confidence_10: Tensor  # (B, 1, h, w)


class Matcher(nn.Module):
    """Features to match by, and the affinity of every cell of one keyframe with every cell of the other.

    The affinity is a scaled cosine less a penalty that grows with the logarithm of the distance, so that
    of places that look the same the nearest is meant, and flat paper stays where it is.

    Args:
        fine: Channels at 1/8 of the picture.
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
        """Unit features (B, 64, H/8, W/8) from (B, fine, H/8, W/8) and (B, coarse, H/16, W/16)."""
        around = F.interpolate(self.around(coarse), scale_factor=2, mode="bilinear")
        return F.normalize(self.fine(fine) + around, dim=1)

    def affinity(self, queries: Tensor, keys: Tensor, distance: Tensor) -> Tensor:
        """Logits (B, P, n) float32 of (B, P, 64) against (B, n, 64), `log_distance` (P, n) or (B, P, n)."""
        # a pass over the logits costs as much as their product: scale the small side, and add in one pass
        products = (self.log_scale.exp() * queries) @ keys.transpose(1, 2)
        return torch.addcmul(products.float(), distance, -self.log_penalty.exp())


@lru_cache(maxsize=4)
def log_distance(height: int, width: int, side: int, device: torch.device) -> Tensor:
    """Logarithm of 1 + the distance between all cells of a grid, (n, n) float32, n = height width.

    Args:
        height: Cells.
        width: Cells.
        side: Of a cell, in the cells that distances are measured in.
        device: Where it is wanted.
    """
    # kept for later, so it has to be fit for training
    with torch.inference_mode(False):
        y, x = torch.meshgrid(
            torch.arange(height, device=device, dtype=torch.float32),
            torch.arange(width, device=device, dtype=torch.float32),
            indexing="ij",
        )
        at = torch.stack([y.flatten(), x.flatten()], dim=1) * side
        return torch.cdist(at, at).log1p()


@torch.no_grad()
def match(matcher: Matcher, first: Tensor, last: Tensor) -> Matches:
    """The best match of every cell, both ways.

    Cells agree where each is the other's likeliest match (dual softmax, arXiv 2104.00680). The offset is
    that of the best cell, made finer by the likelihoods of its eight neighbours.

    Args:
        matcher: Whose features these are.
        first: (B, 64, h, w) unit features.
        last: (B, 64, h, w).
    """
    shape = first.shape[-2:]
    side = 1
    while -(-shape[0] // side) * -(-shape[1] // side) > MOST_CELLS:
        side *= 2
    if side > 1:
        # ceil_mode: every cell of the finer grid lies in one of the coarser
        first, last = (F.avg_pool2d(f, side, ceil_mode=True) for f in (first, last))
    height, width = first.shape[-2:]
    distance = log_distance(height, width, side, first.device)
    a, b = (F.normalize(f, dim=1).flatten(2).transpose(1, 2) for f in (first, last))
    logits = matcher.affinity(a, b, distance)
    forth, back = logits.softmax(2), logits.softmax(1)
    dual = forth * back
    found = []
    for likely, both in ((forth, dual), (back.transpose(1, 2), dual.transpose(1, 2))):
        confidence, best = both.max(2)
        found.append(
            (_offsets(likely, best, height, width) * side, confidence.sqrt().view(-1, 1, height, width))
        )
    (flow_01, confidence_01), (flow_10, confidence_10) = found
    matches = Matches(flow_01, flow_10, confidence_01, confidence_10)
    if side == 1:
        return matches
    large = (F.interpolate(x, scale_factor=side, mode="nearest") for x in matches)
    return Matches(*(x[..., : shape[0], : shape[1]] for x in large))


def _offsets(likely: Tensor, best: Tensor, height: int, width: int) -> Tensor:
    """Offsets (B, 2, h, w) from each cell to its best one, by the mean over the 3x3 cells about it."""
    row, column = best // width, best % width
    total = likely.new_zeros(best.shape)
    x, y = torch.zeros_like(total), torch.zeros_like(total)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            r, c = row + dy, column + dx
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            at = (r.clamp(0, height - 1) * width + c.clamp(0, width - 1))[..., None]
            weight = likely.gather(2, at)[..., 0] * inside
            total, x, y = total + weight, x + weight * dx, y + weight * dy
    total = total.clamp(min=1e-8)
    cell = torch.arange(height * width, device=best.device)
    x, y = x / total + column - cell % width, y / total + row - cell // width
    return torch.stack([x, y], dim=1).view(-1, 2, height, width)


def matched_motion(matches: Matches, spacing: Tensor) -> Tensor:
    """Two guesses of the way through an in-between's cells, from matches sent there.

    Of what meets, the surer counts more, and what moves otherwise than most of the picture lies in front.
    Where nothing lands, the guess is to stay.

    Args:
        matches: Of M in-betweens.
        spacing: (M, 1, h, w) in [0, 1].

    Returns:
        (M, 6, h, w) float32: way by first's cells, way by last's cells, in cells; then for each how
        sure it is, in [0, 1].
    """
    displacements, confidences = [], []
    for flow, confidence, share, sign in (
        (matches.flow_01, matches.confidence_01, spacing, 1.0),
        (matches.flow_10, matches.confidence_10, 1 - spacing, -1.0),
    ):
        most = flow.flatten(2).median(2).values[..., None, None]
        alone = (flow - most).norm(dim=1, keepdim=True).clamp(max=1)
        # the map is given at the in-between's pixels: look it up about where a cell will be
        share = backward_warp(share, share * flow)
        importance = 2 * confidence.clamp(min=1e-3).log() + IN_FRONT * alone
        carried, weight = softmax_splat(torch.cat([flow, confidence], dim=1), share * flow, importance)
        landed = weight / (weight + 0.01)
        displacements.append(sign * landed * carried[:, :2])
        confidences.append(landed * carried[:, 2:])
    return torch.cat([*displacements, *confidences], dim=1)


def matching_loss(matcher: Matcher, first: Tensor, last: Tensor, flows: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of the true match among all cells, both ways, at the pixels of an in-between.

    Args:
        matcher: Whose features these are.
        first: (B, 64, H/8, W/8) unit features.
        last: (B, 64, H/8, W/8).
        flows: (B, 4, H, W) true flow_t0 and flow_t1 in pixels at the in-between's pixels.
        weight: (B, 1, H, W) at least 0: how much each pixel counts; 0 where it is not seen in both.

    Returns:
        () float32, the weighted mean in nats.
    """
    height, width = first.shape[-2:]
    step = CELL // 2
    begin = step // 2
    flows, weight = (x[..., begin::step, begin::step].float() for x in (flows, weight))
    y, x = torch.meshgrid(
        torch.arange(flows.shape[-2], device=flows.device, dtype=torch.float32) * step + begin,
        torch.arange(flows.shape[-1], device=flows.device, dtype=torch.float32) * step + begin,
        indexing="ij",
    )
    # in cells: the middle of cell (0, 0) is at (0, 0)
    at = (torch.stack([x, y])[None].repeat(1, 2, 1, 1) + flows + 0.5) / CELL - 0.5
    at = at.flatten(2).transpose(1, 2)  # (B, P, 4)
    weight = weight.flatten(1)
    limits = constant(at, width - 1, height - 1)
    steps = constant(at, 0, 0, 0, 1, 1, 0, 1, 1).view(4, 2)
    features = [f.flatten(2).transpose(1, 2) for f in (first, last)]
    total, mass = at.new_zeros(()), at.new_zeros(())
    for query, key, source, target in (
        (features[0], features[1], at[..., :2], at[..., 2:]),
        (features[1], features[0], at[..., 2:], at[..., :2]),
    ):
        cell = source.round().clamp(min=0).minimum(limits)
        goal = target + cell - source
        inside = ((goal >= 0) & (goal <= limits)).all(2) & ((source - cell).abs() <= 0.5).all(2)
        index = (cell[..., 1] * width + cell[..., 0]).long()
        asked = query.gather(1, index[..., None].expand(-1, -1, WIDTH))
        distance = log_distance(height, width, 1, at.device)[index]
        logs = matcher.affinity(asked, key, distance).log_softmax(2)
        corner = goal.nan_to_num().floor()
        share = (goal.nan_to_num() - corner)[:, :, None]
        # the four cells about the goal, (B, P, 4, 2), and how much of it is in each
        about = (corner[:, :, None] + steps).clamp(min=0).minimum(limits)
        place = (about[..., 1] * width + about[..., 0]).long()
        parts = torch.where(steps > 0, share, 1 - share).prod(3)
        likelihood = (parts * logs.gather(2, place)).sum(2)
        counts = weight * inside
        total, mass = total - (counts * likelihood).sum(), mass + counts.sum()
    samples = len(first)
    return total / samples / mean_per_sample(mass, samples).clamp(min=1 / samples)
