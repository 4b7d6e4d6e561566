"""Cycle consistency: in-betweens of in-betweens give the keyframe between them back."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from inbetween.data.source import WindowDataset
from inbetween.methods.base import Method
from inbetween.types import WindowBatch


def keyframe_triplets(batch: WindowBatch, windows: WindowDataset) -> WindowBatch | None:
    """Three evenly spaced keyframes k_0, k_1, k_2 for each window of a batch that has them.

    Args:
        batch: Windows, not augmented.
        windows: The data set they are from; see `WindowDataset.keyframe_triplet`.

    Returns:
        A batch with `first` k_0, the one target k_1 and `last` k_2; None if no window has them.
    """
    found = {
        row: triplet
        for row, index in enumerate(batch["index"].tolist())
        if (triplet := windows.keyframe_triplet(index)) is not None
    }
    if not found:
        return None
    rows, frames = list(found), torch.stack(list(found.values())).to(batch["first"])
    kept = {key: cast(Tensor, value)[rows] for key, value in batch.items() if key in ("box", "index", "seed")}
    names = [batch["name"][row] for row in rows]
    kept |= {"first": frames[:, 0], "targets": frames[:, 1:2], "last": frames[:, 2]}
    kept["t"] = torch.full_like(frames[:, :1, 0, 0, 0], 0.5)
    return cast(WindowBatch, {**kept, "name": names})


def cycled(method: Method, triplets: WindowBatch) -> Tensor:
    """A method's estimates (B, 1, 3, H, W) of the middle keyframes, from its own in-betweens.

    With I(x, y) the frame halfway between x and y, it is I(I(k_0, k_1), I(k_1, k_2)) (Reda et al. 2019, arXiv
    1906.05928): in-betweens at the times 1/2 and 3/2, of which k_1 at the time 1 is halfway again.

    Args:
        method: On the batch's device.
        triplets: Of `keyframe_triplets`.
    """
    middle = triplets["targets"][:, 0]
    early = method.interpolate_batch({**triplets, "last": middle})[:, 0]
    late = method.interpolate_batch({**triplets, "first": middle})[:, 0]
    return method.interpolate_batch({**triplets, "first": early, "last": late})
