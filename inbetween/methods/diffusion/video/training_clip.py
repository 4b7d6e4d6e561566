"""What data workers prepare of a window to train a video model on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generator_of
from inbetween.methods.diffusion.video.model import Tensors
from inbetween.methods.diffusion.video.tensor_shards import TensorShards
from inbetween.methods.diffusion.video.timing import check_window
from inbetween.types import Window


class CachedClip(str):
    """The key of a clip in the latent cache, which brings its tensors along; "" where it is not cached.

    A text, since those stay as they are in a batch. Tensors of clips that are encoded and of others that are
    not do not stack, and Lightning looks at bytes one by one.

    Args:
        key: In the cache.
        tensors: What `VideoModel.encode_clips` returns of the clip, without B, or else `frames`.
    """

    def __new__(cls, key: str, tensors: Tensors | None = None) -> CachedClip:
        """As a text; `tensors` is an attribute."""
        made = super().__new__(cls, key)
        made.tensors = tensors or {}
        return made

    tensors: Tensors


class TrainingClip(NamedTuple):
    """A window as a clip, with its random numbers; collated, tensors have a leading B, others are tuples."""

    frames: Tensor  # (T, 3, H', W') in [0, 1], padded; (0,): they are in `cached`
    cached: CachedClip  # of a batch, a tuple of them
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
        clip = clip_of(window, self.multiple)
        frames, _, height, width = clip.shape
        shape = (
            self.latent_channels,
            (frames - 1) // self.frame_step + 1,
            height // self.latent_step,
            width // self.latent_step,
        )
        noise = torch.randn(shape, generator=generator)
        uniform = torch.rand((), generator=generator)
        cached = CachedClip("")
        if self.cache is not None and "frame_ids" in window:  # in all windows of a batch, or in none
            key = clip_key(window["frame_ids"], (height, width), self.fingerprint)
            found = self.cache.get(key)
            cached, clip = CachedClip(key, found or {"frames": clip}), clip.new_zeros(0)
        return TrainingClip(clip, cached, noise, uniform, window.get("caption") or self.prompt)


def clip_of(window: Window, multiple: int) -> Tensor:
    """A window's frames (T, 3, H', W') in [0, 1], padded to multiples."""
    clip = torch.cat([window["first"][None], window["targets"], window["last"][None]])
    return pad_to_multiple(clip, multiple)


def clip_key(frame_ids: Tensor, size: tuple[int, int], fingerprint: str) -> str:
    """The key of an encoded clip in the latent cache.

    Args:
        frame_ids: (T,) of its frames, in their order.
        size: Height and width in pixels, padded.
        fingerprint: Of the networks that encode it.
    """
    text = repr((frame_ids.tolist(), size, fingerprint))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
