"""Tiny models of the real classes, written and read back by their own save_pretrained and from_pretrained."""

import copy
import tempfile
from functools import cache
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from inbetween.methods.diffusion import Backbone
from inbetween.types import WindowBatch


@cache
def _loaded(prediction_type: str) -> Backbone:
    with tempfile.TemporaryDirectory() as folder:
        return Backbone(str(write_tiny_backbone(Path(folder), prediction_type)))


def tiny_backbone(prediction_type: str = "epsilon") -> Backbone:
    """A tiny backbone of the caller's own; written and loaded once in a process."""
    return copy.deepcopy(_loaded(prediction_type))


def write_tiny_backbone(
    folder: Path,
    prediction_type: str = "epsilon",
    variant: str | None = None,
    image_refinement: bool = False,
) -> Path:
    """A backbone of a few thousand weights in the layout of an image-variation model."""
    torch.manual_seed(0)
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=4,
        # thousands of places at the odd sizes of the contract, where attention would take most of the time
        mid_block_add_attention=False,
    ).save_pretrained(folder / "vae", variant=variant)
    UNet2DConditionModel(
        in_channels=16 if image_refinement else 4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=8,
        norm_num_groups=4,
    ).save_pretrained(folder / "unet", variant=variant)
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=16,
            patch_size=8,
            projection_dim=16,
        )
    ).save_pretrained(folder / "image_encoder", variant=variant)
    DDIMScheduler(
        beta_schedule="scaled_linear",
        clip_sample=False,
        steps_offset=1,
        set_alpha_to_one=False,
        prediction_type=prediction_type,
    ).save_pretrained(folder / "scheduler")
    return folder


def write_tiny_text_backbone(folder: Path) -> Path:
    """The same in the layout of a text-conditioned model: a tokenizer of single letters, a text encoder."""
    write_tiny_backbone(folder)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {word: number for number, word in enumerate(words)}
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder / "tokenizer")
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=12,
            bos_token_id=0,
            eos_token_id=1,
        )
    ).save_pretrained(folder / "text_encoder")
    return folder


def random_batch(
    size: int = 2, between: int = 3, height: int = 32, width: int = 32, seed: int = 0
) -> WindowBatch:
    """A batch of noise pictures, smooth enough for flow to find something."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(size, (between + 2) * 3, 4, 4, generator=generator)
    frames = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    frames = frames.unflatten(1, (between + 2, 3))
    t = torch.arange(1, between + 1) / (between + 1)
    return {
        "first": frames[:, 0],
        "last": frames[:, -1],
        "targets": frames[:, 1:-1],
        "t": t.expand(size, -1).clone(),
        "box": torch.tensor([[0, 0, height, width]]).expand(size, -1).clone(),
        "index": torch.arange(size),
        "seed": torch.arange(size) + 100,
        "name": [f"animation/scene/{row}-{row + between + 1}" for row in range(size)],
    }


def blobs(shift: int = 0, size: int = 64) -> torch.Tensor:
    """Dark smooth blobs on white, moved right by `shift` pixels."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, size // 8, size // 8, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    return picture.roll(shift, dims=-1)
