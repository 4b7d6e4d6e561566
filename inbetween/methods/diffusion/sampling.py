"""Image-to-image sampling: options, the denoising loop, and noise for each frame."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from inbetween.errors import UserError

if TYPE_CHECKING:
    from diffusers import SchedulerMixin


@dataclass(frozen=True)
class Sampling:
    """Inference options of diffusion. They belong to the config, never to a checkpoint.

    Args:
        num_inference_steps: Denoising steps of a full run from noise.
        strength: Share in [0, 1] of those steps that is run, the last ones, as in diffusers' image-to-image
            pipelines: the initial latents are noised accordingly. 0 decodes them as they are, 1 leaves
            almost nothing of them.
        init: The initial latents: `slerp`, both keyframes' latents interpolated to t; `flow`, those of
            the keyframes warped to t along `flow` and blended. `noise` has none, and runs all steps
            whatever `strength`.
        flow: The optical flow of the warped blend: `dis`, or the weights of a trained `SpacingFlow`, such as
            the shipped spacing_flow/weights.safetensors.
        autoencoder_residual: Add the autoencoder's reconstruction error of the keyframes to the frames,
            (1 - t) of first's and t of last's, warped along with them if `init` is `flow`. What does not
            move is then reproduced exactly.
        guidance_scale: Classifier-free guidance (arXiv 2207.12598): unconditional + scale (conditional -
            unconditional). 1 is no guidance; other values take twice the time.
        scheduler: Import path of a diffusers scheduler, such as
            `diffusers.DPMSolverMultistepScheduler`; None is DDIM with eta 0.
        max_frames: Most in-betweens that are denoised and decoded at once, to bound memory; None takes all.
    """

    num_inference_steps: int = 20
    strength: float = 0.3
    init: Literal["slerp", "flow", "noise"] = "slerp"
    flow: str = "dis"
    autoencoder_residual: bool = False
    guidance_scale: float = 1.0
    scheduler: str | None = None
    max_frames: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.num_inference_steps < 1:
            raise UserError(f"num_inference_steps is {self.num_inference_steps}: give at least 1.")
        if not 0 <= self.strength <= 1:
            raise UserError(f"strength is {self.strength}: give a share between 0 and 1.")
        if self.guidance_scale < 0:
            raise UserError(f"guidance_scale is {self.guidance_scale}: give 1 for none, or more.")
        if self.max_frames is not None and self.max_frames < 1:
            raise UserError(f"max_frames is {self.max_frames}: give at least 1.")

    @property
    def steps(self) -> int:
        """How many of the steps are run, as in diffusers' image-to-image pipelines."""
        if self.init == "noise":
            return self.num_inference_steps
        return min(int(self.num_inference_steps * self.strength), self.num_inference_steps)

    def make_scheduler(self, trained: SchedulerMixin) -> SchedulerMixin:
        """A scheduler for one run, with the noise schedule that the denoiser was trained with.

        Raises:
            UserError: `scheduler` names no scheduler.
        """
        path = self.scheduler or "diffusers.DDIMScheduler"
        module, _, name = path.rpartition(".")
        try:
            made: SchedulerMixin = getattr(importlib.import_module(module), name).from_config(trained.config)
        except (ImportError, AttributeError, ValueError) as error:
            raise UserError(
                f"There is no scheduler {path}: give the import path of one of diffusers', such as"
                " diffusers.DPMSolverMultistepScheduler."
            ) from error
        return made


def denoise_from(
    scheduler: SchedulerMixin,
    denoise: Callable[[Tensor, Tensor], Tensor],
    init_latents: Tensor,
    generators: list[torch.Generator],
    sampling: Sampling,
) -> Tensor:
    """Noise `init_latents` as `sampling.strength` says, and denoise them (SDEdit, arXiv 2108.01073).

    Args:
        scheduler: From `sampling.make_scheduler`, for this run alone.
        denoise: Predicts noise or velocity from noised latents (B, C, h, w) and a timestep ().
        init_latents: (B, C, h, w) latents.
        generators: One per row, for the noise.
        sampling: The number of steps and `strength`.

    Returns:
        (B, C, h, w) latents.
    """
    scheduler.set_timesteps(sampling.num_inference_steps, device=init_latents.device)
    # Some schedulers call the denoiser `order` times a step.
    begin = (sampling.num_inference_steps - sampling.steps) * scheduler.order
    timesteps = scheduler.timesteps[begin:]
    if not sampling.steps:
        return init_latents
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    noise = noise_like(init_latents, generators)
    sample: Tensor
    if sampling.init == "noise":
        sample = noise * scheduler.init_noise_sigma
    else:
        sample = scheduler.add_noise(init_latents, noise, timesteps[:1].expand(len(init_latents)))
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    options = {"generator": generators} if takes_generator else {}
    for timestep in timesteps:
        prediction = denoise(scheduler.scale_model_input(sample, timestep), timestep)
        sample = scheduler.step(prediction, timestep, sample, **options).prev_sample
    return sample


def frame_generators(
    generator: Sequence[torch.Generator] | torch.Generator | None, windows: int, count: int
) -> list[torch.Generator]:
    """A generator for each of `count` in-betweens of each window, with one seed within a window.

    So all frames of a window get the same noise, whatever their number and the other windows.

    Args:
        generator: One per window, or one for all, or None for torch's own.
        windows: Number of windows, B.
        count: Number of in-betweens of each, N.

    Returns:
        B * N generators, those of a window side by side.
    """
    sources: Sequence[torch.Generator | None]
    if generator is None or isinstance(generator, torch.Generator):
        sources = [generator] * windows
    else:
        sources = generator
    generators = []
    for source in sources:
        seed = int(torch.randint(2**62, (), generator=source))
        generators += [torch.Generator().manual_seed(seed) for _ in range(count)]
    return generators


def noise_like(latents: Tensor, generators: list[torch.Generator]) -> Tensor:
    """Standard normal noise of latents' shape (B, C, h, w), row i from the i-th of B generators."""
    from diffusers.utils.torch_utils import randn_tensor

    noise: Tensor = randn_tensor(
        latents.shape, generator=generators, device=latents.device, dtype=latents.dtype
    )
    return noise
