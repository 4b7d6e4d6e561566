"""Published video models at their true sizes, on the meta device: shapes without weights.

Configurations are those of diffusers' conversion scripts (`scripts/convert_wan_to_diffusers.py` and
`scripts/convert_ltx_to_diffusers.py`) and of the text encoders' `config.json` on the hub.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from inbetween.methods.diffusion.video.ltx import LtxVideo
from inbetween.methods.diffusion.video.model import VideoModel
from inbetween.methods.diffusion.video.vace import VaceVideo
from inbetween.methods.diffusion.video.wan import WanVideo


@dataclass(frozen=True)
class Published:
    """A published model.

    Args:
        name: Its hub id.
        kind: Which names its layers.
        denoiser: Class of its denoiser in diffusers.
        config: Of the denoiser.
        autoencoder: Class of its autoencoder in diffusers.
        autoencoder_config: Of the autoencoder; what is left out is diffusers' default.
        text: Class of its text encoder in transformers.
        vocabulary: Of the text encoder.
        compression: Frames of a latent frame, and pixels along a side of a latent pixel.
        denoisers: How many it has, all of one size.
        vision: Whether it has CLIP ViT-H for keyframes.
    """

    name: str
    kind: type[VideoModel]
    denoiser: str
    config: dict[str, Any]
    autoencoder: str
    text: str
    vocabulary: int
    compression: tuple[int, int]
    autoencoder_config: dict[str, Any] = field(default_factory=dict)
    denoisers: int = 1
    vision: bool = False


_WAN_14B: dict[str, Any] = {
    "num_attention_heads": 40,
    "attention_head_dim": 128,
    "ffn_dim": 13824,
    "num_layers": 40,
    "in_channels": 36,
    "out_channels": 16,
}
_WAN_TEXT: dict[str, Any] = {
    "autoencoder": "AutoencoderKLWan",
    "text": "UMT5",
    "vocabulary": 256384,
    "compression": (4, 8),
}

PUBLISHED = (
    Published(
        "Wan-AI/Wan2.1-VACE-1.3B-diffusers",
        VaceVideo,
        "WanVACETransformer3DModel",
        {
            "num_attention_heads": 12,
            "attention_head_dim": 128,
            "ffn_dim": 8960,
            "num_layers": 30,
            "vace_layers": list(range(0, 30, 2)),
            "vace_in_channels": 96,
        },
        **_WAN_TEXT,
    ),
    Published(
        "Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers",
        WanVideo,
        "WanTransformer3DModel",
        _WAN_14B | {"image_dim": 1280, "added_kv_proj_dim": 5120, "pos_embed_seq_len": 514},
        vision=True,
        **_WAN_TEXT,
    ),
    Published(
        "Wan-AI/Wan2.2-I2V-A14B-Diffusers",
        WanVideo,
        "WanTransformer3DModel",
        _WAN_14B,
        denoisers=2,
        **_WAN_TEXT,
    ),
    Published(
        "Lightricks/LTX-Video-0.9.5",
        LtxVideo,
        "LTXVideoTransformer3DModel",
        {},
        "AutoencoderKLLTXVideo",
        "T5",
        32128,
        (8, 32),
        {
            "block_out_channels": (128, 256, 512, 1024, 2048),
            "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
            "decoder_block_out_channels": (256, 512, 1024),
            "layers_per_block": (4, 6, 6, 2, 2),
            "decoder_layers_per_block": (5, 5, 5, 5),
            "spatio_temporal_scaling": (True,) * 4,
            "decoder_spatio_temporal_scaling": (True,) * 3,
            "decoder_inject_noise": (False,) * 4,
            "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
            "upsample_residual": (True,) * 3,
            "upsample_factor": (2,) * 3,
            "timestep_conditioning": True,
            "spatial_compression_ratio": 32,
            "temporal_compression_ratio": 8,
        },
    ),
)


def denoiser(model: Published) -> Any:  # noqa: ANN401 - a model of diffusers
    """Its denoiser."""
    import diffusers

    return getattr(diffusers, model.denoiser)(**model.config)


def autoencoder(model: Published) -> nn.Module:
    """Its autoencoder."""
    import diffusers

    found: nn.Module = getattr(diffusers, model.autoencoder)(**model.autoencoder_config)
    return found


def text_encoder(model: Published, layers: int = 24) -> nn.Module:
    """Its text encoder: T5 or umT5, xxl."""
    import transformers

    config = getattr(transformers, f"{model.text}Config")(
        vocab_size=model.vocabulary,
        d_model=4096,
        d_kv=64,
        d_ff=10240,
        num_layers=layers,
        num_heads=64,
        feed_forward_proj="gated-gelu",
    )
    found: nn.Module = getattr(transformers, f"{model.text}EncoderModel")(config)
    return found


def vision() -> nn.Module:
    """CLIP ViT-H/14's image encoder."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        projection_dim=1024,
        num_hidden_layers=32,
        num_attention_heads=16,
        patch_size=14,
    )
    found: nn.Module = CLIPVisionModelWithProjection(config)
    return found


def inputs(
    model: Published,
    network: Any,  # noqa: ANN401 - a model of diffusers
    size: tuple[int, int, int],
    new: Callable[..., Tensor] = torch.zeros,
) -> dict[str, Tensor]:
    """What the denoiser is given of one clip in training.

    Args:
        model: The model.
        network: Its denoiser.
        size: Frames, height and width of the clip.
        new: Makes a tensor of a shape.

    Returns:
        Keyword arguments, in the denoiser's precision.
    """
    step, pixels = model.compression
    latent = ((size[0] - 1) // step + 1, size[1] // pixels, size[2] // pixels)
    config, dtype = network.config, network.dtype
    if model.kind is LtxVideo:
        tokens = (latent[0] + 1) * latent[1] * latent[2]
        return {
            "hidden_states": new(1, tokens, config.in_channels, dtype=dtype),
            "encoder_hidden_states": new(1, 256, config.caption_channels, dtype=dtype),
            "timestep": new(1, tokens),
            "encoder_attention_mask": new(1, 256, dtype=torch.bool),
            "video_coords": new(1, 3, tokens),
        }
    given = {
        "hidden_states": new(1, config.in_channels, *latent, dtype=dtype),
        "encoder_hidden_states": new(1, 512, config.text_dim, dtype=dtype),
        "timestep": new(1),
    }
    if config.image_dim is not None:
        tokens = config.pos_embed_seq_len // 2
        given["encoder_hidden_states_image"] = new(2, tokens, config.image_dim, dtype=dtype)
    if model.kind is VaceVideo:
        given["control_hidden_states"] = new(1, config.vace_in_channels, *latent, dtype=dtype)
    return given
