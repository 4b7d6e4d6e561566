"""Tiny video pipelines of diffusers' and transformers' own classes, as their save_pretrained writes them."""

import string
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanTransformer3DModel,
)
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)

WIDTH = 16  # of text embeddings


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each letter, and one for the end."""
    words = ["<pad>", "</s>", "<unk>", *string.ascii_lowercase, *string.ascii_uppercase]
    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", words.index("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def tiny_text_encoder() -> UMT5EncoderModel:
    """Of the class that Wan and LTX have."""
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(tiny_tokenizer()), d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2
        )
    ).eval()


def tiny_wan_autoencoder() -> AutoencoderKLWan:
    """16 latent channels as published, since its means are given for these."""
    return AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1).eval()


def tiny_wan_transformer(image_dim: int | None = None, **config: object) -> WanTransformer3DModel:
    """Two blocks of width 24, whose image condition is that of `WanImageToVideoPipeline`."""
    return WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=36,
        out_channels=16,
        text_dim=WIDTH,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
        image_dim=image_dim,
        added_kv_proj_dim=None if image_dim is None else 24,
        rope_max_seq_len=32,
        **config,
    ).eval()


def tiny_wan(two_denoisers: bool = False, **config: object) -> WanImageToVideoPipeline:
    """Wan 2.1 FLF2V with an image encoder, or Wan 2.2 I2V with two denoisers.

    Args:
        two_denoisers: Which.
        **config: Of the transformer.
    """
    torch.manual_seed(0)
    shared = {
        "tokenizer": tiny_tokenizer(),
        "text_encoder": tiny_text_encoder(),
        "vae": tiny_wan_autoencoder(),
    }
    if two_denoisers:
        return WanImageToVideoPipeline(
            **shared,
            scheduler=UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
            ),
            transformer=tiny_wan_transformer(),
            transformer_2=tiny_wan_transformer(),
            boundary_ratio=0.9,
        )
    vision = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    return WanImageToVideoPipeline(
        **shared,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        transformer=tiny_wan_transformer(8, **{"pos_embed_seq_len": 10, **config}),
        image_encoder=CLIPVisionModel(vision).eval(),
        image_processor=CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
    )


def write_tiny_wan(folder: Path, two_denoisers: bool = False, **config: object) -> Path:
    """The same in a folder."""
    tiny_wan(two_denoisers, **config).save_pretrained(folder)
    return folder
