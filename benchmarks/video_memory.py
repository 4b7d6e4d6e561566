"""`python -m benchmarks.video_memory`: the memory that training adapters of published video models takes.

Nothing is loaded: networks have their true sizes on the meta device, and a training step's tensors are
counted as they would be allocated. On a CUDA device a step can be measured instead, with random weights.

    total = weights + adapters + activations
    weights = 2 bytes of each of the denoisers' + 4 bytes of the autoencoder's and image encoder's
              (LTX's autoencoder: 2)
    adapters = 16 bytes of each: weight, gradient and two moments of AdamW, in float32
    activations = inputs of every block, which gradient checkpointing keeps
                + all that backward needs of the largest block, computed anew
                + three gradients of its largest tensor
                + all that backward needs outside of blocks

    encoding, decoding = the most bytes that live at once while the autoencoder runs, beside the weights

Adapters compute in float32 here; with Lightning's `bf16-mixed` they take less. The text encoder is loaded
once, to embed the prompts, and released before training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, UntypedStorage, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from benchmarks.video_autoencoders import coding, in_dtype
from benchmarks.video_sizes import (
    PUBLISHED,
    Published,
    autoencoder,
    denoiser,
    inputs,
    text_encoder,
    vision,
)
from inbetween.methods.diffusion.video.ltx import LtxVideo

GIB = 2**30


@dataclass(frozen=True)
class Memory:
    """Bytes of one training step of a clip, by kind.

    Args:
        parameters: Number of weights of one denoiser, adapters not counted.
        weights: Frozen networks.
        adapters: Adapters, their gradients and AdamW's state.
        activations: What backward needs.
        text: The text encoder, before training.
        encoding: What encoding a clip takes beside the weights, to fill the latent cache.
        decoding: What decoding one takes, in validation.
    """

    parameters: int
    weights: int
    adapters: int
    activations: int
    text: int
    encoding: int
    decoding: int

    @property
    def total(self) -> int:
        """Of training; the text encoder is gone by then."""
        return self.weights + self.adapters + self.activations


def parameters(network: nn.Module) -> int:
    """Number of a network's weights."""
    return sum(weight.numel() for weight in network.parameters())


def with_adapters(model: Published, rank: int) -> tuple[Any, int]:
    """A denoiser in bfloat16 with float32 adapters, as `FirstLastVideo` makes them.

    Returns:
        The denoiser, and the number of the adapters' weights.
    """
    from peft import LoraConfig

    network: Any = in_dtype(torch.bfloat16, denoiser, model).requires_grad_(False)
    network.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=model.kind.lora_layers))
    adapters = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in adapters:
        weight.data = weight.data.float()
    return network, sum(weight.numel() for weight in adapters)


class _Attention(torch.autograd.Function):
    """What a fused attention keeps: its inputs, its output and the logarithm of its sums."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: ANN401
        output = torch.empty_like(query)
        ctx.save_for_backward(
            query, key, value, output, query.new_empty(query.shape[:-1], dtype=torch.float32)
        )
        return output


def _attention(query: Tensor, key: Tensor, value: Tensor, **_: object) -> Tensor:
    output: Tensor = _Attention.apply(query, key, value)
    return output


class _Kept:
    """Distinct memory of tensors that backward needs, but for weights, which are there anyway."""

    def __init__(self, network: nn.Module) -> None:
        # held, else the place of one may be another's later
        self._known = [weight.untyped_storage() for weight in network.parameters()]
        self.found: dict[int, UntypedStorage] = {id(storage): storage for storage in self._known}

    def add(self, tensors: Iterable[object]) -> None:
        storages = (tensor.untyped_storage() for tensor in tensors if isinstance(tensor, Tensor))
        self.found |= {id(storage): storage for storage in storages}

    @contextmanager
    def watch(self) -> Any:  # noqa: ANN401 - a context manager
        def pack(tensor: Tensor) -> Tensor:
            self.add([tensor])
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor):
            yield

    @property
    def sizes(self) -> list[int]:
        """Bytes of each."""
        known = {id(storage) for storage in self._known}
        return [storage.nbytes() for place, storage in self.found.items() if place not in known]


def activations(model: Published, network: Any, size: tuple[int, int, int]) -> int:  # noqa: ANN401
    """Bytes of activations of a training step on one clip, see the formula above.

    Args:
        model: The model.
        network: Its denoiser with adapters, on any device.
        size: Frames, height and width.
    """
    outside, block_inputs = _Kept(network), _Kept(network)
    largest, tensor = 0, 0

    def block(function: nn.Module, *arguments: object) -> Any:  # noqa: ANN401
        nonlocal largest, tensor
        inside = _Kept(network)
        with inside.watch():
            result = function(*arguments)
        if inside.sizes:  # not of blocks before all adapters, as VACE's control branch
            block_inputs.add(arguments)
            largest, tensor = max(largest, sum(inside.sizes)), max(tensor, *inside.sizes)
        return result

    network.enable_gradient_checkpointing(block)
    device = next(network.parameters()).device
    given = inputs(model, network, size, lambda *shape, **kind: torch.zeros(shape, device=device, **kind))
    with patch.object(F, "scaled_dot_product_attention", _attention), outside.watch():
        network(**given)
    return sum(outside.sizes) + sum(block_inputs.sizes) + largest + 3 * tensor


def count(model: Published, size: tuple[int, int, int], rank: int) -> Memory:
    """Memory of training adapters, counted.

    Args:
        model: A published model.
        size: Frames, height and width of a clip.
        rank: Of the adapters.
    """
    with torch.device("meta"):
        network, adapters = with_adapters(model, rank)
        number = parameters(network) - adapters
        frozen = (2 if model.kind is LtxVideo else 4) * parameters(autoencoder(model))
        if model.vision:
            frozen += 4 * parameters(vision())
        text = 2 * parameters(text_encoder(model))
    return Memory(
        number,
        2 * number * model.denoisers + frozen,
        16 * adapters * model.denoisers,
        activations(model, network, size),
        text,
        *coding(model, size),
    )


def training_step(model: Published, network: Any, size: tuple[int, int, int]) -> None:  # noqa: ANN401
    """A training step of a denoiser with adapters on one clip of random numbers, on its device."""
    device = next(network.parameters()).device

    def new(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        random = torch.rand(shape, device=device)
        return random > -1 if dtype == torch.bool else random.to(dtype)

    network.enable_gradient_checkpointing()
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    network(**inputs(model, network, size, new))[0].float().square().mean().backward()
    optimizer.step()


def measure(model: Published, size: tuple[int, int, int], rank: int) -> int:
    """The most bytes that a training step takes on the CUDA device, with random weights.

    Of one denoiser, without autoencoder and image encoder.
    """
    with torch.device("cuda"):
        network, _ = with_adapters(model, rank)
    torch.cuda.reset_peak_memory_stats()
    training_step(model, network, size)
    return torch.cuda.max_memory_allocated()


def table(rows: Sequence[tuple[str, Memory]]) -> str:
    """Memory of models as a Markdown table, in GiB."""
    lines = [
        "| model | weights of a denoiser | frozen weights | adapters and AdamW | activations | training"
        " | text encoder, before | encoding | decoding |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, memory in rows:
        training = (memory.weights, memory.adapters, memory.activations, memory.total)
        cells = (*training, memory.text, memory.encoding, memory.decoding)
        numbers = " | ".join(f"{value / GIB:.1f}" for value in cells)
        lines.append(f"| {name} | {memory.parameters:,} | {numbers} |")
    return "\n".join(lines)


def main(args: Sequence[str] | None = None) -> int:
    """Print the memory of each model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video_memory", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--frames", type=int, default=33, help="frames of a clip, k * 8 + 1")
    parser.add_argument("--height", type=int, default=480, help="a multiple of 32")
    parser.add_argument("--width", type=int, default=832, help="a multiple of 32")
    parser.add_argument("--rank", type=int, default=16, help="of the adapters")
    parser.add_argument("--measure", action="store_true", help="measure a step on the CUDA device as well")
    given = parser.parse_args(args)
    if given.measure and not torch.cuda.is_available():
        parser.error("--measure needs a CUDA device.")
    if given.frames % 8 != 1 or given.height % 32 or given.width % 32:
        parser.error("Give 8 k + 1 frames, and multiples of 32 for height and width.")
    size = (given.frames, given.height, given.width)
    print(table([(model.name, count(model, size, given.rank)) for model in PUBLISHED]))
    if given.measure:
        for model in PUBLISHED:
            print(f"{model.name}: {measure(model, size, given.rank) / GIB:.1f} GiB measured, denoiser alone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
