"""Supervision of the global matches by true or estimated flow."""

from __future__ import annotations

import torch
from torch import Tensor

from inbetween.functional.constants import constant
from inbetween.methods.spacing_flow.matching import CELL, WIDTH, Matcher, log_distance
from inbetween.modules.processes import mean_per_sample


def matching_loss(matcher: Matcher, first: Tensor, last: Tensor, flows: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of the true match among all cells, in both directions, sampled at an in-between's pixels.

    Args:
        matcher: That made the descriptors.
        first: (B, 64, H/8, W/8) descriptors of unit length.
        last: (B, 64, H/8, W/8).
        flows: (B, 4, H, W) true flow_t0 and flow_t1 in pixels at the in-between's pixels.
        weight: (B, 1, H, W) at least 0: each pixel's weight; 0 where it is occluded in a keyframe.

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
    # in cells: the centre of cell (0, 0) is at (0, 0)
    positions = (torch.stack([x, y])[None].repeat(1, 2, 1, 1) + flows + 0.5) / CELL - 0.5
    positions = positions.flatten(2).transpose(1, 2)  # (B, P, 4)
    weight = weight.flatten(1)
    limits = constant(positions, width - 1, height - 1)
    steps = constant(positions, 0, 0, 0, 1, 1, 0, 1, 1).view(4, 2)
    features = [f.flatten(2).transpose(1, 2) for f in (first, last)]
    total, mass = positions.new_zeros(()), positions.new_zeros(())
    for query, key, source, target in (
        (features[0], features[1], positions[..., :2], positions[..., 2:]),
        (features[1], features[0], positions[..., 2:], positions[..., :2]),
    ):
        cell = source.round().clamp(min=0).minimum(limits)
        goal = target + cell - source
        inside = ((goal >= 0) & (goal <= limits)).all(2) & ((source - cell).abs() <= 0.5).all(2)
        index = (cell[..., 1] * width + cell[..., 0]).long()
        queries = query.gather(1, index[..., None].expand(-1, -1, WIDTH))
        distance = log_distance(height, width, 1, positions.device)[index]
        log_probability = matcher.affinity(queries, key, distance).log_softmax(2)
        corner = goal.nan_to_num().floor()
        share = (goal.nan_to_num() - corner)[:, :, None]
        # the four cells around the goal, (B, P, 4, 2), and their bilinear weights
        around = (corner[:, :, None] + steps).clamp(min=0).minimum(limits)
        neighbour = (around[..., 1] * width + around[..., 0]).long()
        bilinear = torch.where(steps > 0, share, 1 - share).prod(3)
        log_likelihood = (bilinear * log_probability.gather(2, neighbour)).sum(2)
        weights = weight * inside
        total, mass = total - (weights * log_likelihood).sum(), mass + weights.sum()
    samples = len(first)
    return total / samples / mean_per_sample(mass, samples).clamp(min=1 / samples)
