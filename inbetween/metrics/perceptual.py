"""LPIPS and metrics built on it: perceptual distance and temporal coherence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lpips
import torch
from torch import Tensor, nn

from inbetween.errors import UserError
from inbetween.metrics.base import ClipMetric, ImageMetric, SampleMetric
from inbetween.metrics.feature_network import MISSING, find_alexnet, load_lpips

MIN_SIDE = 31  # pixels: the smallest image that passes AlexNet
Features = list[Tensor]  # of AlexNet's layers, each (K, C, h, w) of unit length in C


class PerceptualDistance:
    """LPIPS (alex, version 0.1, arXiv 1801.03924) of images and of features of images.

    Computed in float32 whatever the precision around it. The network is held here and not by metrics, so that
    it enters neither their state nor a checkpoint; it follows the images from device to device.

    Args:
        network: LPIPS as made by `load_lpips`.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network.to(memory_format=torch.channels_last)

    def features(self, images: Tensor) -> Features:
        """AlexNet's features of images (K, 3, H, W) in [0, 1]."""
        self.network.to(images.device)
        images = images.contiguous(memory_format=torch.channels_last)
        scaling, alexnet = self.network.get_submodule("scaling_layer"), self.network.get_submodule("net")
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return [lpips.normalize_tensor(layer) for layer in alexnet(scaling(images * 2 - 1))]

    def between(self, a: Features, b: Features) -> Tensor:
        """LPIPS (K,) of images with features `a` and `b`; one of both may be of a single image."""
        heads = self.network.get_submodule("lins").children()
        total = torch.zeros((), device=a[0].device)
        with torch.no_grad(), torch.autocast(total.device.type, enabled=False):
            for of_a, of_b, head in zip(a, b, heads, strict=True):
                total = total + head((of_a - of_b) ** 2).mean(dim=(1, 2, 3))
        return total

    def between_neighbours(self, features: Features) -> Tensor:
        """LPIPS (K - 1,) between neighbouring images."""
        return self.between([layer[1:] for layer in features], [layer[:-1] for layer in features])


class PerceptualMetric(SampleMetric):
    """A metric on LPIPS.

    Args:
        network: LPIPS as made by `load_lpips`, alone or in a `PerceptualDistance`, or a file with AlexNet's
            weights. None looks for it in the caches of inbetween and torchvision; nothing is downloaded.
        features: Computes features in place of the network, such as cached ones that metrics share.
        **options: See `torchmetrics.Metric`.

    Raises:
        UserError: The weights are not on this machine, or the file cannot be used.
    """

    higher_is_better = False
    plot_lower_bound = 0.0

    def __init__(
        self,
        network: nn.Module | PerceptualDistance | Path | str | None = None,
        features: Callable[[Tensor], Features] | None = None,
        **options: Any,  # noqa: ANN401 - torchmetrics'
    ) -> None:
        super().__init__(**options)
        if isinstance(network, Path | str):
            network = load_lpips(Path(network))
        elif network is None and find_alexnet() is not None:
            network = load_lpips()
        if network is None:
            raise UserError(MISSING)
        self.distance = network if isinstance(network, PerceptualDistance) else PerceptualDistance(network)
        self.features = features or self.distance.features


class LPIPS(PerceptualMetric, ImageMetric):
    """LPIPS (alex, version 0.1, arXiv 1801.03924); 0 for equal images, lower is better.

    Undefined below 31 pixels.

    Takes `preds` (B, 3, H, W) and `target` (B, 3, H, W) in [0, 1]; gives the mean over the batch.
    """

    def scores(self, preds: Tensor, target: Tensor) -> Tensor:
        """LPIPS of each image."""
        if too_small(preds):
            return preds.new_full((len(preds),), torch.nan)
        return self.distance.between(self.features(preds), self.features(target))


class OracleTimingLPIPS(PerceptualMetric, ClipMetric):
    """LPIPS of a method with the true timing given: the error that is not one of timing.

    Of K frames from the first keyframe to the last, the nearest one to each of the N true frames counts. An
    animator knows the spacing; two keyframes do not determine it. Undefined below 31 pixels. Lower is better.

    Takes `preds` (B, K, 3, H, W) and `target` (B, N, 3, H, W) in [0, 1]; gives the mean over the batch.
    """

    def check(self, preds: Tensor, target: Tensor) -> None:
        """See `SampleMetric.check`; the number of frames may differ."""
        if not self._fits(preds) or not self._fits(target) or preds.shape[2:] != target.shape[2:]:
            raise self.misfit(preds, target)

    def clip_score(self, preds: Tensor, target: Tensor) -> Tensor:
        """Mean over the true frames of the LPIPS of the nearest of K frames."""
        if too_small(preds):
            return preds.new_tensor(torch.nan)
        # predictions are measured once: their features need no cache
        found, true = self.distance.features(preds), self.features(target)
        # one true frame at a time: all pairs would hold K times as much
        each = [
            self.distance.between(found, [layer[n : n + 1] for layer in true]).min()
            for n in range(len(target))
        ]
        return torch.stack(each).mean()


class TemporalCoherence(PerceptualMetric, ClipMetric):
    """Mean LPIPS between neighbouring frames: lower is smoother, which is not the same as better.

    The target is ignored: a frozen clip scores a perfect 0 and a blurry one does well.
    `TemporalCoherenceGap` is the distance to the true clip's own value. Undefined for N = 1, which has
    no neighbours, and below 31 pixels.

    Takes `preds` (B, N, 3, H, W) in [0, 1] and `target` of the same shape, which is ignored; gives the mean
    over the batch.
    """

    def clip_score(self, preds: Tensor, target: Tensor) -> Tensor:
        """Temporal coherence of a clip."""
        return self.coherence(preds)

    def coherence(self, clip: Tensor) -> Tensor:
        """Mean LPIPS () between neighbouring frames of a clip (N, 3, H, W)."""
        if too_small(clip) or len(clip) < 2:
            return clip.new_tensor(torch.nan)
        return self.distance.between_neighbours(self.features(clip)).mean()


class TemporalCoherenceGap(TemporalCoherence):
    """How far a clip's temporal coherence is from that of the true one; 0 is best.

    `|coherence(preds) - coherence(target)|` for each clip. Undefined where the temporal coherence is.

    Takes `preds` (B, N, 3, H, W) and `target` (B, N, 3, H, W) in [0, 1]; gives the mean over the batch.
    """

    def clip_score(self, preds: Tensor, target: Tensor) -> Tensor:
        """Temporal-coherence gap of a clip."""
        return (self.coherence(preds) - self.coherence(target)).abs()


def too_small(images: Tensor) -> bool:
    """Whether images (..., H, W) are smaller than AlexNet accepts."""
    return min(images.shape[-2:]) < MIN_SIDE
