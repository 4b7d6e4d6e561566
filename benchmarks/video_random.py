"""`python -m benchmarks.video_random`: a published video model at its true size, with random weights.

Writes a folder as diffusers' pipelines have it, for trying what a machine can do before anything is
downloaded: memory, time and files are those of the published model; what it interpolates is noise. Its
tokenizer has a token for each letter, and its text encoder as many layers as are asked for.
"""

from __future__ import annotations

import argparse
import json
import string
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.video_sizes import PUBLISHED, Published, autoencoder, denoiser, text_encoder, vision

# what `model_index.json` calls the pipeline of a denoiser
PIPELINES = {
    "WanVACETransformer3DModel": "WanVACEPipeline",
    "WanTransformer3DModel": "WanImageToVideoPipeline",
    "LTXVideoTransformer3DModel": "LTXConditionPipeline",
}
POOL = 2**24  # random numbers, which are repeated
DEVIATION = 0.02  # of weights


def filled(make: Callable[[], nn.Module], dtype: torch.dtype) -> Any:  # noqa: ANN401 - a model of diffusers
    """A network with random weights, whose norms multiply by one."""
    with torch.device("meta"):
        network: Any = make()
    for weight in network.parameters():
        weight.data = weight.data.to(dtype)
    network.to_empty(device="cpu")
    if hasattr(network, "tie_weights"):
        network.tie_weights()
    pool = (torch.randn(POOL, generator=torch.Generator().manual_seed(0)) * DEVIATION).to(dtype)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if ("norm" in name and weight.ndim == 1 and name.endswith("weight")) or name.endswith("gamma"):
                weight.fill_(1)
                continue
            for part in weight.view(-1).split(POOL):
                part.copy_(pool[: len(part)])
    return network


def tokenizer() -> Any:  # noqa: ANN401 - a tokenizer of transformers
    """A token for each letter, and one for the end."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *string.ascii_letters]
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", words.index("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def scheduler(model: Published) -> Any:  # noqa: ANN401 - a scheduler of diffusers
    """As the published one, as far as sampling goes."""
    from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

    if model.denoiser.startswith("LTX"):
        return FlowMatchEulerDiscreteScheduler()
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def write(model: Published, folder: Path, text_layers: int) -> None:
    """Write a model's pipeline, a part at a time, so that memory holds one.

    Args:
        model: The model.
        folder: For the parts.
        text_layers: Layers of the text encoder; the published ones have 24.
    """
    index: dict[str, Any] = {"_class_name": PIPELINES[model.denoiser], "_diffusers_version": "0.35.0"}

    def add(name: str, part: Any, **options: Any) -> None:  # noqa: ANN401
        part.save_pretrained(folder / name, **options)
        index[name] = [type(part).__module__.partition(".")[0], type(part).__name__]

    for number in range(model.denoisers):
        name = f"transformer_{number + 1}" if number else "transformer"
        add(name, filled(lambda: denoiser(model), torch.bfloat16), max_shard_size="5GB")
    if model.denoisers > 1:
        index["boundary_ratio"] = 0.9
    add("vae", filled(lambda: autoencoder(model), torch.float32))
    add("text_encoder", filled(lambda: text_encoder(model, text_layers), torch.bfloat16))
    add("tokenizer", tokenizer())
    add("scheduler", scheduler(model))
    if model.vision:
        from transformers import CLIPImageProcessor

        add("image_encoder", filled(vision, torch.float32))
        add("image_processor", CLIPImageProcessor())
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))


def main(args: Sequence[str] | None = None) -> int:
    """Write the model that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video_random", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", choices=[model.name for model in PUBLISHED])
    parser.add_argument("folder", type=Path, help="is made; must not exist")
    parser.add_argument("--text_layers", type=int, default=1, help="of the text encoder; published: 24")
    given = parser.parse_args(args)
    if given.folder.exists():
        parser.error(f"{given.folder} exists: give another folder.")
    (model,) = (each for each in PUBLISHED if each.name == given.model)
    write(model, given.folder, given.text_layers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
