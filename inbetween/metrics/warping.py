"""Whether frames move as the true ones do."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.functional.warp import backward_warp, pixel_grid
from inbetween.metrics.base import ClipMetric

MIN_SIDE = 12  # pixels: the smallest image DIS accepts
Motion = tuple[Tensor, Tensor]


def dis_flows(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Flows between neighbours by dense inverse search (arXiv 1603.03590), OpenCV's medium preset.

    Args:
        frames: (K, 3, H, W) in [0, 1].

    Returns:
        From each frame to the next and from each but the first to the one before, both
        (K - 1, 2, H, W) float32, in pixels.
    """
    grey = _grey(frames)
    return _dis(grey[:-1], grey[1:]).to(frames.device), _dis(grey[1:], grey[:-1]).to(frames.device)


def dis_flow(sources: Tensor, targets: Tensor) -> Tensor:
    """As `dis_flows`, from each of `sources` to its one of `targets`: (K, 2, H, W) of (K, 3, H, W) each."""
    return _dis(_grey(sources), _grey(targets)).to(sources.device)


def _dis(sources: list[NDArray[np.uint8]], targets: list[NDArray[np.uint8]]) -> Tensor:
    """Flow (K, 2, H, W) in pixels of K pairs of grey images (H, W)."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = np.stack([dis.calc(a, b, None) for a, b in zip(sources, targets, strict=True)])
    return torch.from_numpy(flows).permute(0, 3, 1, 2)


def _grey(frames: Tensor) -> list[NDArray[np.uint8]]:
    """Grey images (H, W) of frames (K, 3, H, W) in [0, 1]."""
    rgb = (frames * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rgb]


def lands_inside(flow: Tensor) -> Tensor:
    """Pixels that a flow (K, 2, H, W) takes to a place inside the image, (K, 1, H, W) bool."""
    height, width = flow.shape[-2:]
    landing = pixel_grid(height, width, flow.device) + flow
    limit = landing.new_tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    return ((landing >= 0) & (landing <= limit)).all(dim=1, keepdim=True)


def visible_after(forward: Tensor, backward: Tensor) -> Tensor:
    """Pixels that can still be seen where `forward` takes them.

    A pixel is visible when it lands inside the image and `backward` brings it back:
    `|f(x) + b(x + f(x))|^2 < 0.01 (|f(x)|^2 + |b(x + f(x))|^2) + 0.5` (Sundaram et al. 2010).

    Args:
        forward: (K, 2, H, W) in pixels.
        backward: (K, 2, H, W) in pixels.

    Returns:
        (K, 1, H, W) bool.
    """
    back = backward_warp(backward, forward)
    apart = (forward + back).square().sum(dim=1, keepdim=True)
    length = (forward.square() + back.square()).sum(dim=1, keepdim=True)
    return lands_inside(forward) & (apart < 0.01 * length + 0.5)


def true_motion(clip: Tensor) -> Motion:
    """How a clip moves.

    Args:
        clip: (K, 3, H, W) in [0, 1].

    Returns:
        Flow (K - 1, 2, H, W) from each frame to the next in pixels, and what stays visible
        (K - 1, 1, H, W) bool.
    """
    forward, backward = dis_flows(clip)
    return forward, visible_after(forward, backward)


class WarpingError(ClipMetric):
    """Mean absolute difference along the true motion, in [0, 1]; lower is better.

    With y_0 ... y_K the frames of a clip from one keyframe to the other, and f_k the flow from one true
    frame to the next, the mean over neighbours k and visible pixels x of
    `|y_k(x) - y_{k+1}(x + f_k(x))|`. It follows Lai et al. 2018 (arXiv 1808.00449) but takes the
    absolute in place of the squared difference, and DIS for the flow. Because the flow is the true
    frames' and the keyframes take part, a frozen clip is punished wherever something moved. The true
    sequence itself does not score 0: flow is estimated and shading changes. Pixels that get covered or
    leave the image do not count. Undefined below 12 pixels or where no pixel stays visible.

    Takes `preds` (B, K, 3, H, W) and `target` (B, K, 3, H, W) in [0, 1], both from the first keyframe to the
    last, both among them; gives the mean over the batch.

    >>> import torch
    >>> from inbetween.metrics import WarpingError
    >>> still = torch.zeros(1, 3, 3, 32, 32)
    >>> flicker = still.clone()
    >>> flicker[:, 1] = 0.2
    >>> WarpingError()(flicker, still)
    tensor(0.2000)

    Args:
        motion: Gives the motion of a true clip, such as one kept while several predictions are measured.
        **options: See `torchmetrics.Metric`.
    """

    higher_is_better = False
    plot_lower_bound = 0.0
    shape = ("B", "K", "3", "H", "W")
    with_keyframes = True

    def __init__(
        self,
        motion: Callable[[Tensor], Motion] = true_motion,
        **options: Any,  # noqa: ANN401 - torchmetrics'
    ) -> None:
        super().__init__(**options)
        self.motion = motion

    def clip_score(self, preds: Tensor, target: Tensor) -> Tensor:
        """Warping error of a clip."""
        if min(preds.shape[-2:]) < MIN_SIDE or len(preds) < 2:
            return preds.new_tensor(torch.nan)
        forward, visible = self.motion(target)
        error = (preds[:-1] - backward_warp(preds[1:], forward)).abs().mean(dim=1, keepdim=True)
        pairs = [e[v].mean() for e, v in zip(error, visible, strict=True) if v.any()]
        return torch.stack(pairs).mean() if pairs else preds.new_tensor(torch.nan)
