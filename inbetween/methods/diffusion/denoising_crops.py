"""What data workers prepare to train a backbone: crops of single frames, several of each window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.functional.seeds import generator_of
from inbetween.methods.diffusion.training_sample import TrainingSample, crop_side, sample_timestep
from inbetween.types import Window


@dataclass(frozen=True)
class PrepareCrops:
    """Makes a `TrainingSample` of square crops, each of a random frame, for image variation.

    Rendering a window takes longer than denoising one crop of it, and a denoiser of images needs no motion.
    So each window gives several samples: a random frame of it, cropped at a random place and at a random
    size between the crop's own and the whole frame's, then shrunk to the crop's, and at random flipped. The
    reference is the same area of a random frame, sometimes of the same one.

    Every field of the sample has a leading K, and `frames` (K, 2, 3, S, S) are the frame and its
    reference. Frames have no ids, since they do not recur, and their position is 0, since it has no meaning.

    Args:
        crop: S, the side of the crops in pixels; smaller frames give smaller crops.
        crops_per_window: K.
        num_train_timesteps: Of the noise schedule.
        logit_mean: See `sample_timestep`.
        latent_channels: C.
        multiple: Pixels along a side of one latent pixel.
    """

    crop: int
    crops_per_window: int
    num_train_timesteps: int
    logit_mean: float | None
    latent_channels: int
    multiple: int

    def __call__(self, window: Window) -> TrainingSample:
        """See the class."""
        generator, count = generator_of(window), self.crops_per_window
        frames = torch.cat([window["first"][None], window["targets"], window["last"][None]])
        crops = torch.stack([self._crop(frames, generator) for _ in range(count)])
        side = crops.shape[-1] // self.multiple
        timesteps = [
            sample_timestep(generator, self.num_train_timesteps, self.logit_mean) for _ in range(count)
        ]
        free = side - crop_side(self.multiple, (side, side)) + 1
        nothing = torch.zeros(count, dtype=torch.int64)
        return TrainingSample(
            frames=crops,
            frame_ids=torch.zeros(count, 0, dtype=torch.int64),
            t=torch.zeros(count),
            train_from="target",
            timestep=torch.stack(timesteps),
            init_timestep=nothing,
            noise=torch.randn(count, self.latent_channels, side, side, generator=generator),
            dropout_uniform=torch.rand(count, 3, generator=generator),
            corner=torch.randint(free, (count, 2), generator=generator),
            flows=torch.zeros(count, 0, 1, 1),
            pooled_only=torch.rand(count, generator=generator) < 0.5,
        )

    def _crop(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        """A frame and its reference (2, 3, S, S) of a window's frames (F, 3, H, W)."""
        height, width = frames.shape[-2:]
        shorter = min(height, width)
        side = min(self.crop, shorter) // self.multiple * self.multiple
        pair = frames[torch.randint(len(frames), (2,), generator=generator)]
        share, flip = torch.rand(2, generator=generator).tolist()
        # the side's inverse is uniform: small crops, which keep texture sharp, are the more frequent
        low = side / shorter
        cut = min(max(round(side / (low + (1 - low) * share)), side), shorter)
        top, left = (
            int(torch.randint(free + 1, (), generator=generator)) for free in (height - cut, width - cut)
        )
        pair = pair[..., top : top + cut, left : left + cut]
        if cut != side:
            pair = F.interpolate(pair, size=(side, side), mode="bilinear", antialias=True)
        return pair.flip(-1) if flip < 0.5 else pair
