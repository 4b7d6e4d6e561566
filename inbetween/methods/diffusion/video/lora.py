"""Low-rank adapters of denoisers, and their files in diffusers' format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from inbetween.errors import UserError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

LORA_FILE = "pytorch_lora_weights.safetensors"  # the name that diffusers looks for
_ADAPTER = ".default"  # part of the names of peft's weights, and not of those in files


def add_adapters(denoiser: Any, layers: str, rank: int) -> None:  # noqa: ANN401 - a model of diffusers
    """Add adapters that do nothing yet, and are trained.

    Args:
        denoiser: Frozen.
        layers: Full names (regular expression) of its layers that get one.
        rank: Of each; its scale is 1.
    """
    from peft import LoraConfig

    denoiser.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=layers))
    for weight in adapters(denoiser):
        weight.data = weight.data.float()  # small, and bfloat16 loses small updates


def adapters(denoiser: nn.Module) -> Iterator[Tensor]:
    """A denoiser's weights that are trained."""
    return (weight for weight in denoiser.parameters() if weight.requires_grad)


def file_of(number: int, name: str) -> str:
    """The file of a denoiser's adapters in a folder: that of a second one is in its own folder."""
    return f"{name}/{LORA_FILE}" if number else LORA_FILE


def lora_weights(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The adapters of one denoiser with diffusers' names.

    Args:
        weights: A state dict.
        prefix: Of the denoiser's names there.
    """
    return {
        f"transformer.{key.removeprefix(prefix).replace(_ADAPTER, '')}": value.contiguous()
        for key, value in weights.items()
        if key.startswith(prefix) and ".lora_" in key
    }


def load_lora(pipeline: DiffusionPipeline, denoisers: Mapping[str, nn.Module], path: Path) -> None:
    """Load adapters from files that diffusers reads.

    Args:
        pipeline: Whose class knows the formats.
        denoisers: With adapters.
        path: A file of the first denoiser, or a folder with one for each.

    Raises:
        UserError: There is none, it is of other layers or another rank, or its ranks or scales differ.
    """
    for number, (name, denoiser) in enumerate(denoisers.items()):
        if number and path.is_file():
            return
        file = path if path.is_file() else path / file_of(number, name)
        try:
            found, metadata = type(pipeline).lora_state_dict(
                str(file.parent), weight_name=file.name, return_lora_metadata=True
            )
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(
                f"{file} cannot be loaded as a LoRA ({type(error).__name__}): give a file or folder that"
                " diffusers' save_lora_weights or a run here wrote."
            ) from error
        scale = _scale(file, metadata or {})
        own = {key.replace(_ADAPTER, ""): value for key, value in denoiser.named_parameters()}
        for key, value in found.items():
            weight = own.get(key.removeprefix("transformer."))
            if weight is None:
                raise UserError(f"{file} has {key}, and {name} has no adapter there: give another LoRA.")
            if weight.shape != value.shape:
                rank = value.shape[1 if ".lora_B." in key else 0]
                raise UserError(
                    f"{file} has {key} of {list(value.shape)}, and {name} takes {list(weight.shape)}: set"
                    f" lora_rank to {rank}, or give a LoRA of this model."
                )
            with torch.no_grad():
                weight.copy_(scale * value if ".lora_B." in key else value)


def _scale(file: Path, metadata: Mapping[str, Any]) -> float:
    """What a file's adapters are multiplied by, as diffusers does; of files that do not say, 1.

    Files of other programs have it for each layer, and diffusers multiplies their weights when it reads them.

    Args:
        file: For the message.
        metadata: That diffusers keeps in it: peft's config.

    Raises:
        UserError: It differs from layer to layer.
    """
    config = {key.removeprefix("transformer."): value for key, value in metadata.items()}
    for name in ("alpha_pattern", "rank_pattern"):
        if config.get(name):
            raise UserError(f"{file} has a {name}, and all adapters are of one kind here: give another LoRA.")
    if not config:
        return 1.0
    rank = float(config["r"])
    return float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
