"""Training samples of intermediate flow: one drawing of each window, and a view of it cut at random."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generators
from inbetween.modules.flow import MULTIPLE
from inbetween.modules.noising import drawn_each
from inbetween.types import TARGET_TRUTH, WindowBatch


class Sample(NamedTuple):
    """One in-between per window, as it is trained on."""

    first: Tensor  # (B, 3, H, W) in [0, 1]
    last: Tensor  # (B, 3, H, W)
    target: Tensor  # (B, 3, H, W)
    spacing: Tensor  # (B, 1, H, W)
    flows: Tensor | None  # (B, 4, H, W) true flow_t0 and flow_t1 in pixels, or NaN, if some source knows them
    blind: Tensor | None = None  # (B,) bool: goes without the classical flow; None: no one does


def middle_drawings(batch: WindowBatch) -> Sample:
    """The middle in-between of each window, whole, padded to what the network takes."""
    count = batch["t"].shape[1]
    parts, known = _parts(batch, [count // 2] * len(batch["t"]))
    padded = pad_to_multiple(parts, MULTIPLE)
    return _sample(padded, known)


def random_views(batch: WindowBatch, crop: int, blindness: float) -> Sample:
    """An in-between of each window, shrunk, cut, mirrored, transposed and reversed at random.

    Args:
        batch: Windows; their seeds decide.
        crop: Side in pixels of the views; smaller pictures give smaller ones.
        blindness: Share in [0, 1] that is to go without the classical flow.
    """
    streams = generators(batch["seed"])
    count, (height, width) = batch["t"].shape[1], batch["first"].shape[-2:]
    parts, known = _parts(batch, [int(torch.randint(count, (), generator=stream)) for stream in streams])
    side = min(crop, height, width) // MULTIPLE * MULTIPLE
    # one size for the whole batch, views of their own for its windows
    low = side / min(height, width)
    share = low + (1 - low) * float(torch.rand((), generator=streams[0]))
    shape = max(round(height * share), side), max(round(width * share), side)
    if shape != (height, width):
        pictures = F.interpolate(parts[:, :9], size=shape, mode="bilinear", antialias=True)
        exact = F.interpolate(parts[:, 9:], size=shape, mode="nearest-exact")
        exact[:, 1:] *= share
        parts = torch.cat([pictures, exact], dim=1)
    blind = drawn_each(streams, lambda stream: torch.rand((), generator=stream)) < blindness
    views = torch.stack([_view(*pair, side) for pair in zip(parts, streams, strict=True)])
    return _sample(views, known)._replace(blind=blind)


def _parts(batch: WindowBatch, chosen: list[int]) -> tuple[Tensor, bool]:
    """First, last, target, spacing, and flows to first and last if known, (B, 10 or 14, H, W)."""
    rows, (height, width) = list(range(len(chosen))), batch["first"].shape[-2:]
    spacing = batch["t"][rows, chosen].float().view(-1, 1, 1, 1).expand(-1, 1, height, width)
    known = all(name in batch for name in TARGET_TRUTH)
    if known:
        true = batch["spacing"][rows, chosen]
        spacing = torch.where(true.isnan(), spacing, true)
    parts = [batch["first"], batch["last"], batch["targets"][rows, chosen], spacing]
    if known:
        parts += [batch["flow_t0"][rows, chosen], batch["flow_t1"][rows, chosen]]
    return torch.cat(parts, dim=1), known


def _sample(parts: Tensor, known: bool) -> Sample:
    return Sample(
        parts[:, :3], parts[:, 3:6], parts[:, 6:9], parts[:, 9:10], parts[:, 10:] if known else None
    )


def _view(parts: Tensor, stream: torch.Generator, side: int) -> Tensor:
    """A random view (10 or 14, side, side): first, last, target, spacing, and flows to first and last."""
    height, width = parts.shape[-2:]
    top = int(torch.randint(height - side + 1, (), generator=stream))
    left = int(torch.randint(width - side + 1, (), generator=stream))
    mirror, turn, back, soften = (torch.rand(4, generator=stream) < 0.5).tolist()
    parts = parts[:, top : top + side, left : left + side].clone()
    if mirror:
        parts = parts.flip(-1)
        parts[10::2] *= -1
    if turn:
        parts = parts.transpose(-1, -2)
        parts = torch.cat([parts[:10], *(parts[k : k + 2].flip(0) for k in range(10, len(parts), 2))])
    if back:
        flows = parts[10:].roll(2, dims=0)
        parts = torch.cat([parts[3:6], parts[:3], parts[6:9], 1 - parts[9:10], flows])
    if soften:
        # people paint spacing maps with a broad brush
        parts = parts.contiguous()
        parts[9:10] = F.avg_pool2d(parts[None, 9:10], 9, 1, 4, count_include_pad=False)[0]
    return parts.contiguous()
