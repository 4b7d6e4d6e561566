"""How far predicted lines lie from the true ones."""

import torch
from torch import Tensor

from inbetween.functional.lines import chamfer_distance, line_mask
from inbetween.metrics.base import ImageMetric


class LineChamferDistance(ImageMetric):
    """Line chamfer distance in ten-thousandths of the image's diagonal, from 0 to 10000; lower is better.

    Lines are found by a difference of Gaussians; the mean distance from a line pixel to the nearest
    line of the other image, both ways (after EISAI, arXiv 2111.12792; see `chamfer_distance` for
    what differs). 0 when neither image has lines, 10000 when only one has.

    Takes `preds` (B, 3, H, W) and `target` (B, 3, H, W) in [0, 1]; gives the mean over the batch.

    >>> import torch
    >>> from inbetween.metrics import LineChamferDistance
    >>> image = torch.ones(1, 3, 40, 60)
    >>> image[..., 20] = 0  # a line
    >>> LineChamferDistance()(image, image.roll(2, -1))
    tensor(138.6750)
    """

    higher_is_better = False
    plot_lower_bound = 0.0

    def scores(self, preds: Tensor, target: Tensor) -> Tensor:
        """Line chamfer distance of each image."""
        found = [chamfer_distance(line_mask(a), line_mask(b)) for a, b in zip(preds, target, strict=True)]
        return 1e4 * torch.tensor(found, device=preds.device)
