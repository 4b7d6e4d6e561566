"""Motion that runs through keyframes: paths are bent by the displacement of the neighbouring pairs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.batch import repeat_samples
from inbetween.functional.splat import softmax_splat
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.composition import FlowNetwork, Intermediate, end_flows

TOLERANCE = 0.1  # of a displacement's length, and at least a pixel: flows there and back differ by less
SAME = 0.15  # of [0, 1]: mean difference of colours up to which a displacement is believed
LEAST = 0.25  # pixels: paths that are bent by less are left straight
REACH = 4  # pixels around confident ones that move with them, as the edges of things
ENOUGH = 0.1  # confidence on average so far around: all of it
HOLE = 0.3  # weight below which nothing lands on a pixel
MOST_TURN = -0.5  # cosine: paths that turn by more than 120 degrees turn back, and stop there


class KeyframeMotion(NamedTuple):
    """The displacement between two keyframes, at the pixels of both."""

    # (B, 3, h, w): from the first keyframe to the last (x, y) in pixels, and its confidence in [0, 1]
    first: Tensor
    last: Tensor


def keyframe_motion(network: FlowNetwork, pair: object, images: tuple[Tensor, Tensor]) -> KeyframeMotion:
    """Estimate the displacement at the keyframes' own pixels.

    It is the network's near each keyframe, where it is reliable, splatted to the keyframe's pixels.

    Args:
        network: Trained.
        pair: What its `encode_pair` gave.
        images: The keyframes that it encoded, (B, 3, h, w) in [0, 1].
    """
    near = network.reliable_from
    places = torch.stack(
        [torch.full_like(image[:, :1], s) for image, s in zip(images, (near, 1 - near), strict=True)], dim=1
    )
    motion = network.between(pair, places).motion.float()
    motion = motion.view(len(images[0]), 2, *motion.shape[1:])
    ends = []
    for number in (0, 1):
        own, covered = motion[:, number, :2], torch.ones_like(places[:, number])
        if near:
            flow = end_flows(motion[:, number], places[:, number])[number]
            own, weight = softmax_splat(own, flow, own.norm(dim=1, keepdim=True).clamp(max=8))
            covered = (weight > HOLE).float()
        ends.append((own, covered))
    (here, seen_here), (there, seen_there) = ends
    first, last = images
    found = []
    for own, covered, other, sign, one, two in (
        (here, seen_here, there, 1.0, first, last),
        (there, seen_there, here, -1.0, last, first),
    ):
        back = backward_warp(other, sign * own)
        apart = (back - own).norm(dim=1, keepdim=True)
        seen = (one - backward_warp(two, sign * own)).abs().mean(1, keepdim=True)
        confidence = covered * _likeness(apart, own) * (2 - seen / SAME).clamp(0, 1)
        found.append(torch.cat([own, confidence], dim=1))
    return KeyframeMotion(*found)


def bent(
    prediction: Intermediate,
    spacing: Tensor,
    own: KeyframeMotion,
    before: Tensor | None,
    after: Tensor | None,
) -> Intermediate:
    """A prediction whose paths pass through the keyframes without a corner.

    A point's path between its keyframes is the cubic with the velocities v0 and v1 at its ends (Hermite), and
    leaves the straight line by

        o(s) = s (1 - s) ((1 - s) (v0 - d) - s (v1 - d)).

    v0 is the mean of d and the displacement that ends there (Catmull-Rom), limited; see `_turn`. Where that
    displacement is known at one end alone, the path is a parabola; at none, straight. Things are moved by o
    before keyframes are warped.

    Args:
        prediction: At the resolution that motion is estimated at.
        spacing: (B N, 1, h, w) in [0, 1].
        own: The pair's own displacement.
        before: (B, 3, h, w): displacement that ends at the first keyframe's pixels, in pixels, and its
            confidence; None at a cut, and at the sequence's start.
        after: (B, 3, h, w): displacement that begins at the last keyframe's pixels.
    """
    motion = prediction.motion.float()
    displacement, count = motion[:, :2], len(motion)
    flows = end_flows(motion, spacing)
    velocities = []
    for neighbour, here, flow in zip((before, after), own, flows, strict=True):
        if neighbour is None:
            velocities.append((torch.zeros_like(displacement), torch.zeros_like(spacing)))
            continue
        both = torch.cat([neighbour, here], dim=1)
        sampled = backward_warp(repeat_samples(both, count // len(both)), flow)
        # the keyframe must have the same thing there
        apart = (sampled[:, 3:5] - displacement).norm(dim=1, keepdim=True)
        same = _likeness(apart, displacement)
        turn = _turn(sampled[:, :2], displacement)
        velocities.append(_spread(turn, same * sampled[:, 2:3] * sampled[:, 5:]))
    (turn_0, sure_0), (turn_1, sure_1) = velocities
    # one end that is not known: the velocities differ from d by opposite amounts
    turn_0, turn_1 = (
        sure_0 * turn_0 - (1 - sure_0) * sure_1 * turn_1,
        sure_1 * turn_1 - (1 - sure_1) * sure_0 * turn_0,
    )
    bend = ((1 - spacing) * turn_0 - spacing * turn_1) / 4
    offset = 4 * spacing * (1 - spacing) * bend
    if float(offset.norm(dim=1).max()) < LEAST:
        return prediction
    maps = [torch.cat([displacement, motion[:, 2:] + bend], dim=1), prediction.mask, prediction.error]
    if prediction.residual is not None:
        maps.append(prediction.residual)
    moved = _moved(torch.cat(maps, dim=1).float(), offset)
    motion, mask, error = moved[:, :4], moved[:, 4:5], moved[:, 5:6]
    residual = None if prediction.residual is None else moved[:, 6:]
    return prediction._replace(motion=motion, mask=mask, error=error, residual=residual)


def paths(
    points: Tensor, t: Tensor, own: KeyframeMotion, before: Tensor | None, after: Tensor | None
) -> Tensor:
    """Where points of the first keyframe are at t, on paths as `bent` has them; of a single pair.

    Args:
        points: (K, 2), x and y in pixels of the maps.
        t: (N,) in [0, 1].
        own: See `bent`.
        before: See `bent`.
        after: See `bent`.

    Returns:
        (N, K, 2).
    """
    found = _at(own.first, points)
    displacement, s = found[:, :2], t[:, None, None]
    turns, sure = [], []
    for neighbour, place in ((before, points), (after, points + displacement)):
        beside = torch.zeros_like(found) if neighbour is None else _at(neighbour, place)
        turns.append(_turn(beside[:, :2], displacement))
        sure.append(beside[:, 2:] * found[:, 2:])
    turn_0 = sure[0] * turns[0] - (1 - sure[0]) * sure[1] * turns[1]
    turn_1 = sure[1] * turns[1] - (1 - sure[1]) * sure[0] * turns[0]
    return points + s * displacement + s * (1 - s) * ((1 - s) * turn_0 - s * turn_1)


def _at(maps: Tensor, points: Tensor) -> Tensor:
    """Maps (1, C, h, w) at points (K, 2): (K, C)."""
    size = torch.tensor([maps.shape[-1], maps.shape[-2]]).to(points)
    grid = (2 * points + 1) / size - 1
    sampled = F.grid_sample(maps, grid[None, None], padding_mode="border", align_corners=False)
    return sampled[0, :, 0].T


def _likeness(apart: Tensor, displacement: Tensor) -> Tensor:
    """How far displacements that differ by `apart` pixels are the same, in [0, 1]."""
    limit: Tensor = (TOLERANCE * displacement.norm(dim=1, keepdim=True)).clamp(min=1)
    return (2 - apart / limit).clamp(0, 1)


def _spread(turn: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
    """A turn (M, 2, h, w) that is confident, also at pixels around it, and where it is."""
    side = 2 * REACH + 1
    near, around = (
        F.avg_pool2d(part, side, 1, REACH, count_include_pad=False)
        for part in (confidence * turn, confidence)
    )
    found = confidence * turn + (1 - confidence) * near / around.clamp(min=1e-4)
    return found, torch.maximum(confidence, (around / ENOUGH).clamp(max=1))


def _turn(neighbour: Tensor, displacement: Tensor) -> Tensor:
    """The velocity at a keyframe, less the pair's own displacement d.

    It is the mean of d and the neighbour's displacement (Catmull-Rom), limited so that nothing overshoots:
    along d it is 0 where the neighbour stands still or turns back, and 2 d at most; across d it is no longer
    than d, and fades out where the path turns back.
    """
    length = displacement.norm(dim=1, keepdim=True).clamp(min=1e-3)
    direction = displacement / length
    along = (neighbour * direction).sum(1, keepdim=True)
    across = (neighbour - along * direction) / 2
    cosine = along / neighbour.norm(dim=1, keepdim=True).clamp(min=1e-3)
    fading = ((cosine - MOST_TURN) / (1 + MOST_TURN)).clamp(0, 1)
    across = across * fading * (length / across.norm(dim=1, keepdim=True).clamp(min=1e-3)).clamp(max=1)
    speed = torch.where(along > 0, torch.minimum((along + length) / 2, 2 * length), 0.0)
    turn: Tensor = across + (speed - length) * direction
    return turn


def _moved(maps: Tensor, offset: Tensor) -> Tensor:
    """Maps (M, C, h, w) moved along (M, 2, h, w); what moves is in front, holes are filled from around."""
    importance = (2 * offset.norm(dim=1, keepdim=True)).clamp(max=8)
    found, weight = softmax_splat(maps, offset, importance)
    known = (weight > HOLE).float()
    return known * found + (1 - known) * _filled(found * known, known)


def _filled(total: Tensor, share: Tensor) -> Tensor:
    """What is known, spread over what is not (pull and push)."""
    if min(total.shape[-2:]) == 1:
        return total / share.clamp(min=1e-6)
    coarse = _filled(*(F.avg_pool2d(part, 2, ceil_mode=True) for part in (total, share)))
    wide = F.interpolate(coarse, size=total.shape[-2:], mode="bilinear")
    sure = share.clamp(max=1)
    return sure * total / share.clamp(min=1e-6) + (1 - sure) * wide
