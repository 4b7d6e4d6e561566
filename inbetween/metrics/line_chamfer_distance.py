"""How far the drawn lines lie from the true ones."""

from statistics import fmean

import torch
from torch import Tensor

from inbetween.functional.lines import chamfer_distance, line_mask
from inbetween.metrics.window import WindowMetric, cropped
from inbetween.types import WindowBatch


class LineChamferDistance(WindowMetric):
    """Line chamfer distance in ten-thousandths of the picture's diagonal; lower is better.

    Lines are found by a difference of Gaussians; the mean distance from a line pixel to the nearest
    line of the other picture, both ways (after EISAI, arXiv 2111.12792; see `chamfer_distance` for
    what differs). 0 when neither picture has lines, 10000 when only one has.
    """

    higher_is_better = False

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Mean line distance of each window's frames."""
        return [
            torch.tensor(
                1e4
                * fmean(
                    chamfer_distance(line_mask(frame), line_mask(target))
                    for frame, target in zip(window.frames, window.targets, strict=True)
                )
            )
            for window in cropped(frames, batch)
        ]
