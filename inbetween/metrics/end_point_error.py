"""How far the motion that frames are warped along is from the true one."""

from torch import Tensor

from inbetween.metrics.base import ImageMetric


class EndPointError(ImageMetric):
    """Mean distance between a flow's end and the true one's, in pixels; lower is better.

    The mean over all pixels, what is covered included (Otte and Nagel 1994). Undefined where the true flow is
    not known (NaN).

    Takes flows: `preds` (B, 2, H, W) and `target` (B, 2, H, W) in pixels, x then y; gives the mean over the
    batch.

    >>> import torch
    >>> from inbetween.metrics import EndPointError
    >>> EndPointError()(torch.zeros(1, 2, 8, 8), torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8))
    tensor(5.)
    """

    higher_is_better = False
    plot_lower_bound = 0.0
    shape = ("B", "2", "H", "W")

    def scores(self, preds: Tensor, target: Tensor) -> Tensor:
        """End-point error of each flow."""
        distance: Tensor = (preds - target).norm(dim=1)
        return distance.mean(dim=(1, 2))
