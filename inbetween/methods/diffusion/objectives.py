"""Training objectives of the denoiser: denoising, or refining an initial image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.errors import UserError, check_at_least
from inbetween.methods.diffusion.latent_diffusion import LatentDiffusion
from inbetween.methods.diffusion.noise_schedule import min_snr_weight, prediction_of_x_0, training_target
from inbetween.methods.diffusion.sampling import Sampling

Init = Literal["slerp", "flow"]
TrainFrom = Literal["target", "slerp", "flow"]
Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]

FULL_CHANGE = 0.5  # difference of normalised latents above which the change mask is 1
MEAN_WINDOW = 9  # latent pixels, odd: side of the window in which a residual has zero mean


class Objective(ABC):
    """The denoiser's inputs besides the noised latents, the meaning of its output, and the loss.

    Args:
        train_from: Latents that training samples are noised from; each takes one of these with equal
            probability.
        min_snr_gamma: Weight the loss over timesteps by min-SNR-gamma; None weights all alike.
        timestep_logit_mean: See `Denoising`.
    """

    def __init__(
        self,
        train_from: Sequence[TrainFrom],
        min_snr_gamma: float | None,
        timestep_logit_mean: float | None = None,
    ) -> None:
        if not train_from:
            raise UserError("train_from is empty: give at least one of its values.")
        check_at_least(0, min_snr_gamma=min_snr_gamma)
        self.train_from, self.min_snr_gamma = tuple(train_from), min_snr_gamma
        self.timestep_logit_mean = timestep_logit_mean

    #: Whether `predictor` needs the keyframes' latents.
    needs_keyframes: bool

    @abstractmethod
    def check(self, backbone: LatentDiffusion, sampling: Sampling) -> None:
        """Check that backbone and sampling are compatible with this objective.

        Raises:
            UserError: They are not.
        """

    @abstractmethod
    def new_channels(self, backbone: LatentDiffusion) -> int:
        """Number of input channels to add to the UNet for the keyframes' latents."""

    @abstractmethod
    def extra_inputs(self, keyframes: Sequence[Tensor], init_latents: Tensor) -> list[Tensor]:
        """Latents concatenated to the noised ones along channels, each (B, C, h, w).

        Args:
            keyframes: Those of both keyframes, or nothing without `keyframe_latents`.
            init_latents: (B, C, h, w) the initial latents.
        """

    @abstractmethod
    def predictor(
        self, backbone: LatentDiffusion, init_latents: Tensor, keyframes: Sequence[Tensor]
    ) -> Predictor:
        """The function from the denoiser's output to a prediction.

        Args:
            backbone: The latent-diffusion model.
            init_latents: (B, C, h, w) the initial latents.
            keyframes: (B, C, h, w) each; both keyframes' where `needs_keyframes`.

        Returns:
            Takes the output (B, C, h, w), the noised latents (B, C, h, w) and their timestep () or (B,) to
            the predicted noise or velocity (B, C, h, w), by `prediction_type`.
        """

    def loss(
        self, backbone: LatentDiffusion, prediction: Tensor, x_0: Tensor, noise: Tensor, timestep: Tensor
    ) -> Tensor:
        """Mean squared error () of the prediction, weighted by min-SNR-gamma if it is set."""
        target = training_target(backbone.scheduler, x_0, noise, timestep)
        error = (prediction - target).square().flatten(1).mean(1)
        if self.min_snr_gamma is not None:
            error = error * min_snr_weight(backbone.scheduler, timestep, self.min_snr_gamma)
        return error.mean()

    def _check_channels(self, backbone: LatentDiffusion, times: int) -> None:
        """Check that the denoiser has `times` as many input channels as the latents."""
        found, latent = int(backbone.unet.config.in_channels), backbone.latent_channels
        if found == times * latent:
            return
        other = {latent: Denoising, 4 * latent: ImageRefinement}.get(found)
        way_out = (
            f"set objective to inbetween.methods.diffusion.{other.__name__}, or give another backbone"
            if other
            else "give another backbone"
        )
        raise UserError(
            f"The objective {type(self).__name__} needs a UNet with {times * latent} input channels (latents"
            f" have {latent}), and the backbone's has {found}: {way_out}."
        )


class Denoising(Objective):
    """The ordinary objective: predict the noise (or velocity) in noised latents.

    Args:
        train_from: Latents that training samples are noised from; each takes one of these with equal
            probability. `target` is the ordinary choice: the true in-between's latents and a random timestep.
            `slerp` and `flow` take a point on the trajectory that sampling follows from those initial latents
            (`sampling.init`) to the true in-between, so that the denoiser learns to remove their ghosting;
            see `noise_schedule.init_noise`. The trajectories start at timesteps up to `sampling.strength`.
        min_snr_gamma: Weight the loss over timesteps by min-SNR-gamma (arXiv 2303.09556), 5 being usual;
            None weights all alike.
        timestep_logit_mean: Sample the timesteps of `target` logit-normally with this mean and standard
            deviation 1 (arXiv 2403.03206); None samples them uniformly. -1 puts the median at 27 % of the
            noise schedule, for sampling with a small `strength`, which never reaches the rest.

    Raises:
        UserError: `train_from` is empty, or `min_snr_gamma` negative.
    """

    needs_keyframes = False

    def __init__(
        self,
        train_from: Sequence[TrainFrom] = ("target",),
        min_snr_gamma: float | None = None,
        timestep_logit_mean: float | None = None,
    ) -> None:
        super().__init__(train_from, min_snr_gamma, timestep_logit_mean)

    def check(self, backbone: LatentDiffusion, sampling: Sampling) -> None:
        """See `Objective.check`: the UNet has as many input channels as a latent."""
        self._check_channels(backbone, 1)

    def new_channels(self, backbone: LatentDiffusion) -> int:
        """Those of two latents."""
        return 2 * backbone.latent_channels

    def extra_inputs(self, keyframes: Sequence[Tensor], init_latents: Tensor) -> list[Tensor]:
        """The keyframes' latents, with `keyframe_latents`."""
        return list(keyframes)

    def predictor(
        self, backbone: LatentDiffusion, init_latents: Tensor, keyframes: Sequence[Tensor]
    ) -> Predictor:
        """The output is the prediction."""
        return lambda output, x_t, timestep: output


class ImageRefinement(Objective):
    """Predict the residual between the initial latents and the clean ones, where something changes.

    The UNet's input is the noised latents, both keyframes' and the initial ones, concatenated along
    channels: four times a latent's channels. With its output r, the initial latents x_init and the change
    mask m in [0, 1] (`compute_change_mask`), the predicted clean latents are

        x_0 = x_init + m (r - local mean of r)

    (see `masked_residual`), and the scheduler is given the noise or velocity that follows from them. So
    regions where nothing changes stay exactly as in the initial image, whatever the noise.

    Args:
        train_from: Initial latents of training, as `sampling.init` has them; each sample takes one of these
            with equal probability, and a point on the trajectory from them to the true in-between. The
            trajectories start at timesteps up to `sampling.strength`.
        min_snr_gamma: Weight the loss over timesteps by min-SNR-gamma (arXiv 2303.09556), 5 being usual;
            None weights all alike.

    Raises:
        UserError: `train_from` is empty, or `min_snr_gamma` negative.
    """

    needs_keyframes = True

    def __init__(
        self, train_from: Sequence[Init] = ("slerp", "flow"), min_snr_gamma: float | None = None
    ) -> None:
        super().__init__(train_from, min_snr_gamma)

    def check(self, backbone: LatentDiffusion, sampling: Sampling) -> None:
        """See `Objective.check`: four times as many input channels, and initial latents to refine."""
        self._check_channels(backbone, 4)
        if sampling.init == "noise":
            raise UserError(
                "The objective ImageRefinement refines an initial image, and sampling.init is noise: set it"
                " to slerp or flow."
            )

    def new_channels(self, backbone: LatentDiffusion) -> int:
        """None: the UNet has them."""
        return 0

    def extra_inputs(self, keyframes: Sequence[Tensor], init_latents: Tensor) -> list[Tensor]:
        """The keyframes' latents, zeros without `keyframe_latents`, and the initial latents."""
        return [*(keyframes or [torch.zeros_like(init_latents)] * 2), init_latents]

    def predictor(
        self, backbone: LatentDiffusion, init_latents: Tensor, keyframes: Sequence[Tensor]
    ) -> Predictor:
        """The output is the residual r of the class's formula."""
        change_mask = compute_change_mask(*keyframes, init_latents)

        def predict(output: Tensor, x_t: Tensor, timestep: Tensor) -> Tensor:
            timestep = timestep.long().expand(len(x_t)).to(x_t.device)
            x_0 = init_latents + masked_residual(output, change_mask)
            return prediction_of_x_0(backbone.scheduler, x_0, x_t, timestep)

        return predict


def compute_change_mask(*latents: Tensor) -> Tensor:
    """Where keyframes and initial latents differ, with a margin: where refinement is allowed.

    Elsewhere nothing moves, and any change would be an error.

    Args:
        *latents: (B, C, h, w) each: of both keyframes, and the initial ones.

    Returns:
        (B, 1, h, w) in [0, 1]: 0 where all agree within two latent pixels.
    """
    stacked = torch.stack(latents)
    difference = (stacked.amax(0) - stacked.amin(0)).amax(1, keepdim=True)
    return F.max_pool2d(difference / FULL_CHANGE, 5, 1, 2).clamp(max=1)


def masked_residual(output: Tensor, change_mask: Tensor) -> Tensor:
    """The denoiser's output without its local mean, where something changes.

    Flat colours are right in the initial latents, and an uncertain denoiser would tint them around moving
    objects. So the masked local mean of the output is subtracted, which leaves lines.

    Args:
        output: (B, C, h, w), the denoiser's.
        change_mask: (B, 1, h, w) in [0, 1], as from `compute_change_mask`.

    Returns:
        (B, C, h, w), 0 where `change_mask` is.
    """

    def local_mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, MEAN_WINDOW, 1, MEAN_WINDOW // 2, count_include_pad=False)

    mean = local_mean(change_mask * output) / local_mean(change_mask).clamp(min=1e-3)
    return change_mask * (output - mean)
