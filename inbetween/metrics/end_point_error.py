"""How far the motion that drawings are made along is from the true one."""

import torch
from torch import Tensor

from inbetween.metrics.window import WindowMetric
from inbetween.types import WindowBatch


class EndPointError(WindowMetric):
    """Mean distance between a flow's end and the true one's, in pixels; lower is better.

    The mean over both keyframes, all drawings and all pixels, what is covered in a keyframe included (Otte
    and Nagel 1994). Takes flows in place of frames. Undefined where a window's source does not know its
    motion.
    """

    higher_is_better = False

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """End-point error of each window.

        Args:
            frames: Flows (B, N, 4, H, W) in pixels, from each drawing to first (x, y) and to last (x, y).
            batch: With `flow_t0` and `flow_t1`, or without.
        """
        if "flow_t0" not in batch:
            return [None] * len(frames)
        result: list[Tensor | None] = []
        difference = frames.float() - torch.cat([batch["flow_t0"], batch["flow_t1"]], dim=2).to(frames.device)
        for row, (top, left, height, width) in enumerate(batch["box"].tolist()):
            area = difference[row, ..., top : top + height, left : left + width]
            to_first, to_last = area[:, :2], area[:, 2:]
            error = (to_first.norm(dim=1).mean() + to_last.norm(dim=1).mean()) / 2
            result.append(None if error.isnan() else error)
        return result
