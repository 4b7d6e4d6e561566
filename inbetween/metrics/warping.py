"""Whether the drawings move as the true ones do."""

from functools import partial
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor

from inbetween.functional.warp import backward_warp, pixel_grid
from inbetween.metrics.window import Cropped, TruthCache, WindowMetric, cropped
from inbetween.types import WindowBatch

MIN_SIDE = 12  # pixels: the smallest picture DIS accepts


def dis_flows(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Flows between neighbours by dense inverse search (arXiv 1603.03590), OpenCV's medium preset.

    Args:
        frames: (K, 3, H, W) in [0, 1].

    Returns:
        From each frame to the next and from each but the first to the one before, both
        (K - 1, 2, H, W) float32, in pixels.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    rgb = (frames * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rgb]
    forward = np.stack([dis.calc(a, b, None) for a, b in pairwise(grey)])
    backward = np.stack([dis.calc(b, a, None) for a, b in pairwise(grey)])
    return (
        torch.from_numpy(forward).permute(0, 3, 1, 2).to(frames.device),
        torch.from_numpy(backward).permute(0, 3, 1, 2).to(frames.device),
    )


def visible_after(forward: Tensor, backward: Tensor) -> Tensor:
    """Pixels that can still be seen where `forward` takes them.

    A pixel is visible when it lands inside the picture and `backward` brings it back:
    `|f(x) + b(x + f(x))|^2 < 0.01 (|f(x)|^2 + |b(x + f(x))|^2) + 0.5` (Sundaram et al. 2010).

    Args:
        forward: (K, 2, H, W) in pixels.
        backward: (K, 2, H, W) in pixels.

    Returns:
        (K, 1, H, W) bool.
    """
    height, width = forward.shape[-2:]
    landing = pixel_grid(height, width, forward.device) + forward
    limit = landing.new_tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    inside = ((landing >= 0) & (landing <= limit)).all(dim=1, keepdim=True)
    back = backward_warp(backward, forward)
    mismatch = (forward + back).square().sum(dim=1, keepdim=True)
    length = (forward.square() + back.square()).sum(dim=1, keepdim=True)
    return inside & (mismatch < 0.01 * length + 0.5)


def true_motion(window: Cropped) -> tuple[Tensor, Tensor]:
    """Flow (N + 1, 2, h, w) from each true frame to the next, and what stays visible (N + 1, 1, h, w)."""
    forward, backward = dis_flows(torch.cat([window.first[None], window.targets, window.last[None]]))
    return forward, visible_after(forward, backward)


class WarpingError(WindowMetric):
    """Mean absolute difference along the true motion, in [0, 1]; lower is better.

    With y_0 = first, y_1 ... y_N the predictions and y_{N+1} = last, and f_k the flow from one true
    frame to the next, the mean over neighbours k and visible pixels x of
    `|y_k(x) - y_{k+1}(x + f_k(x))|`. It follows Lai et al. 2018 (arXiv 1808.00449) but takes the
    absolute in place of the squared difference, and DIS for the flow. Because the flow is the true
    frames' and the keyframes take part, a frozen clip is punished wherever something moved. The true
    sequence itself does not score 0: flow is estimated and shading changes. Pixels that get covered or
    leave the picture do not count. Undefined below 12 pixels or where no pixel stays visible.

    Args:
        cache: Keeps the true frames' flow while several predictions are measured.
    """

    higher_is_better = False

    def __init__(self, cache: TruthCache | None = None) -> None:
        super().__init__()
        self.cache = cache or TruthCache()

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Warping error of each window."""
        result: list[Tensor | None] = []
        for row, window in enumerate(cropped(frames, batch)):
            if window.side < MIN_SIDE:
                result.append(None)
                continue
            predicted = torch.cat([window.first[None], window.frames, window.last[None]])
            forward, visible = self.cache(batch, "motion", row, partial(true_motion, window))
            error = (predicted[:-1] - backward_warp(predicted[1:], forward)).abs().mean(dim=1, keepdim=True)
            pairs = [e[v].mean() for e, v in zip(error, visible, strict=True) if v.any()]
            result.append(torch.stack(pairs).mean() if pairs else None)
        return result
