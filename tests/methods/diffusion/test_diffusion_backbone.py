import re
import shutil

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from huggingface_hub import constants
from PIL import Image
from transformers import CLIPImageProcessor, CLIPTextModel, CLIPTokenizer

from inbetween.configs import read_yaml
from inbetween.errors import UserError
from inbetween.methods.diffusion import Backbone, Sampling, TextBackbone, UntrainedBackbone
from inbetween.methods.diffusion.noise_schedule import training_target
from inbetween.paths import find_config
from inbetween.weights import precision
from tests.tiny import tiny_backbone, write_tiny_backbone, write_tiny_text_backbone


def test_everything_is_frozen_and_in_evaluation_mode(backbone):
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    backbone.train()
    assert not any(module.training for module in backbone.modules())


def test_only_cross_attention_is_freed(folder):
    backbone = Backbone(str(folder))
    backbone.train_part("attn2")
    free = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    assert free
    assert all(name.startswith("unet.") and ".attn2." in name for name in free)


def test_all_leaves_the_autoencoder_frozen(folder):
    backbone = Backbone(str(folder))
    backbone.train_part("all")
    assert not any(parameter.requires_grad for parameter in backbone.vae.parameters())
    assert all(parameter.requires_grad for parameter in backbone.unet.parameters())
    assert all(parameter.requires_grad for parameter in backbone.image_encoder.parameters())


def test_latents_are_the_mode_scaled(backbone):
    images = torch.rand(2, 3, 16, 16)
    latents = backbone.encode(images)
    with torch.no_grad():
        mean = backbone.vae.encode(images * 2 - 1).latent_dist.mean
    torch.testing.assert_close(latents, mean * backbone.vae.config.scaling_factor)
    assert torch.equal(latents, backbone.encode(images))


def test_decode_undoes_the_scaling(backbone):
    latents = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        expected = backbone.vae.decode(latents / backbone.vae.config.scaling_factor).sample / 2 + 0.5
    torch.testing.assert_close(backbone.decode(latents), expected.clamp(0, 1))


def test_autoencoder_without_a_distribution_is_shifted_and_scaled(folder, tmp_path):
    """AutoencoderTiny, as the one that ships or TAESD, which takes the place of Stable Diffusion's own."""
    write_tiny_backbone(tmp_path)
    shutil.rmtree(tmp_path / "vae")
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(0, 1),
        num_decoder_blocks=(1, 1),
        scaling_factor=2.0,
        shift_factor=0.25,
    )
    tiny.save_pretrained(tmp_path / "vae")
    backbone, images = Backbone(str(tmp_path)), torch.rand(2, 3, 16, 16)
    latents = backbone.encode(images)
    assert latents.shape == (2, backbone.latent_channels, 16 // backbone.multiple, 16 // backbone.multiple)
    with torch.no_grad():
        torch.testing.assert_close(latents, (tiny.encode(images * 2 - 1).latents - 0.25) * 2)
        expected = tiny.decode(latents / 2 + 0.25).sample / 2 + 0.5
    torch.testing.assert_close(backbone.decode(latents), expected.clamp(0, 1))


@pytest.mark.parametrize(("height", "width"), [(48, 48), (40, 72), (90, 33)])
def test_embedding_preprocesses_as_clip_does(backbone, height, width):
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (6, 6, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    size = backbone.image_encoder.config.image_size
    processor = CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    with torch.no_grad():
        expected = backbone.image_encoder(**processor(picture, return_tensors="pt")).image_embeds
        ours = backbone.embed(torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255)
        plain = backbone.image_encoder(pixel_values=torch.zeros(1, 3, size, size)).image_embeds
    # The processor rounds the resized picture to 8 bits and may cut one pixel beside ours.
    assert (ours - expected).norm() < 0.03 * (plain - expected).norm()


def test_all_tokens_are_in_the_space_of_the_image_embedding(backbone):
    """Token 0 is what image variations were trained with; the patches pass the same norm and projection."""
    images = torch.rand(2, 3, 40, 40)
    tokens, size = backbone.embed_tokens(images), backbone.image_encoder.config.image_size
    encoder = backbone.image_encoder
    patches = (size // encoder.config.patch_size) ** 2
    assert tokens.shape == (2, 1 + patches, backbone.embedding_dim)
    seen = []
    hook = encoder.vision_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["pixel_values"]), with_kwargs=True
    )
    torch.testing.assert_close(backbone.embed(images), tokens[:, 0])
    hook.remove()
    output = encoder(pixel_values=seen[0])
    torch.testing.assert_close(tokens[:, 0], output.image_embeds)
    norm, projection = encoder.vision_model.post_layernorm, encoder.visual_projection
    for place in range(1, 1 + patches):
        expected = projection(norm(output.last_hidden_state[:, place]))
        torch.testing.assert_close(tokens[:, place], expected)


def test_attention_is_torchs_own(backbone):
    names = {type(processor).__name__ for processor in backbone.unet.attn_processors.values()}
    assert names == {"AttnProcessor2_0"}


def inputs(backbone, size=8):
    torch.manual_seed(0)
    return torch.randn(2, 4, size, size), torch.tensor([3, 700]), torch.randn(2, 2, backbone.embedding_dim)


def test_low_rank_additions_begin_at_nothing_and_are_all_that_is_trained():
    plain, backbone = tiny_backbone(), tiny_backbone()
    backbone.train_part("lora", lora_rank=2)
    given = inputs(backbone)
    assert torch.equal(plain.denoise(*given), backbone.denoise(*given))
    free = {name: p for name, p in backbone.named_parameters() if p.requires_grad}
    layers = sum(".attn2.processor" in name for name in plain.unet.attn_processors)
    # two matrices on each of the four projections
    assert len(free) == layers * 4 * 2
    assert all(".attn2.to_" in name and ".lora_" in name for name in free)
    assert all(2 in parameter.shape for parameter in free.values())
    backbone.denoise(*given).sum().backward()
    assert sum(float(p.grad.abs().sum()) > 0 for p in free.values()) == layers * 4


@pytest.mark.parametrize("part", ["none", "attn2", "lora"])
def test_frozen_weights_in_bfloat16_halve_memory_and_change_little(folder, part, monkeypatch):
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda: True)

    def stored(backbone):
        frozen = [p for p in backbone.parameters() if not p.requires_grad]
        return sum(p.numel() * p.element_size() for p in frozen)

    whole, half = (Backbone(str(folder), frozen_dtype=dtype) for dtype in ("float32", "bfloat16"))
    for backbone in (whole, half):
        torch.manual_seed(0)
        backbone.train_part(part)
    assert all(p.dtype == torch.float32 for p in half.parameters() if p.requires_grad)
    # what is left in float32 are norms and embeddings, most of what there is in so small a model
    kernels = [
        module
        for module in half.modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear) and not module.weight.requires_grad
    ]
    saved = sum(p.numel() for module in kernels for p in module.parameters()) * 2
    assert stored(half) == stored(whole) - saved
    assert saved > 0.4 * stored(whole)

    given, picture = inputs(half), torch.rand(1, 3, 32, 32)
    for ours, reference in (
        (half.denoise(*given), whole.denoise(*given)),
        (half.embed(picture), whole.embed(picture)),
        (half.encode(picture), whole.encode(picture)),
        (half.decode(given[0]), whole.decode(given[0])),
    ):
        assert ours.dtype == torch.float32
        assert (ours - reference).norm() < 0.05 * reference.norm()


def test_checkpointed_gradients_are_the_same(folder):
    gradients = []
    for checkpointing in (False, True):
        backbone = Backbone(str(folder), gradient_checkpointing=checkpointing)
        backbone.train_part("attn2")
        assert backbone.unet.is_gradient_checkpointing == checkpointing
        backbone.denoise(*inputs(backbone)).square().sum().backward()
        gradients.append([p.grad for p in backbone.parameters() if p.grad is not None])
    torch.testing.assert_close(*gradients)


def test_wider_input_begins_as_the_backbone_and_can_be_learned():
    plain, wide = tiny_backbone(), tiny_backbone()
    wide.train_part("attn2")
    wide.widen_input(3)
    sample, *rest = inputs(wide)
    wider = torch.cat([sample, torch.randn(2, 3, 8, 8)], dim=1)
    output = wide.denoise(wider, *rest)
    assert torch.equal(output, plain.denoise(sample, *rest))
    output.square().sum().backward()
    assert wide.unet.conv_in.extra.weight.grad.abs().sum() > 0
    assert wide.unet.conv_in.conv.weight.grad is None


def test_prediction_type_is_the_backbones_unless_given(folder):
    assert Backbone(str(folder)).scheduler.config.prediction_type == "epsilon"
    given = Backbone(str(folder), prediction_type="v_prediction")
    x_0, noise, timestep = torch.zeros(1, 4, 2, 2), torch.ones(1, 4, 2, 2), torch.tensor([500])
    assert not torch.equal(training_target(given.scheduler, x_0, noise, timestep), noise)
    assert Sampling().make_scheduler(given.scheduler).config.prediction_type == "v_prediction"


def test_a_prediction_that_is_not_trained_for_is_refused(tmp_path):
    with pytest.raises(UserError, match="prediction_type is sample"):
        Backbone(str(write_tiny_backbone(tmp_path, "sample")))


def test_variants_are_honoured(folder, tmp_path):
    write_tiny_backbone(tmp_path, variant="fp16")
    assert list(tmp_path.glob("unet/*.fp16.safetensors"))
    found, expected = Backbone(str(tmp_path), variant="fp16"), Backbone(str(folder))
    torch.testing.assert_close(found.unet.state_dict(), expected.unet.state_dict())
    with pytest.raises(UserError, match=r"backbone's vae cannot be loaded .* variant fp16"):
        Backbone(str(folder), variant="fp16")


def test_a_missing_part_is_named(tmp_path):
    with pytest.raises(UserError, match=f"backbone's vae cannot be loaded from {tmp_path}"):
        Backbone(str(tmp_path))


def test_a_hub_that_cannot_be_reached_says_how_to_bring_the_weights(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as error:
        Backbone("nobody/nothing")
    text = str(error.value)
    assert "hf download nobody/nothing --local-dir FOLDER" in text
    assert "\n" not in text


def test_a_prompt_is_read_once_and_its_reader_let_go(tmp_path):
    folder = write_tiny_text_backbone(tmp_path)
    backbone = TextBackbone(str(folder), "a cel")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    for words, tokens in (("a cel", backbone.fixed_condition), ("", backbone.null_condition)):
        numbers = tokenizer(words, padding="max_length", max_length=12, return_tensors="pt").input_ids
        torch.testing.assert_close(tokens, encoder(numbers).last_hidden_state.detach())
    assert {name for name, _ in backbone.named_children()} == {"vae", "unet"}
    assert not {"prompt_tokens", "null_tokens"} & set(backbone.state_dict())
    (tmp_path / "tokenizer" / "tokenizer.json").unlink()
    (tmp_path / "tokenizer" / "tokenizer_config.json").unlink()
    with pytest.raises(UserError, match="backbone's tokenizer cannot be loaded"):
        TextBackbone(str(folder), "a cel")


@pytest.fixture
def published(folder, tmp_path, monkeypatch):
    """A hub id of which this machine has one revision, and no newest state, and no way to ask for more."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--owner--name"
    shutil.copytree(folder, repository / "snapshots" / commit)
    write_tiny_text_backbone(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "v2.0").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return "owner/name"


@pytest.mark.parametrize(("made", "more"), [(Backbone, {}), (TextBackbone, {"prompt": "a cat"})])
def test_every_part_is_of_the_revision(published, made, more):
    assert made(published, revision="v2.0", **more).embedding_dim == 16
    with pytest.raises(UserError, match=r"from owner/name: .* from the hub \("):
        made(published, **more)
    with pytest.raises(UserError, match=r"hub at revision v1.0 .* download owner/name --revision v1.0"):
        made(published, revision="v1.0", **more)


@pytest.mark.parametrize(("config", "revision"), [("sd15.yaml", "v2.0"), ("sd15_text.yaml", r"[0-9a-f]{40}")])
def test_published_backbones_stay_what_they_are(config, revision):
    keys = read_yaml(find_config(f"backbone/{config}"))["model"]["init_args"]["backbone"]["init_args"]
    assert re.fullmatch(revision, keys["revision"])


@pytest.mark.parametrize("name", ["backbone", "vae"])
def test_what_ships_is_found_by_its_name(folder, monkeypatch, name):
    monkeypatch.setattr("inbetween.weights.loading.shipped", lambda _, small, *parts: folder.joinpath(*parts))
    few = {"channels": (16, 16), "embedding_dim": 16, "encoder_layers": 1}
    made = Backbone("small") if name == "backbone" else UntrainedBackbone("small", **few)
    assert (made.embedding_dim, made.latent_channels) == (16, 4)
