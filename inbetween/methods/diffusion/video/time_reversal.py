"""Time reversal fusion: a last frame for models that know only a first one (arXiv 2403.14611).

A clip backwards in time is a clip that begins with its last frame. So the same latents are denoised as a clip
that begins with the first keyframe, and flipped in time as one that begins with the last; both are fused at
each step, frame by frame, with weights that fall linearly from the keyframe that each knows:

    x_{t-1} = w x_{t-1}(x_t, first) + (1 - w) flip(x_{t-1}(flip(x_t), last)),   w_i = 1 - i / (T - 1)

A step of the scheduler is linear in the model's prediction, so that predictions are fused instead, and one
scheduler keeps the state. Where both directions disagree, noise is put back after a step and the step
repeated, in the first steps, which decide where things go.

It needs a latent frame for each frame: flipped latents of an autoencoder that compresses time, whose first
latent frame is one frame and the others are several, are not those of the flipped clip.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import EulerDiscreteScheduler

#: What a model predicts of scaled latents (1, T, C, h, w) at a time step.
Predict = Callable[[Tensor, Tensor], Tensor]

# share of the steps that are repeated, as in the authors' experiments
REPEATED = 0.2


def forward_weights(num_frames: int) -> Tensor:
    """Weights (T,) of the forward direction: 1 at the first frame, 0 at the last."""
    return torch.linspace(1, 0, num_frames)


def both_ways(forward: Predict, backward: Predict) -> Predict:
    """The fused prediction of two directions.

    Args:
        forward: Predicts of a clip that begins with the first keyframe.
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
            stepped = copy.copy(scheduler)
            prediction = predict(stepped.scale_model_input(latents, timestep), timestep)
            latents = stepped.step(prediction, timestep, latents).prev_sample
            if left:
                sigma, lower = scheduler.sigmas[index : index + 2]
                latents = latents + (sigma**2 - lower**2).sqrt() * noise()
        scheduler = stepped
    return latents
