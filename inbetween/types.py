"""Shapes, ranges and units of everything that passes between data, methods and callbacks.

B = batch, N = in-betweens of a window, H and W = height and width in pixels.
Images are RGB, channels first, float32 in [0, 1]. Flows are displacements in pixels, x then y.
"""

from collections.abc import Callable
from typing import Any, Literal, NotRequired, TypedDict

from torch import Tensor

Split = Literal["train", "val", "test"]

# the keys of `Window` marked "truth": of its keyframes, and of each of its N in-betweens
KEY_TRUTH = ("flow_01", "flow_10", "visible_01", "visible_10")
TARGET_TRUTH = ("flow_t0", "flow_t1", "spacing")
TARGET_VISIBILITY = ("visible_t0", "visible_t1")  # of the in-betweens, only with that of the keyframes


class Window(TypedDict):
    """One sample: two keyframes, the target frames between them, and their positions t.

    The keys marked "truth" (ground truth) are only present if the source has them and was asked for them. In
    a mixture of sources they are filled with NaN in windows of sources without them.
    """

    first: Tensor  # (3, H, W) the first keyframe
    last: Tensor  # (3, H, W) the last keyframe
    targets: Tensor  # (N, 3, H, W) the true in-betweens
    t: Tensor  # (N,) float32 in (0, 1), ascending: position of each target
    box: Tensor  # (4,) int64: top, left, height, width of the frame inside its padding
    index: Tensor  # () int64: position in the dataset
    seed: Tensor  # () int64 in [0, 2**63): seeds this sample's noise, made of (seed, epoch, index)
    name: str  # "<animation>/<scene>/<kind>/<first frame>-<last frame>" or the like, unique in the dataset
    animation: NotRequired[str]  # its animation: windows of one animation are not independent
    caption: NotRequired[str]  # what it shows, in words; present for all windows of a data set or for none
    flow_01: NotRequired[Tensor]  # (2, H, W) truth: from first to last, at first's pixels
    flow_10: NotRequired[Tensor]  # (2, H, W) truth: from last to first, at last's pixels
    visible_01: NotRequired[Tensor]  # (1, H, W) truth: 1 where first's pixel is visible in last, too
    visible_10: NotRequired[Tensor]  # (1, H, W) truth: 1 where last's pixel is visible in first, too
    flow_t0: NotRequired[Tensor]  # (N, 2, H, W) truth: from each target to first, at target's pixels
    flow_t1: NotRequired[Tensor]  # (N, 2, H, W) truth: from each target to last, at target's pixels
    spacing: NotRequired[Tensor]  # (N, 1, H, W) truth in [0, 1]: share of its path that a pixel has covered
    visible_t0: NotRequired[Tensor]  # (N, 1, H, W) truth: 1 where a target's pixel is visible in first
    visible_t1: NotRequired[Tensor]  # (N, 1, H, W) truth: 1 where a target's pixel is visible in last
    frame_ids: NotRequired[Tensor]  # (N + 2,) int64: an id of each frame, where frames recur each epoch
    sample: NotRequired[Any]  # what a method's `Preparation` computed from the window for its loss


def animation_in(name: str) -> str:
    """The animation of a window without that key: its name without the frames."""
    return name.rpartition("/")[0] or name


class WindowBatch(TypedDict):
    """A collated list of `Window`: every tensor gains a leading B, `name` and `animation` become lists."""

    first: Tensor  # (B, 3, H, W)
    last: Tensor  # (B, 3, H, W)
    targets: Tensor  # (B, N, 3, H, W)
    t: Tensor  # (B, N)
    box: Tensor  # (B, 4)
    index: Tensor  # (B,)
    seed: Tensor  # (B,)
    name: list[str]
    animation: NotRequired[list[str]]
    caption: NotRequired[list[str]]
    flow_01: NotRequired[Tensor]  # (B, 2, H, W)
    flow_10: NotRequired[Tensor]  # (B, 2, H, W)
    visible_01: NotRequired[Tensor]  # (B, 1, H, W)
    visible_10: NotRequired[Tensor]  # (B, 1, H, W)
    flow_t0: NotRequired[Tensor]  # (B, N, 2, H, W)
    flow_t1: NotRequired[Tensor]  # (B, N, 2, H, W)
    spacing: NotRequired[Tensor]  # (B, N, 1, H, W)
    visible_t0: NotRequired[Tensor]  # (B, N, 1, H, W)
    visible_t1: NotRequired[Tensor]  # (B, N, 1, H, W)
    frame_ids: NotRequired[Tensor]  # (B, N + 2)
    sample: NotRequired[Any]  # collated; in training the only other keys are `t`, `index`, `seed` and `name`


# Computes what a method's loss needs of a window, in a data worker: it can be pickled, its results can be
# collated, and its random numbers depend on the window's seed alone.
Preparation = Callable[[Window], Any]


class StepOutput(TypedDict):
    """What one step of a method returns to Lightning and the callbacks."""

    loss: NotRequired[Tensor]  # () float32, absent for methods that do not train
    logs: NotRequired[dict[str, Tensor]]  # further scalars, logged as <stage>/<key>
    frames: NotRequired[Tensor]  # (B, N, 3, H, W) in [0, 1]: in-betweens of the batch, if they were computed
