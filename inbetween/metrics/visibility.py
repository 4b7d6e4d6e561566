"""How much of an in-between only one of its keyframes shows."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.warp import backward_warp
from inbetween.metrics.warping import MIN_SIDE, dis_flow, lands_inside
from inbetween.types import WindowBatch

# of [0, 1]: mean difference over 5x5 pixels from which a keyframe does not show what the in-between does;
# chosen on synthetic animation, whose true visibility is known
MAX_DIFFERENCE = 0.1


def visible_in_keyframes(clip: Tensor) -> Tensor:
    """Estimate which pixels of in-betweens are visible in their keyframes.

    A pixel counts as visible where its flow to the keyframe (DIS) ends inside the image and leads to the same
    colours. Forward-backward consistency (`visible_after`) is stricter than that: in flat areas, whose motion
    cannot be observed and does not matter, flows there and back seldom agree.

    Args:
        clip: (N + 2, 3, H, W) in [0, 1]: first, the true in-betweens, and last; at least 12 pixels high and
            wide.

    Returns:
        (N, 2, H, W) bool: of each in-between, whether its pixels are visible in first, and in last.
    """
    found = []
    for keyframe in (clip[:1], clip[-1:]):
        keyframes = keyframe.expand(len(clip) - 2, -1, -1, -1)
        flow = dis_flow(clip[1:-1], keyframes)
        difference = (backward_warp(keyframes, flow) - clip[1:-1]).abs().amax(dim=1, keepdim=True)
        mean = F.avg_pool2d(difference, 5, 1, 2, count_include_pad=False)
        found.append(lands_inside(flow) & (mean < MAX_DIFFERENCE))
    return torch.cat(found, dim=1)


def one_sided_shares(batch: WindowBatch) -> list[float]:
    """Share in [0, 1] of each window's in-betweens that at most one keyframe shows, padding excluded.

    From the true visibility where the source gives it (`visible_t0`, `visible_t1`), else by
    `visible_in_keyframes`.

    Returns:
        B numbers; NaN for windows that are too small for an estimate.
    """
    shares = []
    for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
        area = (row, ..., slice(top, top + height), slice(left, left + width))
        if "visible_t0" in batch and not batch["visible_t0"][area].isnan().any():
            visible = torch.cat([batch["visible_t0"][area], batch["visible_t1"][area]], dim=1) > 0.5
        elif min(height, width) < MIN_SIDE:
            shares.append(math.nan)
            continue
        else:
            frames = batch["first"][area][None], batch["targets"][area], batch["last"][area][None]
            visible = visible_in_keyframes(torch.cat(frames).float())
        shares.append(float((~visible.all(dim=1)).float().mean()))
    return shares
