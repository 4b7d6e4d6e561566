"""Wan VACE: what it is trained on is what its pipeline prepares."""

import copy
import re

import pytest
import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from inbetween.methods.diffusion.video.model import ClipRequest, VideoSampling
from inbetween.methods.diffusion.video.vace import VaceVideo, control_video
from tests.methods.diffusion.video.captured import captured
from tests.methods.diffusion.video.tiny_vace import tiny_vace_pipeline

SAMPLING = VideoSampling(steps=2)


@pytest.fixture(scope="module")
def full():
    return tiny_vace_pipeline()


@pytest.fixture(scope="module")
def model(full):
    pipeline = copy.copy(full)
    pipeline.register_modules(text_encoder=None, tokenizer=None)
    pipeline.set_progress_bar_config(disable=True)
    return VaceVideo(pipeline)


@pytest.fixture(scope="module")
def prompts(full, model):
    return model.encode_prompts(full, ["a cat runs", ""])


@pytest.fixture(scope="module")
def clips():
    return torch.rand(2, 5, 3, 32, 48, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def encoded(model, clips):
    return model.encode_clips(clips)


@pytest.fixture(scope="module")
def sampled(model, clips, prompts):
    """Frames that the pipeline draws of the second clip's keyframes, and its denoiser's calls."""
    with captured(model.transformer) as calls:
        generator = torch.Generator().manual_seed(0)
        frames = model.sample(ClipRequest(clips[1, 0], clips[1, -1], 5, *prompts), SAMPLING, generator)
    return frames, calls


def test_sizes(model):
    assert (model.frame_step, model.multiple) == (4, 16)


def test_keyframes_known_between_drawn(clips):
    video, mask = control_video(clips[:, 0], clips[:, -1], 5)
    assert torch.equal(video[:, [0, -1]], clips[:, [0, -1]])
    assert (video[:, 1:-1] == 0.5).all()
    assert mask[0, :, 0, 0, 0].tolist() == [0, 1, 1, 1, 0]


def test_conditions_are_the_pipelines(encoded, sampled):
    _, calls = sampled
    control, mask = calls[0][0]["control_hidden_states"].split([8, 64], dim=1)
    torch.testing.assert_close(encoded["control"][1:], control, atol=1e-5, rtol=1e-5)
    assert (mask == 1).all()  # the same in all clips, and not kept
    # and no others: those of the other clip differ
    assert (encoded["control"][0] - encoded["control"][1]).abs().max() > 1e-2


@pytest.mark.parametrize("frames", [5, 17, 81])
def test_resized_masks_say_that_all_is_drawn(model, frames):
    """The pipeline's own: nearest frames of 4 k + 1 to k + 1, of which none is a keyframe."""
    _, mask = control_video(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), frames)
    assert (model.pipeline.prepare_masks(mask.transpose(1, 2), [[]]) == 1).all()


def test_latents_are_those_of_the_pipelines_preparation(model, clips, encoded):
    video = clips[1:].transpose(1, 2) * 2 - 1
    latents = model.pipeline.prepare_video_latents(video, torch.zeros_like(video), [[]])[:, :4]
    torch.testing.assert_close(encoded["latents"][1:], latents, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("step", [0, 1])
def test_velocity_is_the_pipelines(model, encoded, sampled, prompts, step):
    keywords, expected = sampled[1][step]
    sigma = keywords["timestep"] / 1000
    with torch.no_grad(), captured(model.transformer) as ours:
        velocity = model.denoise(
            keywords["hidden_states"],
            sigma,
            {name: value[1:] for name, value in encoded.items()},
            {name: value[None] for name, value in prompts[0].items()},
        )
    for name in ("hidden_states", "timestep", "encoder_hidden_states", "control_hidden_states"):
        torch.testing.assert_close(ours[0][0][name], keywords[name], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(velocity, expected, atol=1e-5, rtol=1e-5)


def test_prompts_are_the_pipelines(full, model, clips, prompts, sampled):
    """With texts, the pipeline draws the same as with cached embeddings."""
    video, mask = control_video(clips[1:, 0], clips[1:, -1], 5)
    full.set_progress_bar_config(disable=True)
    frames = full(
        "a cat runs",
        video=video,
        mask=mask,
        height=32,
        width=48,
        num_frames=5,
        num_inference_steps=2,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).frames[0]
    torch.testing.assert_close(sampled[0], frames, atol=1e-5, rtol=1e-5)
    assert frames.shape == (5, 3, 32, 48)


def test_guidance_calls_with_the_negative_prompt(model, clips, prompts):
    with captured(model.transformer) as calls:
        model.sample(
            ClipRequest(clips[0, 0], clips[0, -1], 5, *prompts),
            VideoSampling(steps=1, guidance_scale=3.0),
            None,
        )
    first, second = (keywords["encoder_hidden_states"][0] for keywords, _ in calls)
    assert torch.equal(first, prompts[0]["prompt_embeds"])
    assert torch.equal(second, prompts[1]["prompt_embeds"])


def test_velocity_leads_to_the_clean_latents(model, encoded):
    """The scheduler's step from sigma to 0, with noise minus clean latents, is exact."""
    noise = torch.randn_like(encoded["latents"])
    scheduler = copy.deepcopy(model.pipeline.scheduler)
    scheduler.set_timesteps(1)
    sigma = scheduler.sigmas[0]
    noised = (1 - sigma) * encoded["latents"] + sigma * noise
    step = scheduler.step(noise - encoded["latents"], scheduler.timesteps[0], noised)
    torch.testing.assert_close(step.prev_sample, encoded["latents"], atol=1e-5, rtol=1e-5)


def test_sigmas_are_shifted(model, encoded):
    uniform = torch.linspace(0.01, 0.99, 99)
    sigmas = model.sigmas(uniform, encoded["latents"])
    assert sigmas[49] == pytest.approx(3 / 4)
    assert ((sigmas > 0) & (sigmas < 1)).all()


def test_lora_loads_into_the_plain_pipeline(model, tmp_path):
    transformer = copy.deepcopy(model.transformer)
    config = LoraConfig(r=2, lora_alpha=2, target_modules=model.lora_layers, init_lora_weights=False)
    transformer.add_adapter(config)
    layers = {name.split(".lora_A")[0] for name, _ in transformer.named_parameters() if "lora_A" in name}
    assert len(layers) == 3 * 2 * 4
    assert all(re.fullmatch(model.lora_layers, name) for name in layers)
    weights = get_peft_model_state_dict(transformer)
    plain = tiny_vace_pipeline()
    plain.save_lora_weights(tmp_path, transformer_lora_layers=weights)
    plain.load_lora_weights(tmp_path)
    torch.manual_seed(0)
    inputs = {
        "hidden_states": torch.randn(1, 4, 2, 4, 6),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(1, 512, 32),
        "control_hidden_states": torch.randn(1, 72, 2, 4, 6),
    }
    with torch.no_grad():
        expected = transformer(**inputs).sample
        torch.testing.assert_close(plain.transformer(**inputs).sample, expected, atol=1e-5, rtol=1e-5)
        assert (model.transformer(**inputs).sample - expected).abs().max() > 1e-4
