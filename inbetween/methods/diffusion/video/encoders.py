"""The networks of a video model that make clips of latents and latents of clips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from inbetween.methods.diffusion.video.model import VideoModel


class Encoders:
    """A video model's networks beside its denoisers; they may rest on the CPU while nothing needs them.

    Only parameters move: DDP sends buffers, which are small, at every step.

    Args:
        model: The video model.
    """

    def __init__(self, model: VideoModel) -> None:
        # in a list, so that it is no submodule twice
        self._model = [model]
        self.rest = False

    def start_to_rest(self) -> None:
        """Move them to the CPU; from now on they are elsewhere only `at_work`."""
        self.rest = True
        self._move(torch.device("cpu"))

    def stop_resting(self) -> None:
        """Leave them where they are put; for the end of a run, when all of the method is moved."""
        self.rest = False

    @contextmanager
    def at_work(self, device: torch.device) -> Iterator[None]:
        """Where they are needed on `device`."""
        if self.rest:
            self._move(device)
        try:
            yield
        finally:
            if self.rest:
                self._move(torch.device("cpu"))

    @torch.inference_mode(False)  # validation is in it, and its tensors could not be trained with later
    def _move(self, device: torch.device) -> None:
        [model] = self._model
        for name, network in model.named_children():
            for weight in network.parameters() if name not in model.denoisers else ():
                weight.data = weight.data.to(device)
