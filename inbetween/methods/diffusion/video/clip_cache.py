"""What the denoiser is trained on, encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import torch

from inbetween.methods.diffusion.latent_cache import fingerprint
from inbetween.methods.diffusion.video.encoders import Encoders
from inbetween.methods.diffusion.video.filling import ClipFilling, Windows
from inbetween.methods.diffusion.video.model import Tensors, VideoModel
from inbetween.methods.diffusion.video.tensor_shards import TensorShards
from inbetween.methods.diffusion.video.training_clip import CachedClip, TrainingClip

_VERSION = 2  # of what `encode_clips` returns


class ClipCache:
    """`VideoModel.encode_clips` of training clips, from `TensorShards` where there is a folder.

    Keys are hashes of the frames, in their order, and of all that encodes them, so a changed drawing or model
    is encoded anew. What nobody asks for any more stays in the folder, which may be deleted.

    Args:
        model: Encodes.
        folder: Of the shards; None encodes clips each time.
    """

    def __init__(self, model: VideoModel, folder: Path | None) -> None:
        # in a list, so that it is no submodule twice
        self._model = [model]
        self.shards = None if folder is None else TensorShards(folder)
        self.encoders = Encoders(model)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that encodes clips; of no use without a folder, and empty then."""
        if self.shards is None:
            return ""
        [model] = self._model
        frozen = [network for name, network in model.named_children() if name not in model.denoisers]
        processor = getattr(model.pipeline, "image_processor", None)  # of images for an image encoder
        settings = hashlib.blake2b(repr(processor).encode(), digest_size=12).hexdigest()
        return "-".join([str(_VERSION), type(model).__name__, *map(fingerprint, frozen), settings])

    def encoded(self, sample: TrainingClip) -> Tensors:
        """What the model's `encode_clips` returns of a batch, on the device of its noise."""
        device, [model] = sample.noise.device, self._model
        if self.shards is None or sample.frames.numel():
            return model.encode_clips(sample.frames)
        found = []
        clips: Iterable[CachedClip] = sample.cached  # type: ignore[assignment]  # collated
        for clip in clips:
            content = {name: value.to(device) for name, value in clip.tensors.items()}
            if "frames" in content:
                with self.encoders.at_work(device):
                    each = model.encode_clips(content["frames"][None])
                content = {name: value[0] for name, value in each.items()}
                self.shards.put(str(clip), content)
            found.append(content)
        return {name: torch.stack([each[name] for each in found]) for name in found[0]}

    def fill(
        self,
        windows: Sequence[tuple[Windows, Sequence[int], bool]],
        device: torch.device,
        workers: int,
        shown: bool,
    ) -> None:
        """Encode the clips that are not there yet, after which the encoders rest, if all are there.

        Args:
            windows: Data sets with the indices of windows, and whether training plays some backwards.
            device: Where to encode.
            workers: Processes that read windows.
            shown: Whether progress is.
        """
        if self.shards is None:
            return
        [model] = self._model
        filling = ClipFilling(
            self.shards, self.fingerprint, model.multiple, model.encode_clips, device, workers, shown
        )
        if all([filling.fill(*each) for each in windows]) and device.type != "cpu":  # noqa: C419  # all of them
            self.encoders.start_to_rest()

    def flush(self) -> None:
        """Write what is new."""
        if self.shards is not None:
            self.shards.flush()
