"""Encodes the clips of a run before it trains, so that training runs the denoiser alone."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from inbetween.methods.diffusion.video.model import Tensors
from inbetween.methods.diffusion.video.stopping import stopped_early
from inbetween.methods.diffusion.video.tensor_shards import TensorShards
from inbetween.methods.diffusion.video.training_clip import clip_key, clip_of
from inbetween.types import Window

log = logging.getLogger(__name__)

PIXELS = 2**22  # of the frames that are encoded at once; a clip that has more is encoded alone


class Windows(Protocol):
    """A data set of windows that tells whether it has been seen before without reading them."""

    def __getitem__(self, key: tuple[int, int]) -> Window:
        """The window at (epoch, index)."""

    def frame_ids(self, index: int) -> Tensor | None:
        """Ids (T,) of a window's frames in either order of time; None where windows have none."""

    def captions(self) -> Iterable[str]:
        """The distinct captions."""


@runtime_checkable
class FitData(Protocol):
    """A data module that tells which windows `fit` reads."""

    @property
    def num_workers(self) -> int:
        """Processes that read windows, for each training process."""

    def fit_windows(self) -> Sequence[tuple[Windows, Sequence[int], bool]]:
        """Data sets with the indices of windows, and whether some are played backwards."""


@dataclass(frozen=True)
class ClipFilling:
    """Encodes clips, and keeps them in the latent cache.

    Args:
        cache: The latent cache.
        fingerprint: Of the networks that encode.
        multiple: Of height and width.
        encode: Takes clips (B, T, 3, H, W) in [0, 1] to tensors with a leading B.
        device: Where it computes.
        workers: Processes that read windows.
        shown: Whether progress is.
    """

    cache: TensorShards
    fingerprint: str
    multiple: int
    encode: Callable[[Tensor], Tensors]
    device: torch.device
    workers: int = 0
    shown: bool = True

    def fill(self, windows: Windows, indices: Sequence[int], both_ways: bool) -> bool:
        """Encode those clips of a data set that are not in the cache.

        Args:
            windows: The data set.
            indices: Of the windows.
            both_ways: Encode each clip backwards as well, which training takes for another one.

        Returns:
            Whether its clips are cached at all: none are where the cache cannot be written.
        """
        if not indices:  # fewer windows than processes
            return True
        could_not = self.cache.failed  # it may yet fail below
        if could_not:
            return False
        if windows.frame_ids(indices[0]) is None:
            log.warning(
                "Clips are not cached but encoded in every step: their frames change from epoch to epoch"
                " (data.augment has flip, crop or color), or their source has no frame_ids."
            )
            return False
        clip = clip_of(windows[0, indices[0]], self.multiple)
        wanted: dict[str, int] = {}
        for index in indices:
            ids = windows.frame_ids(index)
            assert ids is not None  # the first window has some
            for each in (ids, ids.flip(0)) if both_ways else (ids,):
                wanted[self._key(each, clip)] = index
        missing = set(self.cache.missing(wanted))
        if not missing:
            return True
        reader = DataLoader(
            _Clips(windows, sorted({wanted[key] for key in missing}), self.multiple),
            batch_size=max(1, PIXELS // clip[:, 0].numel()),
            num_workers=min(self.workers, len(missing)),
            worker_init_fn=_ignore_signals,
        )
        with ExitStack() as stack:
            stack.callback(self.cache.flush)  # even if it is stopped
            check = stack.enter_context(stopped_early())
            bar = stack.enter_context(
                tqdm(desc="Encoding clips", total=len(missing), unit="clip", disable=not self.shown)
            )
            for clips, ids in reader:
                self._encode(clips, ids, missing)
                if both_ways:
                    self._encode(clips.flip(1), ids.flip(1), missing)
                bar.update(bar.total - len(missing) - bar.n)
                check()
                if self.cache.failed:  # what nobody keeps would be encoded for nothing
                    break
        if self.cache.failed:
            log.warning("Clips are not cached but encoded in every step.")
        return not self.cache.failed

    def _encode(self, clips: Tensor, ids: Tensor, missing: set[str]) -> None:
        """Encode those of a batch that are missing, which they are no more afterwards."""
        rows = {key: row for row, each in enumerate(ids) if (key := self._key(each, clips[row])) in missing}
        if not rows:
            return
        tensors = self.encode(clips[list(rows.values())].to(self.device))
        for number, key in enumerate(rows):
            self.cache.put(key, {name: value[number] for name, value in tensors.items()})
        missing.difference_update(rows)

    def _key(self, frame_ids: Tensor, clip: Tensor) -> str:
        return clip_key(frame_ids, (clip.shape[-2], clip.shape[-1]), self.fingerprint)


class _Clips(Dataset[tuple[Tensor, Tensor]]):
    """Windows as clips with the ids of their frames."""

    def __init__(self, windows: Windows, indices: list[int], multiple: int) -> None:
        self.windows, self.indices, self.multiple = windows, indices, multiple

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        window = self.windows[0, self.indices[place]]
        return clip_of(window, self.multiple), window["frame_ids"]


def _ignore_signals(_: int) -> None:
    # a terminal signals all processes of a run; the main one decides when it ends
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
