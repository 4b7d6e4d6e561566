"""How near frames come to the true ones, pixel by pixel."""

import torch
from torch import Tensor

from inbetween.functional.ssim import WINDOW, ssim
from inbetween.metrics.base import ImageMetric

PSNR_CAP = 60.0  # decibels


class SSIM(ImageMetric):
    """Structural similarity of images, at most 1; higher is better.

    Gaussian window of 11 pixels, per colour channel (Wang et al. 2004). Undefined below 11 pixels.

    Takes `preds` (B, 3, H, W) and `target` (B, 3, H, W) in [0, 1]; gives the mean over the batch.

    >>> import torch
    >>> from inbetween.metrics import SSIM
    >>> SSIM()(torch.full((1, 3, 32, 32), 0.5), torch.full((1, 3, 32, 32), 0.4))
    tensor(0.9756)
    """

    higher_is_better = True
    plot_upper_bound = 1.0

    def scores(self, preds: Tensor, target: Tensor) -> Tensor:
        """SSIM of each image."""
        if min(preds.shape[-2:]) < WINDOW:
            return preds.new_full((len(preds),), torch.nan)
        return ssim(preds, target)


class PSNR(ImageMetric):
    """Peak signal-to-noise ratio of images in decibels, from 0 to 60; higher is better.

    `-10 log10(mean squared error)` of each image, capped at 60 dB (an error of a quarter of an 8-bit
    step): one image that happens to be exact must not make the mean infinite.

    Takes `preds` (B, 3, H, W) and `target` (B, 3, H, W) in [0, 1]; gives the mean over the batch.

    >>> import torch
    >>> from inbetween.metrics import PSNR
    >>> PSNR()(torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.4))
    tensor(20.)
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = PSNR_CAP

    def scores(self, preds: Tensor, target: Tensor) -> Tensor:
        """PSNR of each image."""
        return (-10 * torch.log10((preds - target).square().mean(dim=(1, 2, 3)))).clamp(max=PSNR_CAP)
