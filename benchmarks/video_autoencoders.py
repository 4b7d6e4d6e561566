"""Memory of a video model's autoencoder, counted on the meta device."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from benchmarks.video_sizes import Published, autoencoder
from inbetween.methods.diffusion.video.ltx import LtxVideo


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """The largest sum of bytes of all tensors made in it that live at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.peak, self._now = 0, 0
        self._alive: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - of any operation
        output = func(*args, **(kwargs or {}))
        for value in tree_iter(output):
            if isinstance(value, Tensor) and (place := value.untyped_storage()._cdata) not in self._alive:
                storage = value.untyped_storage()
                self._alive.add(place)
                self._now += storage.nbytes()
                weakref.finalize(storage, self._gone, place, storage.nbytes())
        self.peak = max(self.peak, self._now)
        return output

    def _gone(self, place: int, size: int) -> None:
        self._alive.discard(place)
        self._now -= size


def in_dtype(dtype: torch.dtype, make: Callable[[Published], nn.Module], model: Published) -> nn.Module:
    """A network made in a precision."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        return make(model)
    finally:
        torch.set_default_dtype(default)


@torch.no_grad()
def coding(model: Published, size: tuple[int, int, int]) -> tuple[int, int]:
    """Bytes that encoding and decoding one clip take beside the weights, in the precision of training.

    Args:
        model: A published model.
        size: Frames, height and width.
    """
    frames, height, width = size
    dtype = torch.bfloat16 if model.kind is LtxVideo else torch.float32
    with torch.device("meta"):
        network: Any = in_dtype(dtype, autoencoder, model).eval()
        clip = torch.empty(1, 3, frames, height, width, dtype=dtype)
        # of a decoder that knows the noise level
        level = [torch.empty(1, dtype=dtype)] if model.kind is LtxVideo else []
        with _Peak() as encoding:
            latents = network.encode(clip).latent_dist.mode()
        latents = torch.empty_like(latents)
        with _Peak() as decoding:
            network.decode(latents, *level)
    return encoding.peak, decoding.peak
