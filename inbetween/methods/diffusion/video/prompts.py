"""Embeddings of prompts, cached on disk, so that the text encoder is seldom loaded and never kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from inbetween.io.files import write_whole
from inbetween.methods.diffusion.video.loading import TEXT_PARTS, VideoSource
from inbetween.methods.diffusion.video.memory import free_bytes
from inbetween.methods.diffusion.video.model import Tensors, VideoModel

log = logging.getLogger(__name__)

_VERSION = 1  # of the file format
BATCH = 8  # prompts that are encoded at once


class PromptEmbeddings:
    """What a model's text encoder makes of prompts, in a file for each.

    Files are named by a hash of the prompt and of what the text encoder is: its commit on the hub, or the
    sizes and times of its files. So a finished cache needs no text encoder. Files are moved into place when
    complete; any number of processes share the folder, which may be deleted at any time.

    Args:
        source: Where the text encoder is.
        folder: Of the files.
    """

    def __init__(self, source: VideoSource, folder: Path) -> None:
        self.source, self.folder = source, Path(folder)

    def get(self, prompts: Sequence[str], model: VideoModel) -> list[Tensors]:
        """Embeddings of prompts, encoded now if they are not cached; on the CPU.

        Args:
            prompts: Any texts.
            model: Encodes them, with a text encoder that is loaded for this alone.

        Raises:
            UserError: The text encoder is needed and cannot be loaded.
        """
        if not model.takes_text:
            return [{} for _ in prompts]
        found = {prompt: self._read(self._path(prompt)) for prompt in dict.fromkeys(prompts)}
        if missing := [prompt for prompt, tensors in found.items() if tensors is None]:
            found |= self._encode(missing, model)
        return [tensors for prompt in prompts if (tensors := found[prompt]) is not None]

    def missing(self, prompts: Iterable[str]) -> list[str]:
        """Those prompts that are not cached, each once."""
        return [prompt for prompt in dict.fromkeys(prompts) if not self._path(prompt).is_file()]

    def _encode(self, prompts: list[str], model: VideoModel) -> dict[str, Tensors]:
        pipeline = self.source.pipeline(text=True)
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        weights = sum(value.nbytes for value in pipeline.text_encoder.parameters())
        if device is not None and free_bytes(device) > 1.2 * weights:
            pipeline.to(device)
        encoded = {}
        for start in range(0, len(prompts), BATCH):
            some = prompts[start : start + BATCH]
            for prompt, tensors in zip(some, model.encode_prompts(pipeline, some), strict=True):
                encoded[prompt] = tensors
                self._write(self._path(prompt), tensors)
        return encoded

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        """What the text encoder is, without reading its weights."""
        folder = self.source.folder
        if folder.parent.name == "snapshots":  # of a hub id, in its cache
            return (self.source.pretrained, folder.name)
        files = sorted(path for part in TEXT_PARTS for path in (folder / part).rglob("*") if path.is_file())
        return tuple(
            (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
            for path in files
        )

    def _path(self, prompt: str) -> Path:
        kind = self.source.model_class.__name__
        text = repr((_VERSION, kind, self._identity, str(self.source.dtype), prompt))
        return self.folder / f"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}.safetensors"

    @staticmethod
    def _read(path: Path) -> Tensors | None:
        try:
            return padded(load(path.read_bytes()))
        except (OSError, SafetensorError, KeyError):
            return None

    def _write(self, path: Path, tensors: Tensors) -> None:
        try:
            write_whole(path, save(without_padding(tensors)), durable=False)
        except OSError as error:  # the next run encodes it again
            log.warning("Embeddings of prompts cannot be written to %s (%s).", self.folder, error)


def without_padding(tensors: Tensors) -> Tensors:
    """Tensors (L, ...) without the zeros at the end of L, and how many rows each had, as `<name>.rows`."""
    kept = {}
    for name, value in tensors.items():
        used = value.reshape(len(value), -1).ne(0).any(dim=1).nonzero()
        kept[name] = value[: int(used.max()) + 1 if len(used) else 0].contiguous()
        kept[f"{name}.rows"] = torch.tensor(len(value))
    return kept


def padded(kept: Tensors) -> Tensors:
    """The inverse of `without_padding`."""
    tensors = {}
    for name, value in kept.items():
        if not name.endswith(".rows"):
            missing = int(kept[f"{name}.rows"]) - len(value)
            tensors[name] = torch.cat([value, value.new_zeros(missing, *value.shape[1:])])
    return tensors
