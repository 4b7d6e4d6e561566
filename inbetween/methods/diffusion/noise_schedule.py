"""Maths of a noise schedule: x_t = sqrt(alpha) x_0 + sqrt(1 - alpha) noise, alpha being `alphas_cumprod`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from diffusers import SchedulerMixin


def alpha_at(scheduler: SchedulerMixin, timestep: Tensor) -> Tensor:
    """The schedule's `alphas_cumprod` (B, 1, 1, 1) at `timestep` (B,) int64."""
    alpha: Tensor = scheduler.alphas_cumprod.to(timestep.device)[timestep].view(-1, 1, 1, 1)
    return alpha


def training_target(scheduler: SchedulerMixin, x_0: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
    """What the denoiser should predict, by the schedule's `prediction_type`: the noise, or the velocity.

    Args:
        scheduler: The noise schedule.
        x_0: (B, C, h, w) clean latents.
        noise: (B, C, h, w).
        timestep: (B,) int64.

    Returns:
        (B, C, h, w).
    """
    if scheduler.config.prediction_type == "v_prediction":
        velocity: Tensor = scheduler.get_velocity(x_0, noise, timestep)
        return velocity
    return noise


def prediction_of_x_0(scheduler: SchedulerMixin, x_0: Tensor, x_t: Tensor, timestep: Tensor) -> Tensor:
    """The noise or velocity (B, C, h, w) by which `x_t` at `timestep` (B,) has the clean latents `x_0`."""
    alpha = alpha_at(scheduler, timestep)
    noise = (x_t - alpha.sqrt() * x_0) / (1 - alpha).sqrt()
    return training_target(scheduler, x_0, noise, timestep)


def pred_original_sample(
    scheduler: SchedulerMixin, prediction: Tensor, x_t: Tensor, timestep: Tensor
) -> Tensor:
    """The clean latents (B, C, h, w) that a prediction implies for `x_t` at `timestep` (B,)."""
    alpha = alpha_at(scheduler, timestep)
    if scheduler.config.prediction_type == "v_prediction":
        return alpha.sqrt() * x_t - (1 - alpha).sqrt() * prediction
    return (x_t - (1 - alpha).sqrt() * prediction) / alpha.sqrt()


def init_noise(scheduler: SchedulerMixin, difference: Tensor, timestep: Tensor) -> Tensor:
    """The noise that initial latents add, for training on the trajectory from x_init to x_0.

    Image-to-image sampling begins at sqrt(alpha) x_init + sqrt(1 - alpha) noise, alpha that of its first
    timestep. Written with x_0 this is

        sqrt(alpha) x_0 + sqrt(1 - alpha) (noise + sqrt(alpha / (1 - alpha)) (x_init - x_0)).

    DDIM (arXiv 2010.02502) with a perfect denoiser keeps the noise in brackets to the end, so it is the
    noise of the whole trajectory. Chains from a degraded image to the true one are the idea of ResShift
    (arXiv 2307.12348).

    Args:
        scheduler: The noise schedule.
        difference: (B, C, h, w), x_init - x_0.
        timestep: (B,) int64, the first timestep of each trajectory.

    Returns:
        (B, C, h, w) to be added to the noise.
    """
    alpha = alpha_at(scheduler, timestep)
    return difference * (alpha / (1 - alpha)).sqrt()


def min_snr_weight(scheduler: SchedulerMixin, timestep: Tensor, gamma: float) -> Tensor:
    """Loss weights (B,) float32 at `timestep` (B,) by min-SNR-gamma (arXiv 2303.09556).

    With SNR = alpha / (1 - alpha) the weight on the error of x_0 is min(SNR, gamma). The error of epsilon
    is SNR times that one, the error of v (SNR + 1) times; so the weights are min(SNR, gamma) / SNR and
    min(SNR, gamma) / (SNR + 1).
    """
    alpha = alpha_at(scheduler, timestep).flatten()
    snr: Tensor = alpha / (1 - alpha)
    if scheduler.config.prediction_type == "v_prediction":
        return snr.clamp(max=gamma) / (snr + 1)
    return (gamma / snr).clamp(max=1)
