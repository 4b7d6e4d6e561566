"""Time reversal: a last frame for a model that knows none."""

import pytest
import torch
from PIL import Image

from inbetween.errors import UserError
from inbetween.io.frames import to_bytes
from inbetween.methods.diffusion.video import time_reversal
from inbetween.methods.diffusion.video.ltx import LtxVideo
from inbetween.methods.diffusion.video.model import ClipRequest, VideoSampling, check_use
from inbetween.methods.diffusion.video.stable_video import StableVideo
from inbetween.methods.diffusion.video.time_reversal import both_ways, denoise, forward_weights
from tests.methods.diffusion.video.tiny_ltx import tiny_ltx_pipeline
from tests.methods.diffusion.video.tiny_svd import tiny_svd_pipeline

pytestmark = pytest.mark.slow

FRAMES, STEPS = 5, 5


@pytest.fixture(scope="module")
def model():
    return StableVideo(tiny_svd_pipeline())


@pytest.fixture(scope="module")
def keyframes():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (2, 3, 32, 32), generator=generator) / 255


@pytest.fixture(scope="module")
def noise():
    """Of the clip's beginning, and one for each repeated step."""
    return torch.randn(3, 1, FRAMES, 4, 16, 16, generator=torch.Generator().manual_seed(2))


def predictors(model, frames, guidance_scale=1.0):
    augmentation = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    return [model.predictor(frame, FRAMES, augmentation, guidance_scale) for frame in frames]


@torch.no_grad()
def drawn(model, predict, noise, reinjections=1):
    """Latents of noise for the beginning and for each repeated step."""
    scheduler = model.pipeline.scheduler
    scheduler.set_timesteps(STEPS)
    first, *more = noise
    return denoise(predict, first * scheduler.init_noise_sigma, scheduler, reinjections, iter(more).__next__)


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_one_direction_is_the_pipelines(model, keyframes, guidance_scale):
    generator = torch.Generator().manual_seed(0)
    augmentation = torch.randn(1, 3, 32, 32, generator=generator)
    noise = torch.randn(1, 1, FRAMES, 4, 16, 16, generator=generator)
    with torch.no_grad():
        predict = model.predictor(keyframes[0], FRAMES, augmentation, guidance_scale)
        ours = drawn(model, predict, noise, reinjections=0)
    latents = model.pipeline(
        Image.fromarray(to_bytes(keyframes[0])),
        height=32,
        width=32,
        num_frames=FRAMES,
        num_inference_steps=STEPS,
        max_guidance_scale=guidance_scale,
        generator=torch.Generator().manual_seed(0),
        output_type="latent",
    ).frames
    torch.testing.assert_close(ours, latents, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
@torch.no_grad()
def test_swapped_keyframes_give_the_reversed_clip(model, keyframes, noise, guidance_scale):
    first, last = predictors(model, keyframes, guidance_scale)
    clip = drawn(model, both_ways(first, last), noise)
    swapped = drawn(model, both_ways(last, first), noise.flip(2))
    torch.testing.assert_close(swapped.flip(1), clip, atol=1e-5, rtol=1e-5)
    # and not since all frames are alike
    assert (swapped - clip).abs().max() > 0.1
    frames, reversed_frames = (
        model.pipeline.decode_latents(latents, FRAMES, decode_chunk_size=1) for latents in (clip, swapped)
    )
    torch.testing.assert_close(reversed_frames.flip(2), frames, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "wrong", [torch.full((FRAMES,), 0.7), torch.linspace(1, 0, FRAMES) ** 2, torch.linspace(1, 0.2, FRAMES)]
)
@torch.no_grad()
def test_other_weights_are_not_symmetric(model, keyframes, noise, wrong, monkeypatch):
    """What the test above would find."""
    monkeypatch.setattr(time_reversal, "forward_weights", lambda num_frames: wrong)
    first, last = predictors(model, keyframes)
    clip = drawn(model, both_ways(first, last), noise)
    swapped = drawn(model, both_ways(last, first), noise.flip(2))
    assert (swapped.flip(1) - clip).abs().max() > 1e-3


def test_each_end_is_its_own_keyframes():
    weights = forward_weights(FRAMES)
    assert weights.tolist() == [1, 0.75, 0.5, 0.25, 0]
    torch.testing.assert_close(weights + weights.flip(0), torch.ones(FRAMES))


@torch.no_grad()
def test_both_keyframes_pull(model, keyframes, noise, monkeypatch):
    first, last = predictors(model, keyframes)
    other = predictors(model, keyframes.flip(-1))[1]
    clip = drawn(model, both_ways(first, last), noise)
    # a single prediction: of the last frame, all is due to the last keyframe, of the first nothing
    latents, timestep = noise[0], model.pipeline.scheduler.timesteps[0]
    change = both_ways(first, other)(latents, timestep) - both_ways(first, last)(latents, timestep)
    change = change.abs().amax((0, 2, 3, 4))
    assert change[0] == 0
    assert change[-1] > 1e-3
    changed = drawn(model, both_ways(first, other), noise)
    assert (changed - clip).abs().amax((0, 2, 3, 4)).min() > 1e-4
    # without reversal it does nothing
    monkeypatch.setattr(time_reversal, "forward_weights", torch.ones)
    clip, changed = (drawn(model, both_ways(first, each), noise) for each in (last, other))
    torch.testing.assert_close(changed, clip, atol=0, rtol=0)


@torch.no_grad()
def test_first_steps_are_repeated_at_their_own_noise_level(model, noise):
    """One of five steps, twice more; what is denoised again is as noisy as before."""
    scheduler, asked = model.pipeline.scheduler, []

    def predict(latents, timestep):
        asked.append((timestep.item(), latents.std().item()))
        return torch.zeros_like(latents)

    drawn(model, predict, noise, reinjections=2)
    times = [time for time, _ in asked]
    assert times == [scheduler.timesteps[0].item()] * 3 + scheduler.timesteps[1:].tolist()
    assert scheduler.step_index is None
    assert [std for _, std in asked[:3]] == pytest.approx([1.0] * 3, abs=0.05)


def test_samples_frames(model, keyframes):
    sampling = VideoSampling(steps=2, guidance_scale=2.0, time_reversal=True)
    frames = [
        model.sample(ClipRequest(*keyframes, 4, {}, {}), sampling, torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    assert frames[0].shape == (4, 3, 32, 32)
    assert frames[0].min() >= 0
    assert frames[0].max() <= 1
    assert torch.equal(frames[0], frames[1])
    assert not torch.equal(frames[0], frames[2])


def test_sizes(model):
    assert (model.frame_step, model.multiple) == (1, 4)
    assert model.latent_shape(5, 32, 32) == (4, 5, 16, 16)
    assert model.encode_prompts(None, ["a cat", ""]) == [{}, {}]


def test_is_not_trained(model, keyframes):
    assert not model.trains
    tensor = torch.rand(1)
    for call in (
        lambda: model.encode_clips(keyframes[None]),
        lambda: model.sigmas(tensor, tensor),
        lambda: model.denoise(tensor, tensor, {}, {}),
    ):
        with pytest.raises(UserError, match="only sampled"):
            call()


def test_time_reversal_is_for_models_without_a_last_frame(model):
    reversal = VideoSampling(time_reversal=True)
    check_use(model, reversal, trained=False)
    with pytest.raises(UserError, match="StableVideoDiffusionPipeline knows no last frame"):
        check_use(model, VideoSampling(), trained=False)
    with pytest.raises(UserError, match="only sampled here: set trained to none"):
        check_use(model, reversal, trained=True)
    ltx = LtxVideo(tiny_ltx_pipeline())
    check_use(ltx, VideoSampling(), trained=True)
    with pytest.raises(UserError, match="LTXConditionPipeline takes one"):
        check_use(ltx, reversal, trained=True)
