"""LTX-Video: what it is trained on is what its pipeline prepares."""

import copy

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, LTXPipeline
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from inbetween.methods.diffusion.video.ltx import LtxVideo
from inbetween.methods.diffusion.video.model import ClipRequest, VideoSampling
from tests.methods.diffusion.video.captured import captured
from tests.methods.diffusion.video.tiny_ltx import tiny_ltx_pipeline

SIZE = {"height": 32, "width": 64, "num_frames": 17}


@pytest.fixture(scope="module")
def full():
    pipeline = tiny_ltx_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def model(full):
    pipeline = copy.copy(full)
    pipeline.register_modules(text_encoder=None, tokenizer=None)
    return LtxVideo(pipeline)


@pytest.fixture(scope="module")
def prompts(full, model):
    return model.encode_prompts(full, ["a cat runs", ""])


@pytest.fixture(scope="module")
def clips():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (2, 17, 3, 32, 64), generator=generator) / 255


@pytest.fixture(scope="module")
def encoded(model, clips):
    return model.encode_clips(clips)


@pytest.fixture(scope="module")
def calls(full, clips):
    """The denoiser's calls when the pipeline itself draws between the second clip's keyframes.

    Without the noise that the pipeline adds to keyframes, and with the mode of the autoencoder's posterior
    where it takes a sample.
    """
    patch = pytest.MonkeyPatch()
    patch.setattr(DiagonalGaussianDistribution, "sample", lambda posterior, generator=None: posterior.mode())
    with patch.context(), captured(full.transformer) as found:
        full(
            conditions=[
                LTXVideoCondition(image=clips[1:, 0], frame_index=0),
                LTXVideoCondition(image=clips[1:, -1], frame_index=16),
            ],
            prompt="a cat runs",
            num_inference_steps=3,
            guidance_scale=1.0,
            image_cond_noise_scale=0.0,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
            **SIZE,
        )
    patch.undo()
    return found


def second(tensors):
    return {name: value[1:] for name, value in tensors.items()}


def test_sizes(model, encoded):
    assert (model.frame_step, model.multiple) == (8, 32)
    assert encoded["latents"].shape[1:] == model.latent_shape(17, 32, 64) == (8, 3, 1, 2)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_inputs_and_velocity_are_the_pipelines(model, encoded, calls, prompts, step):
    keywords, expected = calls[step]
    tokens = keywords["hidden_states"]
    noised = tokens[:, 2:].transpose(1, 2).unflatten(2, (3, 1, 2)).clone()
    # what the method noises as well: the first frame, which is given clean
    noised[:, :, 0] = torch.randn_like(noised[:, :, 0])
    sigma = keywords["timestep"].amax(1) / 1000
    with torch.no_grad(), captured(model.transformer) as ours:
        velocity = model.denoise(
            noised, sigma, second(encoded), {name: value[None] for name, value in prompts[0].items()}
        )
    assert 0 < sigma.item() <= 1
    for name in (
        "hidden_states",
        "timestep",
        "encoder_hidden_states",
        "encoder_attention_mask",
        "video_coords",
    ):
        torch.testing.assert_close(ours[0][0][name], keywords[name], atol=1e-5, rtol=1e-5, msg=name)
    expected = expected[:, 2:].transpose(1, 2).unflatten(2, (3, 1, 2))
    torch.testing.assert_close(velocity, expected, atol=1e-5, rtol=1e-5)


def test_first_latent_frame_is_the_first_keyframe_alone(model, clips, encoded):
    alone = model.encode_clips(clips[:, :1])["latents"]
    torch.testing.assert_close(encoded["latents"][:, :, :1], alone, atol=1e-5, rtol=1e-5)


def test_given_frames_are_not_predicted(model, encoded):
    assert model.predicted(encoded).flatten().tolist() == [0, 1, 1]


def test_last_keyframe_pulls(model, clips, encoded, prompts):
    texts = {name: value[None] for name, value in prompts[0].items()}
    noised, sigma = torch.randn(1, 8, 3, 1, 2), torch.tensor([0.5])
    other = second(encoded) | {"last": encoded["last"][:1]}
    with torch.no_grad():
        velocities = [model.denoise(noised, sigma, each, texts) for each in (second(encoded), other)]
    assert (velocities[0] - velocities[1]).abs().max() > 1e-4


def test_samples_the_pipelines_frames(full, model, clips, prompts):
    """Cached embeddings instead of texts, and the published settings."""
    frames = model.sample(
        ClipRequest(clips[0, 0], clips[0, -1], 17, *prompts),
        VideoSampling(steps=2, guidance_scale=3.0),
        torch.Generator().manual_seed(0),
    )
    expected = full(
        conditions=[
            LTXVideoCondition(image=clips[:1, 0], frame_index=0),
            LTXVideoCondition(image=clips[:1, -1], frame_index=16),
        ],
        prompt="a cat runs",
        negative_prompt="",
        num_inference_steps=2,
        guidance_scale=3.0,
        image_cond_noise_scale=0.025,
        decode_timestep=0.05,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
        **SIZE,
    ).frames[0]
    assert frames.shape == (17, 3, 32, 64)
    torch.testing.assert_close(frames, expected, atol=1e-5, rtol=1e-5)


def test_velocity_leads_to_the_clean_latents(model, encoded):
    """The scheduler's step from sigma to 0, with the sign that the pipeline gives it, is exact."""
    latents = encoded["latents"].flatten(2).transpose(1, 2)
    noise = torch.randn_like(latents)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(timesteps=[500.0])
    step = scheduler.step(
        -(noise - latents),
        scheduler.timesteps[0],
        0.5 * latents + 0.5 * noise,
        per_token_timesteps=torch.full(latents.shape[:2], 500.0),
    )
    torch.testing.assert_close(step.prev_sample, latents, atol=1e-5, rtol=1e-5)


def test_more_tokens_more_noise(model):
    uniform = torch.tensor([0.2, 0.5, 0.8])
    few, many = (model.sigmas(uniform, torch.empty(1, 8, size, 32, 32)) for size in (1, 4))
    assert few[1] == pytest.approx(torch.sigmoid(torch.tensor(0.95)).item())
    assert many[1] == pytest.approx(torch.sigmoid(torch.tensor(2.05)).item())
    assert (many > few).all()


def test_first_releases_scheduler_samples(clips, prompts):
    """Its shift is for another pipeline, and this one would ask for it."""
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )
    model = LtxVideo(tiny_ltx_pipeline(scheduler, LTXPipeline))
    frames = model.sample(ClipRequest(clips[0, 0], clips[0, -1], 9, *prompts), VideoSampling(steps=1), None)
    assert frames.shape[0] == 9


def test_lora_loads_into_the_plain_pipeline(model, calls, tmp_path):
    transformer = copy.deepcopy(model.transformer)
    config = LoraConfig(r=2, lora_alpha=2, target_modules=model.lora_layers, init_lora_weights=False)
    transformer.add_adapter(config)
    layers = {name.split(".lora_A")[0] for name, _ in transformer.named_parameters() if "lora_A" in name}
    assert len(layers) == 2 * 2 * 4
    plain = tiny_ltx_pipeline()
    weights = get_peft_model_state_dict(transformer)
    plain.save_lora_weights(tmp_path, transformer_lora_layers=weights)
    plain.load_lora_weights(tmp_path)
    inputs, without = calls[0]
    with torch.no_grad():
        expected = transformer(**inputs)[0]
        torch.testing.assert_close(plain.transformer(**inputs)[0], expected, atol=1e-5, rtol=1e-5)
    assert (without - expected).abs().max() > 1e-4
