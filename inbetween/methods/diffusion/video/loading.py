"""Video pipelines from a folder or the Hugging Face hub, without their text encoder, and that alone."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from inbetween.errors import UserError
from inbetween.methods.diffusion.latent_diffusion import FrozenDtype
from inbetween.methods.diffusion.video.ltx import LtxVideo
from inbetween.methods.diffusion.video.memory import check_memory, weight_bytes, weight_files
from inbetween.methods.diffusion.video.model import VideoModel
from inbetween.methods.diffusion.video.stable_video import StableVideo
from inbetween.methods.diffusion.video.vace import VaceVideo
from inbetween.methods.diffusion.video.wan import WanVideo
from inbetween.methods.diffusion.video.wan_first import WanFirstVideo
from inbetween.weights.precision import resolve_precision

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

#: The kinds of models; `model_index.json` decides which one a folder is, the first that it fits.
VIDEO_MODELS: tuple[type[VideoModel], ...] = (
    WanFirstVideo,
    WanVideo,
    VaceVideo,
    LtxVideo,
    StableVideo,
)

TEXT_PARTS = ("text_encoder", "tokenizer")
INDEX = "model_index.json"
_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError)


@dataclass(frozen=True)
class VideoSource:
    """Where a video pipeline comes from.

    Args:
        pretrained: Folder as `save_pretrained` of a diffusers pipeline writes it, or hub id.
        revision: Branch, tag or commit of a hub id.
        variant: Suffix of the weight files.
        frozen_dtype: How the denoiser's and the text encoder's weights are stored.
    """

    pretrained: str
    revision: str | None = None
    variant: str | None = None
    frozen_dtype: FrozenDtype = "bfloat16"

    @property
    def dtype(self) -> torch.dtype:
        """`frozen_dtype`, or float32 in place of slow bfloat16."""
        half = self.frozen_dtype == "bfloat16" and resolve_precision("bf16-mixed") == "bf16-mixed"
        return torch.bfloat16 if half else torch.float32

    @cached_property
    def folder(self) -> Path:
        """Its folder on disk, downloaded without the text encoder if it is on the hub.

        Raises:
            UserError: It is neither here nor on the hub, or there is no network.
        """
        from diffusers import DiffusionPipeline
        from diffusers.utils import logging

        if Path(self.pretrained).expanduser().is_dir():
            return Path(self.pretrained).expanduser()
        without: dict[str, Any] = dict.fromkeys(TEXT_PARTS)
        level = logging.get_verbosity()
        logging.set_verbosity_error()  # that it looks into its cache without a network
        try:
            return Path(
                DiffusionPipeline.download(
                    self.pretrained, revision=self.revision, variant=self.variant, **without
                )
            )
        except _ERRORS as error:
            raise self._not_there("video model", error) from error
        finally:
            logging.set_verbosity(level)

    @cached_property
    def text_folder(self) -> Path:
        """A folder with its text encoder and tokenizer, downloaded if it is on the hub.

        Raises:
            UserError: There is no network.
        """
        if Path(self.pretrained).expanduser().is_dir():
            return self.folder
        from huggingface_hub import snapshot_download

        patterns = [INDEX, *(f"{part}/*" for part in TEXT_PARTS)]
        try:
            return Path(snapshot_download(self.pretrained, revision=self.revision, allow_patterns=patterns))
        except _ERRORS as error:
            raise self._not_there("text encoder", error) from error

    @cached_property
    def index(self) -> dict[str, Any]:
        """The content of `model_index.json`.

        Raises:
            UserError: The folder has none that can be read.
        """
        try:
            content: dict[str, Any] = json.loads((self.folder / INDEX).read_text())
            content["_class_name"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.folder} is no folder of a diffusers pipeline ({INDEX} is missing or damaged): give"
                " one that `hf download` or save_pretrained wrote."
            ) from error
        return content

    @property
    def model_class(self) -> type[VideoModel]:
        """The kind of model that the folder is of.

        Raises:
            UserError: It is of none that interpolates.
        """
        name = self.index["_class_name"]
        for kind in VIDEO_MODELS:
            if kind.is_made_of(self.index):
                return kind
        # a name may be of other models as well
        known = dict.fromkeys(each for kind in VIDEO_MODELS for each in kind.pipelines if each != name)
        raise UserError(
            f"{self.pretrained} is a {name}, which does not interpolate between two frames: give the folder"
            f" or hub id of one of {', '.join(known)}."
        )

    def pipeline(self, text: bool = False) -> DiffusionPipeline:
        """The pipeline without its text encoder, or nothing but that.

        Args:
            text: Load the text encoder and the tokenizer alone.

        Raises:
            UserError: A part is missing or damaged, or there is too little memory.
        """
        import diffusers
        from transformers.utils.logging import disable_progress_bar as quiet_transformers

        kind, folder = self.model_class, self.text_folder if text else self.folder
        # optional parts are [null, null] there
        parts = [name for name, value in self.index.items() if isinstance(value, list) and value[0]]
        wanted = [name for name in parts if (name in TEXT_PARTS) == text]
        self._check(folder, wanted)
        absent: dict[str, Any] = {name: None for name in parts if name not in wanted}
        dtypes = {"default": self.dtype, **dict.fromkeys(kind.float32_parts, torch.float32)}
        quiet_transformers()
        diffusers.utils.logging.disable_progress_bar()
        try:
            with warnings.catch_warnings():
                # `dtype` in its place, which diffusers before 0.42 does not know
                warnings.filterwarnings("ignore", "`torch_dtype` is deprecated", FutureWarning)
                loaded: DiffusionPipeline = getattr(diffusers, self.index["_class_name"]).from_pretrained(
                    str(folder), variant=self.variant, torch_dtype=dtypes, use_safetensors=True, **absent
                )
        except _ERRORS as error:
            raise UserError(
                f"The {kind.__name__} cannot be loaded from {folder} ({_short(error)}): copy its files anew,"
                f" or run `{self._download}`."
            ) from error
        loaded.set_progress_bar_config(disable=True)
        for name in wanted:
            if isinstance(part := getattr(loaded, name), torch.nn.Module):
                part.requires_grad_(False).eval()
        return loaded

    def model(self) -> VideoModel:
        """The model, frozen, on the CPU.

        Raises:
            UserError: As `pipeline`.
        """
        return self.model_class(self.pipeline())

    def _check(self, folder: Path, parts: list[str]) -> None:
        """Check that the parts are there, and that they fit into memory.

        Raises:
            UserError: One is not, or they do not.
        """
        needed = 0
        for part in parts:
            if not any((folder / part).glob("*.json")):
                raise UserError(
                    f"{folder} has no {part}, which is part of {self.index['_class_name']}: run"
                    f" `{self._download}`."
                )
            files = weight_files(folder / part, self.variant)
            itemsize = 4 if part in self.model_class.float32_parts else self.dtype.itemsize
            try:
                needed += weight_bytes(files, itemsize)
            except (OSError, SafetensorError) as error:
                raise UserError(
                    f"The weights of {part} in {folder} are damaged ({_short(error)}): copy them anew, or run"
                    f" `{self._download}`."
                ) from error
        half = "" if self.frozen_dtype == "bfloat16" else ", frozen_dtype bfloat16"
        remedy = f"use a smaller model{half} or a larger machine"
        check_memory(f"{self.pretrained} ({', '.join(parts)})", needed, torch.device("cpu"), remedy)

    @property
    def _download(self) -> str:
        if Path(self.pretrained).expanduser().is_dir():
            return f"hf download MODEL --local-dir {self.pretrained}"
        state = f" --revision {self.revision}" if self.revision else ""
        return f"hf download {self.pretrained}{state} --local-dir FOLDER"

    def _not_there(self, what: str, error: Exception) -> UserError:
        at = f" at revision {self.revision}" if self.revision else ""
        if "/" not in self.pretrained.strip("./"):  # hub ids have an owner
            return UserError(
                f"There is no folder {self.pretrained}: check the path given as `pretrained`; a run remembers"
                " it as it was given, so start from the same folder, or give the whole path."
            )
        return UserError(
            f"The {what} cannot be loaded from {self.pretrained}: it is no folder here and cannot be loaded"
            f" from the hub{at} ({type(error).__name__}); run `{self._download}` on a machine with a"
            " connection, copy FOLDER here and give it as `pretrained`."
        )


def _short(error: Exception) -> str:
    """An error's kind and the first line of its message."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}".rstrip(": .")
