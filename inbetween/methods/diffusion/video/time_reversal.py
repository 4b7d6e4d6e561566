"""Time reversal fusion: a last frame for models that know only a first one (arXiv 2403.14611).

A clip backwards in time is a clip that begins with its last frame. So the same latents are denoised as a clip
that begins with the first keyframe, and flipped in time as one that begins with the last; both are fused at
each step, frame by frame, with weights that fall linearly from the keyframe that each knows:

    x_{t-1} = w x_{t-1}(x_t, first) + (1 - w) flip(x_{t-1}(flip(x_t), last)),   w_i = 1 - i / (T - 1)

A step of the scheduler is linear in the model's prediction, so that predictions are fused instead, and one
scheduler keeps the state. Where both directions disagree, noise is put back after a step and the step
repeated, in the first steps, which decide where things go.

That is `denoise`, which needs a latent frame for each frame. Where the autoencoder compresses time, the first
latent frame is of one frame and the others of several, and flipped latents are not those of the flipped clip.
There each direction has latents of its own. The clips that both predict are fused in pixels, and encoded
again as the clean latents of the step: `denoise_clips`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import EulerDiscreteScheduler, SchedulerMixin

#: What a model predicts of (scaled) latents at a time step.
Predict = Callable[[Tensor, Tensor], Tensor]

#: The clean latents that a model predicts of latents at a time step and noise level.
PredictClean = Callable[[Tensor, Tensor, Tensor], Tensor]

# share of the steps that are repeated, as in the authors' experiments
REPEATED = 0.2


def forward_weights(num_frames: int) -> Tensor:
    """Weights (T,) of the forward direction: 1 at the first frame, 0 at the last."""
    return torch.linspace(1, 0, num_frames)


def both_ways(forward: Predict, backward: Predict) -> Predict:
    """The fused prediction of two directions.

    Args:
        forward: Predicts of latents (1, T, C, h, w) of a clip that begins with the first keyframe.
        backward: Predicts of one that begins with the last keyframe.
    """

    def predict(latents: Tensor, timestep: Tensor) -> Tensor:
        weights = forward_weights(latents.shape[1]).to(latents).view(-1, 1, 1, 1)
        flipped = backward(latents.flip(1), timestep).flip(1)
        return weights * forward(latents, timestep) + (1 - weights) * flipped

    return predict


def denoise(
    predict: Predict,
    latents: Tensor,
    scheduler: EulerDiscreteScheduler,
    reinjections: int,
    noise: Callable[[], Tensor],
) -> Tensor:
    """Denoise latents with all time steps of a scheduler.

    Args:
        predict: What the model predicts.
        latents: (1, T, C, h, w), noise as strong as the scheduler begins with.
        scheduler: With its time steps set, at its beginning; it stays there.
        reinjections: How often each of the first steps is repeated.
        noise: Draws standard normal noise of the latents' shape.

    Returns:
        Clean latents, of the same shape.
    """
    repeated = round(len(scheduler.timesteps) * REPEATED)
    for index, timestep in enumerate(scheduler.timesteps):
        for left in reversed(range(1 + reinjections * (index < repeated))):
            # a copy that moves on, so that the step can be repeated
            stepped = copy.deepcopy(scheduler)
            prediction = predict(stepped.scale_model_input(latents, timestep), timestep)
            latents = stepped.step(prediction, timestep, latents).prev_sample
            if left:
                sigma, lower = scheduler.sigmas[index : index + 2]
                latents = latents + (sigma**2 - lower**2).sqrt() * noise()
        scheduler = stepped
    return latents


def denoise_clips(
    directions: Sequence[PredictClean],
    latents: Sequence[Tensor],
    scheduler: SchedulerMixin,
    decode: Callable[[Tensor], Tensor],
    encode: Callable[[Tensor], Tensor],
    reinjections: int,
    noise: Callable[[], Tensor],
) -> Tensor:
    """Denoise latents of both directions, whose clips are fused in pixels at each step.

    Args:
        directions: What the model predicts of a clip that begins with the first keyframe, and of one that
            begins with the last.
        latents: Noise (1, C, f, h, w) for each.
        scheduler: Of flow matching, with its time steps set, at its beginning; it stays there.
        decode: Makes a clip (T, 3, H, W) of clean latents.
        encode: Its inverse.
        reinjections: How often each of the first steps is repeated.
        noise: Draws standard normal noise of the latents' shape, for each direction, forward first.

    Returns:
        The fused clip (T, 3, H, W).
    """
    state = [copy.deepcopy(scheduler) for _ in directions]
    repeated = round(len(scheduler.timesteps) * REPEATED)
    for index, timestep in enumerate(scheduler.timesteps):
        sigma, lower = scheduler.sigmas[index : index + 2]
        for left in reversed(range(1 + reinjections * (index < repeated))):
            stepped, state = copy.deepcopy(state), [copy.deepcopy(scheduler) for _ in directions]
            for fresh_state in state:  # where the step is repeated: a corrector would undo the noise
                fresh_state.set_begin_index(index)
            forward, backward = (
                decode(predict(noised, timestep, sigma))
                for predict, noised in zip(directions, latents, strict=True)
            )
            weights = forward_weights(len(forward)).to(forward).view(-1, 1, 1, 1)
            clip = weights * forward + (1 - weights) * backward.flip(0)
            latents = [
                own.step((noised - encode(each)) / sigma, timestep, noised).prev_sample
                for own, noised, each in zip(stepped, latents, (clip, clip.flip(0)), strict=True)
            ]
            if left:
                kept = (1 - sigma) / (1 - lower)
                fresh = (sigma**2 - (kept * lower) ** 2).sqrt()
                latents = [kept * each + fresh * noise() for each in latents]
        state = stepped
    return clip
