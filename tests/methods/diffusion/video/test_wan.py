"""What Wan is trained on is what its pipeline prepares, and what it samples is the pipeline's."""

import math
from pathlib import Path

import pytest
import torch
from diffusers import WanImageToVideoPipeline
from PIL import Image

from inbetween.errors import UserError
from inbetween.io.frames import to_bytes
from inbetween.methods.diffusion.video.loading import VideoSource
from inbetween.methods.diffusion.video.model import ClipRequest, VideoSampling
from inbetween.methods.diffusion.video.wan import WanVideo
from tests.tiny_video import tiny_wan

LATENTS = torch.empty(0)  # whose size is nothing to Wan's noise levels


def clips(size: int = 2, frames: int = 5) -> torch.Tensor:
    """Of bytes, as images are; 32 x 48."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (size, frames, 3, 32, 48), generator=generator) / 255


def images(frames: torch.Tensor) -> list[Image.Image]:
    return [Image.fromarray(to_bytes(frame)) for frame in frames]


class CapturedError(Exception):
    """Ends the pipeline at its first step."""


def pipelines_inputs(pipeline: WanImageToVideoPipeline, clip: torch.Tensor, **options: object) -> dict:
    """What the pipeline calls its denoiser with in the first step."""
    found = {}

    def note(_module: object, _args: object, keywords: dict) -> None:
        found.update(keywords)
        raise CapturedError

    first, last = images(clip[[0, -1]])
    hook = pipeline.transformer.register_forward_pre_hook(note, with_kwargs=True)
    with pytest.raises(CapturedError):
        pipeline(
            image=first,
            last_image=last,
            height=32,
            width=48,
            num_frames=len(clip),
            num_inference_steps=2,
            generator=torch.Generator().manual_seed(7),
            **options,
        )
    hook.remove()
    return found


@pytest.mark.parametrize("frames", [5, 9])
def test_the_denoiser_gets_what_the_pipeline_gives_it(either_folder: Path, frames: int) -> None:
    source = VideoSource(str(either_folder), frozen_dtype="float32")
    model, plain = source.model(), WanImageToVideoPipeline.from_pretrained(either_folder)
    plain.set_progress_bar_config(disable=True)
    embeddings = model.encode_prompts(source.pipeline(text=True), ["a cat walks"])
    batch = clips(2, frames)
    encoded = model.encode_clips(batch)
    for row, clip in enumerate(batch):
        wanted = pipelines_inputs(plain, clip, prompt="a cat walks", guidance_scale=1.0)
        given = {}
        hook = model.transformer.register_forward_pre_hook(
            lambda _module, _args, keywords, given=given: given.update(keywords), with_kwargs=True
        )
        noise = wanted["hidden_states"][:, :16]  # the first step is at sigma 1
        sigma = wanted["timestep"] / 1000
        one = {name: value[row : row + 1] for name, value in encoded.items()}
        model.denoise(noise, sigma, one, {"prompt_embeds": embeddings[0]["prompt_embeds"][None]})
        hook.remove()
        for name in ("hidden_states", "timestep", "encoder_hidden_states", "encoder_hidden_states_image"):
            if wanted[name] is None:
                assert given[name] is None, name
                continue
            torch.testing.assert_close(given[name], wanted[name].to(given[name].dtype), atol=1e-5, rtol=0)


def test_latents_masks_and_embeddings_are_the_pipelines_own(wan_folder: Path) -> None:
    """By the pipeline's functions, one at a time."""
    model, pipeline = VideoSource(str(wan_folder), frozen_dtype="float32").model(), tiny_wan()
    clip = clips(1, 9)
    encoded = model.encode_clips(clip)
    first, last = clip[:, 0] * 2 - 1, clip[:, -1] * 2 - 1
    shape = {"height": 32, "width": 48, "num_frames": 9, "dtype": torch.float32, "device": "cpu"}
    with torch.no_grad():
        noise, condition = pipeline.prepare_latents(first, 1, 16, last_image=last, **shape)
        embeds = pipeline.encode_image(images(clip[0, [0, -1]]))
        config = pipeline.vae.config
        latents = pipeline.vae.encode(clip.transpose(1, 2) * 2 - 1).latent_dist.mode()
    mean, std = (
        torch.tensor(value).view(1, -1, 1, 1, 1) for value in (config.latents_mean, config.latents_std)
    )
    torch.testing.assert_close(encoded["condition"], condition, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoded["image_embeds"][0], embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoded["latents"], (latents - mean) / std, atol=1e-5, rtol=0)
    assert model.latent_shape(9, 32, 48) == encoded["latents"].shape[1:] == noise.shape[1:]
    assert encoded["condition"][0, :4, :, 0, 0].tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 1]]


def test_a_clip_is_encoded_whatever_its_batch(either_folder: Path) -> None:
    model = VideoSource(str(either_folder), frozen_dtype="float32").model()
    together, batch = model.encode_clips(clips(3)), clips(3)
    for row in range(3):
        for name, value in model.encode_clips(batch[row : row + 1]).items():
            torch.testing.assert_close(value[0], together[name][row], atol=1e-5, rtol=0)


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_it_samples_what_the_plain_pipeline_samples(either_folder: Path, guidance_scale: float) -> None:
    source = VideoSource(str(either_folder), frozen_dtype="float32")
    model, plain = source.model(), WanImageToVideoPipeline.from_pretrained(either_folder)
    plain.set_progress_bar_config(disable=True)
    prompt, negative = model.encode_prompts(source.pipeline(text=True), ["a cat walks", "blurred"])
    clip = clips(1, 9)[0]
    sampling = VideoSampling(steps=3, guidance_scale=guidance_scale)
    ours = model.sample(
        ClipRequest(clip[0], clip[-1], 9, prompt, negative), sampling, torch.Generator().manual_seed(3)
    )
    first, last = images(clip[[0, -1]])
    theirs = plain(
        image=first,
        last_image=last,
        prompt="a cat walks",
        negative_prompt="blurred",
        height=32,
        width=48,
        num_frames=9,
        num_inference_steps=3,
        guidance_scale=guidance_scale,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
    ).frames[0]
    assert ours.shape == (9, 3, 32, 48)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_noise_levels_are_logit_normal_and_shifted(wan_folder: Path) -> None:
    model = VideoSource(str(wan_folder), frozen_dtype="float32").model()
    uniform = (torch.arange(20001) + 0.5) / 20001
    sigma = model.sigmas(uniform, LATENTS)
    shift = 3.0
    unshifted = sigma / (shift - (shift - 1) * sigma)
    normal = torch.logit(unshifted.double())
    assert abs(normal.mean()) < 1e-3
    assert abs(normal.std() - 1) < 1e-2
    median = float(sigma[10000])
    assert math.isclose(median, shift * 0.5 / (1 + (shift - 1) * 0.5), abs_tol=1e-3)
    edges = model.sigmas(torch.tensor([0.0, 1.0]), LATENTS)
    assert torch.isfinite(edges).all()


def test_each_denoiser_has_its_own_noise_levels(wan_folder_2: Path) -> None:
    model = VideoSource(str(wan_folder_2), frozen_dtype="float32").model()
    uniform = torch.linspace(0, 1, 1001)
    shares, levels = model.stages, {}
    for stage in shares:
        model.stage = stage
        levels[stage] = model.sigmas(uniform, LATENTS)
    assert set(shares) == set(levels) == {"transformer", "transformer_2"}
    assert levels["transformer"].min() >= 0.9 - 1e-4
    assert levels["transformer_2"].max() <= 0.9 + 1e-4
    assert sum(shares.values()) == pytest.approx(1)
    # the shares are those that the whole distribution has on either side
    plain = torch.sigmoid(torch.randn(200_000, generator=torch.Generator().manual_seed(0)))
    shifted = 5 * plain / (1 + 4 * plain)
    assert float((shifted < 0.9).float().mean()) == pytest.approx(shares["transformer_2"], abs=5e-3)


def test_denoisers_take_turns_by_their_shares(wan_folder_2: Path, wan_folder: Path) -> None:
    model = VideoSource(str(wan_folder_2), frozen_dtype="float32").model()
    turns = [model.stage_at(step) for step in range(2000)]
    for name, share in model.stages.items():
        assert turns.count(name) / 2000 == pytest.approx(share, abs=0.04)
    one = VideoSource(str(wan_folder), frozen_dtype="float32").model()
    assert {one.stage_at(step) for step in range(20)} == {"transformer"}


def test_the_denoiser_is_the_one_that_the_pipeline_takes(wan_folder_2: Path) -> None:
    model = VideoSource(str(wan_folder_2), frozen_dtype="float32").model()
    called = []
    for name, denoiser in model.denoisers.items():
        denoiser.register_forward_pre_hook(lambda *_, name=name: called.append(name))
    encoded, prompts = model.encode_clips(clips(1)), {"prompt_embeds": torch.zeros(1, 512, 16)}
    for stage in model.denoisers:
        model.stage = stage
        model.denoise(encoded["latents"], model.sigmas(torch.tensor([0.5]), LATENTS), encoded, prompts)
    assert called == ["transformer", "transformer_2"]


@pytest.mark.parametrize("kind", ["one_image", "expand_timesteps"])
def test_a_model_without_a_last_frame_is_refused(kind: str) -> None:
    pipeline = tiny_wan(**({"pos_embed_seq_len": None} if kind == "one_image" else {}))
    if kind == "expand_timesteps":
        pipeline.register_to_config(expand_timesteps=True)
    with pytest.raises(UserError, match="knows no last frame: give one that does"):
        WanVideo(pipeline)


def test_without_ftfy_prompts_are_refused(wan_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = VideoSource(str(wan_folder), frozen_dtype="float32").model()
    monkeypatch.setattr("inbetween.methods.diffusion.video.wan.find_spec", lambda _: None)
    with pytest.raises(UserError, match="run `pip install ftfy`"):
        model.encode_prompts(model.pipeline, ["a cat"])
