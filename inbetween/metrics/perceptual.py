"""LPIPS and what is built on it: how people see differences, and how smoothly a clip runs."""

import weakref
from typing import NamedTuple

import lpips
import torch
from torch import Tensor, nn

from inbetween.metrics.window import Cropped, TruthCache, WindowMetric, cropped
from inbetween.types import WindowBatch

MIN_SIDE = 31  # pixels: the smallest picture that passes AlexNet


class Distances(NamedTuple):
    """LPIPS distances of one window."""

    to_target: Tensor  # (N,) each prediction to its target
    between_frames: Tensor  # (N - 1,) neighbouring predictions
    between_targets: Tensor  # (N - 1,) neighbouring targets


class PerceptualDistances:
    """LPIPS distances of a batch's windows, computed once for all metrics that ask for the same batch.

    The network is held here and not by the metrics, so that it enters neither their state nor a
    checkpoint. Each frame passes the network once, in float32 whatever the run's precision. A window
    is a batch of its own: windows differ in the size of their `box`, and on a CPU this is no slower.

    Args:
        network: LPIPS as made by `load_lpips`.
        cache: Keeps the true frames' features while several predictions are measured.
    """

    def __init__(self, network: nn.Module, cache: TruthCache | None = None) -> None:
        self.cache = cache or TruthCache()
        self.network = network.to(memory_format=torch.channels_last)
        # weak, so that the last batch does not stay in memory until the next validation
        self._key: tuple[weakref.ref[Tensor], ...] = ()
        self._distances: list[Distances | None] = []

    def __call__(self, frames: Tensor, batch: WindowBatch) -> list[Distances | None]:
        """Distances of each window; None where the picture is smaller than AlexNet accepts.

        Args:
            frames: (B, N, 3, H, W) in [0, 1], predicted.
            batch: The windows they were predicted for.
        """
        key = (frames, batch["targets"], batch["box"])
        if not self._key or any(ref() is not tensor for ref, tensor in zip(self._key, key, strict=True)):
            self.network.to(frames.device)
            with torch.no_grad(), torch.autocast(frames.device.type, enabled=False):
                self._distances = [
                    self._measure(window, batch, row) if window.side >= MIN_SIDE else None
                    for row, window in enumerate(cropped(frames, batch))
                ]
            self._key = tuple(weakref.ref(tensor) for tensor in key)
        return self._distances

    def to_each_target(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Distances (K, N) from each of K pictures to each of the N true frames, for each window.

        Args:
            frames: (B, K, 3, H, W) in [0, 1], any K.
            batch: The windows.

        Returns:
            None in the place of windows whose picture is smaller than AlexNet accepts.
        """
        self.network.to(frames.device)
        with torch.no_grad(), torch.autocast(frames.device.type, enabled=False):
            return [
                self._measure_each(window, batch, row) if window.side >= MIN_SIDE else None
                for row, window in enumerate(cropped(frames, batch))
            ]

    def _measure_each(self, window: Cropped, batch: WindowBatch, row: int) -> Tensor:
        """`to_each_target` of one window, the `row` of its batch."""
        true = self.cache(batch, "features", row, lambda: self._features(window.targets))
        heads = self.network.get_submodule("lins").children()
        total = torch.zeros(len(window.frames), len(window.targets), device=window.frames.device)
        for predicted, target, head in zip(self._features(window.frames), true, heads, strict=True):
            # one true frame at a time: all pairs would hold K times as much
            found = [head((predicted - one) ** 2).mean(dim=(1, 2, 3)) for one in target]
            total = total + torch.stack(found, dim=1)
        return total

    def _measure(self, window: Cropped, batch: WindowBatch, row: int) -> Distances:
        """Distances of one window, the `row` of its batch."""
        true = self.cache(batch, "features", row, lambda: self._features(window.targets))
        zero = torch.zeros((), device=window.frames.device)
        to_target, between_frames, between_targets = zero, zero, zero
        heads = self.network.get_submodule("lins").children()
        for predicted, target, head in zip(self._features(window.frames), true, heads, strict=True):
            to_target = to_target + head((predicted - target) ** 2).mean(dim=(1, 2, 3))
            between_frames = between_frames + head((predicted[1:] - predicted[:-1]) ** 2).mean(dim=(1, 2, 3))
            between_targets = between_targets + head((target[1:] - target[:-1]) ** 2).mean(dim=(1, 2, 3))
        return Distances(to_target, between_frames, between_targets)

    def _features(self, images: Tensor) -> list[Tensor]:
        """AlexNet's features of images (K, 3, h, w) in [0, 1], each (K, C, h', w') of unit length in C."""
        images = images.contiguous(memory_format=torch.channels_last)
        scaling, feature_network = (
            self.network.get_submodule("scaling_layer"),
            self.network.get_submodule("net"),
        )
        return [lpips.normalize_tensor(features) for features in feature_network(scaling(images * 2 - 1))]


class PerceptualMetric(WindowMetric):
    """A metric on the distances of a shared `PerceptualDistances`.

    Args:
        distances: Shared by all metrics of a collection.
    """

    higher_is_better = False

    def __init__(self, distances: PerceptualDistances) -> None:
        super().__init__()
        self.distances = distances


class LPIPS(PerceptualMetric):
    """LPIPS (alex, version 0.1, arXiv 1801.03924) to the true drawings; 0 for equal ones, lower is better.

    The mean over a window's frames. Undefined below 31 pixels.
    """

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Mean LPIPS of each window's frames."""
        return [d.to_target.mean() if d is not None else None for d in self.distances(frames, batch)]


class OracleTimingLPIPS(PerceptualMetric):
    """LPIPS to the true drawings of a method that is told when they are: what is left of it beyond timing.

    Updated not with the frames at the targets' own t but with (B, K, 3, H, W), drawings from the first
    keyframe to the last: of those the nearest one to each target counts. An animator knows the spacing; two
    keyframes do not tell it. Undefined below 31 pixels.
    """

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Mean over each window's targets of the LPIPS of the nearest of K drawings."""
        return [
            each.min(dim=0).values.mean() if each is not None else None
            for each in self.distances.to_each_target(frames, batch)
        ]


class TemporalCoherence(PerceptualMetric):
    """Mean LPIPS between neighbouring predictions: lower is smoother, which is not the same as better.

    The figure of this project's origin, under its name. It does not look at the targets: a frozen
    clip scores a perfect 0 and a blurry one does well. `TemporalCoherenceGap` says how far it is from the
    true sequence's own value. Undefined for N = 1, which has no neighbours.
    """

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Temporal coherence of each window."""
        return [
            d.between_frames.mean() if d is not None and len(d.between_frames) else None
            for d in self.distances(frames, batch)
        ]


class TemporalCoherenceGap(PerceptualMetric):
    """How far a window's temporal coherence is from that of its true drawings; 0 is best.

    `|coherence(predictions) - coherence(targets)|` for each window. Undefined for N = 1.
    """

    def scores(self, frames: Tensor, batch: WindowBatch) -> list[Tensor | None]:
        """Coherence gap of each window."""
        return [
            (d.between_frames.mean() - d.between_targets.mean()).abs()
            if d is not None and len(d.between_frames)
            else None
            for d in self.distances(frames, batch)
        ]
