"""What data workers prepare of a window to train a video model on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generator_of
from inbetween.methods.diffusion.video.tensor_shards import TensorShards
from inbetween.methods.diffusion.video.timing import check_window
from inbetween.types import Window


class TrainingClip(NamedTuple):
    """A window as a clip, with its random numbers; collated, tensors have a leading B, others are tuples."""

    frames: Tensor  # (T, 3, H', W') in [0, 1], padded; (0,): they are in `packed`
    packed: bytes  # from the latent cache: what `VideoModel.encode_clips` returns, or else `frames`; or b""
    key: str  # of the latent cache; "" where its frames do not recur
    noise: Tensor  # (C, f, h, w) standard normal
    uniform: Tensor  # () in [0, 1): where among the noise levels
    prompt: str


@dataclass(frozen=True)
class PrepareClip:
    """Makes the `TrainingClip` of a window, seeded by the window's own seed.

    Args:
        frame_step: See `VideoModel`.
        multiple: See `VideoModel`.
        latent_channels: C.
        latent_step: Pixels along a side of one latent pixel.
        prompt: Of windows without caption.
        cache: Encoded clips; None encodes them in the training step.
        fingerprint: Of the networks that encode.
    """

    frame_step: int
    multiple: int
    latent_channels: int
    latent_step: int
    prompt: str
    cache: TensorShards | None = None
    fingerprint: str = ""

    def __call__(self, window: Window) -> TrainingClip:
        """See the class."""
        check_window(len(window["t"]), self.frame_step)
        generator = generator_of(window)
        clip = torch.cat([window["first"][None], window["targets"], window["last"][None]])
        clip = pad_to_multiple(clip, self.multiple)
        frames, _, height, width = clip.shape
        shape = (
            self.latent_channels,
            (frames - 1) // self.frame_step + 1,
            height // self.latent_step,
            width // self.latent_step,
        )
        noise = torch.randn(shape, generator=generator)
        uniform = torch.rand((), generator=generator)
        key, packed = "", b""
        if self.cache is not None and "frame_ids" in window:  # in all windows of a batch, or in none
            key = clip_key(window["frame_ids"], (height, width), self.fingerprint)
            found = self.cache.get(key)
            packed, clip = save({"frames": clip} if found is None else found), clip.new_zeros(0)
        return TrainingClip(clip, packed, key, noise, uniform, window.get("caption") or self.prompt)


def clip_key(frame_ids: Tensor, size: tuple[int, int], fingerprint: str) -> str:
    """The key of an encoded clip in the latent cache.

    Args:
        frame_ids: (T,) of its frames, in their order.
        size: Height and width in pixels, padded.
        fingerprint: Of the networks that encode it.
    """
    text = repr((frame_ids.tolist(), size, fingerprint))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
