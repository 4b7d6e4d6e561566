"""Time reversal where the autoencoder compresses time: clips are fused, not latents."""

import copy

import pytest
import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline
from PIL import Image

from inbetween.errors import UserError
from inbetween.functional.seeds import generators
from inbetween.io.frames import to_bytes
from inbetween.methods import FirstLastVideo
from inbetween.methods.diffusion import VideoSampling
from inbetween.methods.diffusion.video import time_reversal
from inbetween.methods.diffusion.video.time_reversal import denoise_clips
from inbetween.methods.diffusion.video.wan_first import WanFirstVideo
from tests.methods.diffusion.video.captured import captured
from tests.tiny import random_batch
from tests.tiny_video import tiny_text_encoder, tiny_tokenizer, tiny_wan_transformer

pytestmark = pytest.mark.slow

FRAMES, STEPS = 9, 5


def tiny_ti2v():
    """As Wan 2.2 TI2V 5B: 48 latent channels, pixels in patches, noise levels for tokens."""
    torch.manual_seed(0)
    vae = AutoencoderKLWan(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=48,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        latents_mean=[0.1] * 48,
        latents_std=[1.5] * 48,
    )
    transformer = tiny_wan_transformer()
    transformer = type(transformer).from_config(transformer.config, in_channels=48, out_channels=48)
    pipeline = WanImageToVideoPipeline(
        tokenizer=tiny_tokenizer(),
        text_encoder=tiny_text_encoder(),
        vae=vae.eval(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
        ),
        transformer=transformer.eval(),
        expand_timesteps=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def pipeline():
    return tiny_ti2v()


@pytest.fixture(scope="module")
def model(pipeline):
    return WanFirstVideo(pipeline)


@pytest.fixture(scope="module")
def texts(model, pipeline):
    return [each["prompt_embeds"][None] for each in model.encode_prompts(pipeline, ["a cat", ""])]


@pytest.fixture(scope="module")
def keyframes():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (2, 3, 32, 64), generator=generator) / 255


@pytest.fixture(scope="module")
def noise(model):
    """Of the beginning and of a repeated step, for both directions."""
    shape = (4, 1, *model.latent_shape(FRAMES, 32, 64))
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def drawn(model, directions, noise):
    scheduler = model.pipeline.scheduler
    scheduler.set_timesteps(STEPS)
    return denoise_clips(
        directions, noise[:2], scheduler, model.decode, model.encode, 1, iter(noise[2:]).__next__
    )


def predictors(model, frames, texts, guidance_scale=1.0):
    with torch.no_grad():
        return [model.predictor(frame, texts, guidance_scale) for frame in frames]


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
@torch.no_grad()
def test_one_direction_is_the_pipelines(pipeline, model, texts, keyframes, noise, guidance_scale):
    with captured(model.transformer) as theirs:
        wanted = pipeline(
            Image.fromarray(to_bytes(keyframes[0])),
            prompt="a cat",
            negative_prompt="",
            height=32,
            width=64,
            num_frames=FRAMES,
            num_inference_steps=STEPS,
            guidance_scale=guidance_scale,
            latents=noise[0],
            output_type="latent",
        ).frames
    scheduler, latents = copy.deepcopy(pipeline.scheduler), noise[0]
    scheduler.set_timesteps(STEPS)
    (predict,) = predictors(model, keyframes[:1], texts, guidance_scale)
    with captured(model.transformer) as ours:
        for timestep, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
            clean = predict(latents, timestep, sigma)
            latents = scheduler.step((latents - clean) / sigma, timestep, latents).prev_sample
    latents = torch.cat([clean[:, :, :1], latents[:, :, 1:]], 2)
    torch.testing.assert_close(latents, wanted, atol=1e-4, rtol=1e-4)
    assert len(ours) == len(theirs) == STEPS * (2 if guidance_scale > 1 else 1)
    # of the first step, before rounding adds up
    torch.testing.assert_close(ours[0][1], theirs[0][1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_swapped_keyframes_give_the_reversed_clip(model, texts, keyframes, noise, guidance_scale):
    first, last = predictors(model, keyframes, texts, guidance_scale)
    clip = drawn(model, [first, last], noise)
    swapped = drawn(model, [last, first], noise[[1, 0, 3, 2]])
    torch.testing.assert_close(swapped.flip(0), clip, atol=1e-5, rtol=1e-5)
    assert (swapped - clip).abs().max() > 1e-3
    assert clip.shape == (FRAMES, 3, 32, 64)


def test_other_weights_are_not_symmetric(model, texts, keyframes, noise, monkeypatch):
    monkeypatch.setattr(time_reversal, "forward_weights", lambda num_frames: torch.full((num_frames,), 0.7))
    first, last = predictors(model, keyframes, texts)
    clip = drawn(model, [first, last], noise)
    swapped = drawn(model, [last, first], noise[[1, 0, 3, 2]])
    assert (swapped.flip(0) - clip).abs().max() > 1e-4


def test_ends_are_the_keyframes_as_the_autoencoder_has_them(model, texts, keyframes, noise):
    clip = drawn(model, predictors(model, keyframes, texts), noise)
    with torch.no_grad():
        alone = [model.decode(model.encode(frame[None]))[0] for frame in keyframes]
    for place, frame in zip((0, -1), alone, strict=True):
        torch.testing.assert_close(clip[place], frame, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("changed", "first_call"), [(2, 2), (4, 6)])
def test_noise_matters_at_each_repeated_step(model, changed, first_call):
    """Of ten steps the first two are repeated, the second after a step that a corrector could undo."""
    noise = torch.randn(6, 1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(3))
    scheduler, asked = model.pipeline.scheduler, []
    scheduler.set_timesteps(10)

    def predict(latents, timestep, sigma):
        asked[-1].append((latents, timestep))
        return torch.zeros_like(latents)

    for given in (noise, torch.cat([noise[:changed], noise[changed:].flip(-1)])):
        asked.append([])
        denoise_clips(
            [predict, predict],
            given[:2],
            scheduler,
            lambda latents: latents[0].transpose(0, 1),
            lambda clip: clip.transpose(0, 1)[None],
            1,
            iter(given[2:]).__next__,
        )
    times = [timestep.item() for _, timestep in asked[0][::2]]
    assert times == scheduler.timesteps[[0, 0, 1, *range(1, 10)]].tolist()
    for call, ((latents, _), (others, _)) in enumerate(zip(*asked, strict=True)):
        # from the repeated step on
        assert torch.equal(latents, others) == (call < first_call), call
        assert (latents - others).std() > 0.1 * latents.std() or call < first_call, call


# as it is published, and as diffusers loads it to continue an image
@pytest.mark.parametrize("kind", [WanPipeline, WanImageToVideoPipeline])
def test_is_chosen_by_its_index_and_interpolates(pipeline, tmp_path, kind):
    parts = {name: part for name, part in pipeline.components.items() if not name.startswith("image_")}
    kind(**parts, expand_timesteps=True).save_pretrained(tmp_path / "ti2v")
    options = {"prompt": "a cat", "frozen_dtype": "float32", "prompt_cache": tmp_path / "prompts"}
    sampling = VideoSampling(steps=2, time_reversal=True)
    method = FirstLastVideo(str(tmp_path / "ti2v"), sampling=sampling, trained="none", **options)
    assert isinstance(method.video_model, WanFirstVideo)
    batch = random_batch(2, between=3)
    frames = method.interpolate(batch["first"], batch["last"], batch["t"], generators(batch["seed"]))
    assert frames.shape == batch["targets"].shape
    with pytest.raises(UserError, match="knows no last frame: set"):
        FirstLastVideo(str(tmp_path / "ti2v"), trained="none", **options)
