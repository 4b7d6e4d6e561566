"""The denoising loop, its options and its noise."""

import pytest
import torch

from inbetween.errors import UserError
from inbetween.methods.diffusion import Backbone, Sampling
from inbetween.methods.diffusion.noise_schedule import training_target
from inbetween.methods.diffusion.sampling import denoise_from, frame_generators, noise_like
from tests.tiny import write_tiny_backbone


@pytest.mark.parametrize(
    ("steps", "strength", "run"), [(20, 0.3, 6), (20, 0.25, 5), (50, 1.0, 50), (10, 0.0, 0), (7, 0.5, 3)]
)
def test_strength_is_the_share_of_steps_that_is_run(steps, strength, run):
    assert Sampling(steps, strength).steps == run


@pytest.mark.parametrize(("steps", "strength"), [(0, 0.5), (10, 1.2), (10, -0.1)])
def test_sampling_out_of_range(steps, strength):
    with pytest.raises(UserError, match="give"):
        Sampling(steps, strength)


def generators(count):
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def test_low_strength_starts_late_in_the_schedule(backbone):
    """The original project started at t = 741 of 1000 for strength 0.25, and destroyed the latents."""
    seen = []
    sampling = Sampling(20, 0.25)
    denoise_from(
        sampling.make_scheduler(backbone.scheduler),
        lambda sample, timestep: (seen.append(int(timestep)), torch.zeros_like(sample))[1],
        torch.randn(1, 4, 8, 8),
        generators(1),
        sampling,
    )
    assert seen == [201, 151, 101, 51, 1]


def test_no_strength_leaves_the_latents_alone(backbone):
    latents, sampling = torch.randn(1, 4, 8, 8), Sampling(20, 0.0)
    scheduler = sampling.make_scheduler(backbone.scheduler)
    assert torch.equal(denoise_from(scheduler, None, latents, generators(1), sampling), latents)


SCHEDULERS = [
    None,
    "diffusers.EulerDiscreteScheduler",
    "diffusers.DPMSolverMultistepScheduler",
    "diffusers.HeunDiscreteScheduler",
    "diffusers.UniPCMultistepScheduler",
]


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("path", SCHEDULERS)
def test_a_perfect_denoiser_restores_the_start(backbone, path, strength):
    """With the true noise as prediction every solver follows the straight line back, from any step."""
    start, sampling = torch.randn(2, 4, 8, 8), Sampling(20, strength, scheduler=path)
    noise = noise_like(start, generators(2))
    end = denoise_from(
        sampling.make_scheduler(backbone.scheduler), lambda x, t: noise, start, generators(2), sampling
    )
    # DDIM's last step ends at the schedule's first level of noise, not at none; others end at none.
    alpha = backbone.scheduler.alphas_cumprod[0]
    ends_noisy = path is None
    restored = (end - (1 - alpha) ** 0.5 * noise) / alpha**0.5 if ends_noisy else end
    torch.testing.assert_close(restored, start, atol=2e-2 if path else 1e-4, rtol=1e-2)


def test_noise_alone_forgets_the_start_and_runs_all_steps(backbone):
    sampling = Sampling(5, 0.2, init="noise")
    ends, seen = [], []
    for start in (torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8)):
        scheduler = sampling.make_scheduler(backbone.scheduler)
        ends.append(
            denoise_from(scheduler, lambda x, t: (seen.append(t), x / 2)[1], start, generators(1), sampling)
        )
    assert torch.equal(*ends)
    assert len(seen) == 10


def test_a_stochastic_scheduler_draws_from_the_rows_own_streams(backbone):
    sampling = Sampling(5, 0.8, scheduler="diffusers.EulerAncestralDiscreteScheduler")
    start = torch.randn(2, 4, 8, 8)

    def drawn(rows):
        scheduler = sampling.make_scheduler(backbone.scheduler)
        return denoise_from(scheduler, lambda x, t: x / 2, start[rows], generators(2)[rows], sampling)

    torch.testing.assert_close(drawn(slice(0, 2))[1:], drawn(slice(1, 2)))


def test_a_scheduler_that_does_not_exist_is_named(backbone):
    for path in ("diffusers.Nothing", "Nothing", "nowhere.Nothing"):
        with pytest.raises(UserError, match=f"There is no scheduler {path}:"):
            Sampling(scheduler=path).make_scheduler(backbone.scheduler)


def test_training_target_of_v_prediction(tmp_path):
    backbone = Backbone(str(write_tiny_backbone(tmp_path, "v_prediction")))
    x_0, noise, timestep = torch.randn(2, 4, 4, 4), torch.randn(2, 4, 4, 4), torch.tensor([3, 700])
    alpha = backbone.scheduler.alphas_cumprod[timestep].view(-1, 1, 1, 1)
    expected = alpha**0.5 * noise - (1 - alpha) ** 0.5 * x_0
    torch.testing.assert_close(training_target(backbone.scheduler, x_0, noise, timestep), expected)


def test_noise_of_a_row_is_its_own_streams():
    latents = torch.zeros(2, 4, 3, 3)
    assert torch.equal(noise_like(latents, generators(2))[1:], noise_like(latents[:1], generators(2)[1:]))


def test_frames_of_a_window_share_their_noise_whatever_their_number():
    latents = torch.zeros(6, 4, 3, 3)
    three = noise_like(latents, frame_generators(generators(2), 2, 3)).unflatten(0, (2, 3))
    assert torch.equal(three[:, 0], three[:, 2])
    assert not torch.equal(three[0], three[1])
    assert torch.equal(three[:, 0], noise_like(latents[:2], frame_generators(generators(2), 2, 1)))
