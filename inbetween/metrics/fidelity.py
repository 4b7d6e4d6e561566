"""How near the drawings come to the true ones, pixel by pixel."""

import torch
from torch import Tensor

from inbetween.functional.ssim import WINDOW, ssim
from inbetween.metrics.window import WindowMetric, cropped
from inbetween.types import WindowBatch

PSNR_CAP = 60.0  # decibels


class SSIM(WindowMetric):
    """Structural similarity to the true drawings, mean over a window's frames, at most 1; higher is better.

    Gaussian window of 11 pixels, per colour channel (Wang et al. 2004). Undefined below 11 pixels.
    """

    higher_is_better = True

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Mean SSIM of each window's frames."""
        return [
            ssim(window.frames, window.targets).mean() if window.side >= WINDOW else None
            for window in cropped(frames, batch)
        ]


class PSNR(WindowMetric):
    """Peak signal-to-noise ratio in decibels, mean over a window's frames; higher is better.

    `-10 log10(mean squared error)` of each frame, capped at 60 dB (an error of a quarter of an 8-bit
    step): one frame that happens to be exact must not make the mean infinite.
    """

    higher_is_better = True

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Mean PSNR of each window's frames."""
        return [
            (-10 * torch.log10((window.frames - window.targets).square().mean(dim=(1, 2, 3))))
            .clamp(max=PSNR_CAP)
            .mean()
            for window in cropped(frames, batch)
        ]
