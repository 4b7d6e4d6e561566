"""RIFE 4.26, as published or fine-tuned."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from inbetween.errors import check_at_least
from inbetween.functional.crops import crops_at
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.warp import backward_warp
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.methods.rife.network import MULTIPLE, Estimate, RifeNetwork
from inbetween.methods.rife.weights import read_rife
from inbetween.methods.spaced import SpacedMethod, even_spacing
from inbetween.methods.spacing_flow.crops import CroppedSample, FullFrame, RandomCrop
from inbetween.types import Preparation, StepOutput, WindowBatch

PIXELS_AT_ONCE = 2**20  # of in-betweens computed together, which bounds memory


class Rife(SpacedMethod, PerceptualMethod):
    """RIFE 4.26 (arXiv 2011.06294; weights of version 4.26), as it is published.

    Both keyframes are warped along estimated flows and blended by an estimated mask:
    x = m warp(first, f_t0) + (1 - m) warp(last, f_t1). t is an input channel of the network, so that it takes
    a spacing map (distance indexing, arXiv 2311.08007) as well, though it was not trained on any.

    Fine-tuning minimises |x - x'| + perceptual_weight LPIPS(VGG16) for one in-between per window.

    Args:
        weights: `fetched` starts from the published weights, which `python -m inbetween fetch-weights rife`
            downloads; `none` from random ones, for tests, and for checkpoints, which hold all weights.
        crop: Side in pixels of the random training crop, taken after downscaling by a random factor;
            smaller windows are not cropped.
        **options: See `PerceptualMethod`.
    """

    supports_alpha = True
    architecture = ("weights",)

    def __init__(
        self,
        weights: Literal["fetched", "none"] = "fetched",
        crop: int = 256,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(**options)
        check_at_least(1, crop=crop)
        self.crop = crop
        self.network = RifeNetwork()
        self.begins_trained = weights == "fetched"
        if self.begins_trained:
            self.network.load_state_dict(read_rife())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Also record that the weights need not be fetched, since the checkpoint has all of them."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["hyper_parameters"]["weights"] = "none"

    def preparation(self, training: bool) -> Preparation:
        """In training a random crop of each window, else all of its middle in-between."""
        return RandomCrop(self.crop, "none", 0.0, 0.5) if training else FullFrame("none")

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """See the class."""
        sample: CroppedSample = self.sample_of(batch)
        size = sample.first.shape[-2:]
        first, last, spacing = (
            pad_to_multiple(x, MULTIPLE) for x in (sample.first, sample.last, sample.spacing)
        )
        found = self.network(first, last, self.network.features(first, last), spacing)
        frame = blend(first, last, found)[0][..., : size[0], : size[1]]
        l1 = (frame - sample.target).abs().mean()
        loss, logs = l1, {"l1": l1}
        if perceptual := self.perceptual:
            cut = [crops_at(images, sample.corner, frame.shape[-1] // 2) for images in (frame, sample.target)]
            logs["perceptual"] = perceptual(*cut)
            loss = loss + self.perceptual_weight * logs["perceptual"]
        return {"loss": loss, "logs": logs}

    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        """See `SpacedMethod.interpolate_spaced`; the expected error is from the warped keyframes' difference.

        If the true pixel is a with probability m, else b, the expected error of their blend is
        2 m (1 - m) |a - b|.
        """
        return self.spaced_interpolator(first, last, candidate)(spacing)

    def spaced_interpolator(
        self, first: Tensor, last: Tensor, candidate: int = 0
    ) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """See `SpacedMethod.spaced_interpolator`: the keyframes are encoded once."""
        pairs = self._pairs(first, last)

        def interpolate(spacing: Tensor) -> tuple[Tensor, Tensor]:
            frames, errors = zip(*(pair.interpolate(spacing[rows]) for rows, pair in pairs), strict=True)
            return torch.cat(frames).clamp_(0, 1), torch.cat(errors)

        return interpolate

    def flows(self, batch: WindowBatch) -> Tensor:
        """See `Method.flows`."""
        spacing = even_spacing(batch["first"], batch["t"])
        pairs = self._pairs(batch["first"], batch["last"])
        return torch.cat([pair.flows(spacing[rows]) for rows, pair in pairs])

    def _pairs(self, first: Tensor, last: Tensor) -> list[tuple[slice, KeyframePair]]:
        """Batches of windows that are computed together, with their rows."""
        step = max(1, PIXELS_AT_ONCE // math.prod(first.shape[-2:]))
        rows = [slice(begin, begin + step) for begin in range(0, len(first), step)]
        return [(some, KeyframePair(self.network, first[some], last[some])) for some in rows]


class KeyframePair:
    """Keyframes of any size, encoded once for any number of in-betweens.

    Args:
        network: RIFE's network.
        first: (B, C, H, W), C at least 3: colour in [0, 1], and channels that move with it.
        last: (B, C, H, W).
    """

    @torch.no_grad()
    def __init__(self, network: RifeNetwork, first: Tensor, last: Tensor) -> None:
        self.network, self.size = network, (first.shape[-2], first.shape[-1])
        self.images = [pad_to_multiple(image.float(), MULTIPLE) for image in (first, last)]
        self.features = network.features(*(image[:, :3] for image in self.images))

    @torch.no_grad()
    def interpolate(self, spacing: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, N, C, H, W) at a spacing (B, N, 1, H, W), and expected errors (B, N, 1, H, W)."""
        blended = [blend(first, last, found) for first, last, found in self._estimates(spacing)]
        frames, errors = zip(*blended, strict=True)
        return self._joined(frames), self._joined(errors)

    @torch.no_grad()
    def flows(self, spacing: Tensor) -> Tensor:
        """The flows that `interpolate` warps keyframes along, (B, N, 4, H, W) in pixels."""
        return self._joined([found.flows for *_, found in self._estimates(spacing)])

    def _estimates(self, spacing: Tensor) -> Iterator[tuple[Tensor, Tensor, Estimate]]:
        """Estimates for batches of in-betweens, with their padded keyframes (B n, C, H, W)."""
        step = max(1, PIXELS_AT_ONCE // (len(spacing) * math.prod(self.size)))
        for some in torch.split(spacing.float(), step, dim=1):
            count = some.shape[1]
            first, last, *features = (x.repeat_interleave(count, 0) for x in (*self.images, *self.features))
            maps = pad_to_multiple(some.flatten(0, 1), MULTIPLE)
            found = self.network(first[:, :3], last[:, :3], (features[0], features[1]), maps)
            yield first, last, found

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """(B, N, C, H, W) without padding, from parts (B n, C, H', W')."""
        windows, (height, width) = len(self.images[0]), self.size
        cut = [part[..., :height, :width] for part in parts]
        return torch.cat([part.reshape(windows, -1, *part.shape[1:]) for part in cut], dim=1)


def blend(first: Tensor, last: Tensor, found: Estimate) -> tuple[Tensor, Tensor]:
    """The frames (M, C, H, W), and each pixel's expected error (M, 1, H, W)."""
    mask = torch.sigmoid(found.mask)
    one, other = backward_warp(first, found.flows[:, :2]), backward_warp(last, found.flows[:, 2:])
    error = 2 * mask * (1 - mask) * (one - other).abs().mean(1, keepdim=True)
    return torch.lerp(other, one, mask), error
