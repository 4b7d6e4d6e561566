"""Embeddings of prompts, cached on disk, so that the text encoder is seldom loaded and never kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from tqdm import tqdm

from inbetween.errors import UserError
from inbetween.methods.diffusion.video.loading import TEXT_PARTS, VideoSource
from inbetween.methods.diffusion.video.memory import free_bytes
from inbetween.methods.diffusion.video.model import Tensors, VideoModel
from inbetween.methods.diffusion.video.stopping import stopped_early
from inbetween.methods.diffusion.video.tensor_shards import TensorShards

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

_VERSION = 1  # of the format of what is kept
BATCH = 8  # prompts that are encoded at once
KEPT = 64  # embeddings that are kept in memory, where they cannot be written


class PromptEmbeddings:
    """What a model's text encoder makes of prompts, in `TensorShards`.

    Keys are hashes of the prompt, of what the text encoder is (its commit on the hub, or the sizes and times
    of its files) and of transformers' version. So a finished cache needs no text encoder. Any number of
    processes share the folder, which may be deleted at any time; one of a machine's encodes, and the others
    wait for it.

    Args:
        source: Where the text encoder is.
        folder: Of the shards.
    """

    def __init__(self, source: VideoSource, folder: Path) -> None:
        self.source, self.shards = source, TensorShards(Path(folder))
        self._stacked: tuple[object, Tensors] = (None, {})
        self._unwritten: dict[str, Tensors] = {}

    def get(
        self, prompts: Sequence[str], model: VideoModel, device: torch.device | None = None
    ) -> list[Tensors]:
        """Embeddings of prompts, encoded now if they are not cached; on the CPU.

        Args:
            prompts: Any texts.
            model: Encodes them, with a text encoder that is loaded for this alone.
            device: Where to, if it has a place there; None is the accelerator.

        Raises:
            UserError: The text encoder is needed and cannot be loaded.
        """
        if not model.takes_text:
            return [{} for _ in prompts]
        found: dict[str, Tensors] = {}
        while missing := [prompt for prompt in prompts if prompt not in found]:
            for prompt in missing:
                key = self._key(prompt)
                kept = self.shards.get(key) or self._unwritten.get(key)
                if kept is not None:
                    found[prompt] = padded(kept)
            # what is encoded here is taken as it is: perhaps it cannot be written
            unknown = [prompt for prompt in missing if prompt not in found]
            found |= self._encode_missing(unknown, model, device)
        return [found[prompt] for prompt in prompts]

    def stacked(self, prompts: Sequence[str], model: VideoModel, device: torch.device) -> Tensors:
        """As `get`, stacked on a device; those of the last batch are kept there."""
        key = (tuple(prompts), device)
        if self._stacked[0] != key:
            found = self.get(prompts, model, device)
            # inference tensors could not be used in training later
            with torch.inference_mode(False):
                stacked = {name: torch.stack([each[name] for each in found]).to(device) for name in found[0]}
            self._stacked = key, stacked
        return self._stacked[1]

    def fill(self, prompts: Iterable[str], model: VideoModel, device: torch.device | None = None) -> None:
        """Encode the prompts that are not cached, any number of them.

        Args:
            prompts: Any texts.
            model: As for `get`.
            device: The same.

        Raises:
            UserError: The text encoder is needed and cannot be loaded.
        """
        with stopped_early() as check:
            for _ in self._encode_missing(prompts if model.takes_text else (), model, device):
                check()
            check()  # also after the last one

    def missing(self, prompts: Iterable[str]) -> list[str]:
        """Those prompts that are not cached, each once."""
        keys = {self._key(prompt): prompt for prompt in prompts}
        return [keys[key] for key in self.shards.missing(keys) if key not in self._unwritten]

    def _encode_missing(
        self, prompts: Iterable[str], model: VideoModel, device: torch.device | None
    ) -> Iterator[tuple[str, Tensors]]:
        if not (wanted := self.missing(prompts)):
            return
        with self._alone():
            if not (missing := self.missing(wanted)):
                return
            pipeline = self._text_pipeline(device)
            for start in tqdm(range(0, len(missing), BATCH), "Encoding prompts", unit="batch", delay=1):
                some = missing[start : start + BATCH]
                for prompt, tensors in zip(some, model.encode_prompts(pipeline, some), strict=True):
                    key, entry = self._key(prompt), without_padding(tensors)
                    self.shards.put(key, entry)
                    self._unwritten[key] = entry
                    if len(self._unwritten) > KEPT:
                        self._unwritten.pop(next(iter(self._unwritten)))
                    yield prompt, tensors
            del pipeline
            torch.cuda.empty_cache()  # else its memory seems to be taken
            self.shards.flush()
            if not self.shards.failed:
                self._unwritten.clear()

    def _text_pipeline(self, device: torch.device | None) -> DiffusionPipeline:
        pipeline = self.source.pipeline(text=True)
        if device is None and torch.accelerator.is_available():
            device = torch.accelerator.current_accelerator()
        weights = sum(value.nbytes for value in pipeline.text_encoder.parameters())
        if device is not None and device.type != "cpu" and free_bytes(device) > 1.2 * weights:
            pipeline.to(device)
        return pipeline

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Other processes of this machine wait: text encoders are large."""
        with ExitStack() as stack:
            with suppress(OSError):  # nothing can be written there
                self.shards.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(self.shards.folder / ".lock"))
            yield

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

    def _key(self, prompt: str) -> str:
        kind = self.source.model_class.__name__
        made_by = _VERSION, version("transformers"), kind, self._identity, str(self.source.dtype)
        text = repr((made_by, prompt))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_texts(**prompts: object) -> None:
    """Check prompts by name: the command line takes null for any key.

    Raises:
        UserError: One is no text.
    """
    for name, prompt in prompts.items():
        if not isinstance(prompt, str):
            shown = "null" if prompt is None else prompt
            raise UserError(f'{name} is {shown}: give a text, or "" for none.')


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
