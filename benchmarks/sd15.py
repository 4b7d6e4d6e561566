"""A backbone of Stable Diffusion 1.5's size with random weights: its speed and memory without a download."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

DEVIATION = 0.02  # of the random weights; activations stay finite in bfloat16


def write_sd15_sized_backbone(folder: Path) -> Path:
    """Write what `lambdalabs/sd-image-variations-diffusers` consists of, with random weights, in float16.

    That is 2.5 GB on disk. A folder that is there is taken to be complete, since it is moved into place.

    Args:
        folder: For the subfolders `vae`, `unet`, `image_encoder` and `scheduler`.

    Returns:
        `folder`.
    """
    if folder.is_dir():
        return folder
    from diffusers import DDIMScheduler

    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    torch.manual_seed(0)
    for name, part in sd15_parts().items():
        _filled(part).save_pretrained(partial / name)
    DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(partial / "scheduler")
    partial.replace(folder)
    return folder


def sd15_parts() -> dict[str, Any]:
    """The networks in the published configuration, on the meta device: shapes without weights.

    A UNet of 860 M parameters with 768 cross-attention channels, the f8 autoencoder with 4 latent channels,
    and CLIP ViT-L/14 with its projection to 768.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.device("meta"):
        return {
            "unet": UNet2DConditionModel(sample_size=64, cross_attention_dim=768),
            "vae": AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                block_out_channels=(128, 256, 512, 512),
                layers_per_block=2,
                latent_channels=4,
                sample_size=512,
                scaling_factor=0.18215,
            ),
            "image_encoder": CLIPVisionModelWithProjection(
                CLIPVisionConfig(
                    hidden_size=1024,
                    intermediate_size=4096,
                    num_hidden_layers=24,
                    num_attention_heads=16,
                    image_size=224,
                    patch_size=14,
                    projection_dim=768,
                )
            ),
        }


def _filled(part: Any) -> Any:  # noqa: ANN401 - one of three libraries' classes
    """The model in float16: normalisations as they begin, zero biases, all else normally distributed."""
    part = part.half().to_empty(device="cpu")
    with torch.no_grad():
        for module in part.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if name == "bias":
                    parameter.zero_()
                elif isinstance(module, nn.GroupNorm | nn.LayerNorm):
                    parameter.fill_(1)
                else:
                    parameter.copy_(torch.empty(parameter.shape).normal_(0, DEVIATION))
    return part
