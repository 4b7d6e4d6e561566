"""What all diffusion methods share: training and sampling. They differ in the denoiser's condition."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from inbetween.errors import UserError, check_at_least
from inbetween.functional.constants import constant
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.slerp import slerp
from inbetween.methods.base import Generators
from inbetween.methods.diffusion.conditioning import line_density
from inbetween.methods.diffusion.decoded_crops import decoded_crops
from inbetween.methods.diffusion.interpolation import DiffusionInterpolator
from inbetween.methods.diffusion.latent_cache import FrozenOutputs
from inbetween.methods.diffusion.latent_diffusion import LatentDiffusion, TrainedPart
from inbetween.methods.diffusion.noise_schedule import init_noise, pred_original_sample
from inbetween.methods.diffusion.objectives import Denoising, Objective
from inbetween.methods.diffusion.sampling import Sampling, frame_generators
from inbetween.methods.diffusion.training_sample import PrepareSample, TrainingSample
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.methods.spacing_flow.blend import load_blend
from inbetween.paths import cache_folder
from inbetween.types import Preparation, StepOutput, WindowBatch
from inbetween.weights.precision import frozen_dtype_on


class DiffusionMethod(PerceptualMethod):
    """In-betweens from a latent-diffusion backbone.

    Training noises the latents of one random true in-between of each window, each at its own timestep, and
    minimises the `objective`'s loss. Sampling is image-to-image (SDEdit, arXiv 2108.01073): it noises
    initial latents made of the keyframes, and denoises them. All frames of a window share one noise, so a
    frame depends neither on N nor on the others. N and t may differ from batch to batch.

    Subclasses implement `embed` and `condition`.

    Args:
        backbone: The latent-diffusion model.
        objective: What the denoiser is trained to do: `Denoising`, the ordinary objective, or
            `ImageRefinement`, for which the shipped small backbone is made. None is `Denoising()`.
        trained: Which weights of the backbone are trained, beside those that the method adds: `attn2`, the
            UNet's cross-attention; `lora`, low-rank adapters of it; `all` but the autoencoder; or `none`.
        lora_rank: Rank of `lora`.
        condition_dropout: Share of training samples in [0, 1] that get the null condition instead of
            theirs, which classifier-free guidance (`sampling.guidance_scale`) needs; 0.1 is usual.
        keyframe_latents: Concatenate both keyframes' latents to the noised ones along channels: unlike
            condition tokens, they contain positions. With `Denoising` these are new input channels with
            zero-initialised weights.
        keyframe_dropout: Share of training samples in [0, 1] that get zeros as `keyframe_latents`, so that
            the denoiser also works without them.
        line_condition: Concatenate the line density of both keyframes, warped to t along `sampling.flow` and
            blended: one new input channel with zero-initialised weights.
        line_condition_dropout: Share of training samples in [0, 1] that get zeros instead, so that the
            denoiser does not rely on it too much.
        sampling: How in-betweens are sampled.
        perceptual_weight: Weight of LPIPS (VGG16) between a decoded crop of the predicted clean latents and
            the same crop of the true frame. Squared error alone blurs uncertain regions.
        latent_cache: Folder that keeps the outputs of frozen networks for training frames from epoch to
            epoch; true is `latents` in the user's cache (`~/.cache/inbetween`, or set by XDG_CACHE_HOME);
            None computes them again each time. Of no use where frames do not recur: synthetic animation, and
            images that augmentation changes.
        **options: See `PerceptualMethod`.

    Raises:
        UserError: Options that contradict each other.
    """

    architecture: ClassVar[tuple[str, ...]] = (
        "backbone",
        "trained",
        "lora_rank",
        "condition_dropout",  # determines whether guidance is possible
        "keyframe_latents",
        "line_condition",
    )

    def __init__(
        self,
        backbone: LatentDiffusion,
        objective: Objective | None = None,
        trained: TrainedPart = "attn2",
        lora_rank: int = 8,
        condition_dropout: float = 0.0,
        keyframe_latents: bool = False,
        keyframe_dropout: float = 0.0,
        line_condition: bool = False,
        line_condition_dropout: float = 0.1,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
        perceptual_weight: float = 0.0,
        latent_cache: bool | Path | None = None,
        **options: Any,  # noqa: ANN401 - the base's, which jsonargparse and mypy find there
    ) -> None:
        super().__init__(perceptual_weight=perceptual_weight, **options)
        for name, share in {
            "condition_dropout": condition_dropout,
            "keyframe_dropout": keyframe_dropout,
            "line_condition_dropout": line_condition_dropout,
        }.items():
            if not 0 <= share <= 1:
                raise UserError(f"{name} is {share}: give a share between 0 and 1.")
        check_at_least(1, lora_rank=lora_rank)
        if sampling.guidance_scale != 1 and condition_dropout == 0 and trained != "none":
            raise UserError(
                f"guidance_scale is {sampling.guidance_scale} and condition_dropout 0: guidance needs a"
                " denoiser that was trained without condition as well, so train with condition_dropout"
                " 0.1, or set guidance_scale to 1."
            )
        self.objective = objective or Denoising()
        self.objective.check(backbone, sampling)
        sampling.make_scheduler(backbone.scheduler)  # so that a wrong name is reported before training
        self.backbone = backbone
        backbone.train_part(trained, lora_rank)
        new_channels = self.objective.new_channels(backbone) * keyframe_latents + line_condition
        if new_channels:
            backbone.widen_input(new_channels)
        self.condition_dropout = condition_dropout
        self.keyframe_latents, self.keyframe_dropout = keyframe_latents, keyframe_dropout
        self.line_condition, self.line_condition_dropout = line_condition, line_condition_dropout
        self.sampling = sampling
        self.blend = load_blend(sampling.flow)
        self.latent_cache: Path | None = None
        if latent_cache:
            self.latent_cache = cache_folder(None if latent_cache is True else latent_cache, "latents")
        self._frozen_outputs = FrozenOutputs(self.latent_cache)

    def prepare_fit(self) -> None:
        """As `PerceptualMethod`, and check that there are trajectories to train on.

        Raises:
            UserError: Sampling does not denoise its initial latents.
        """
        if self.objective.train_from != ("target",) and not self.sampling.strength:
            raise UserError(
                f"train_from is {', '.join(self.objective.train_from)} and sampling.strength 0, so no"
                " trajectory leads from these initial latents: give a strength."
            )
        super().prepare_fit()

    def setup(self, stage: str) -> None:
        """Store frozen weights in the dtype of the first process's device: a run's machines may differ."""
        strategy = self.trainer.strategy
        dtype = strategy.broadcast(frozen_dtype_on(strategy.root_device, self.backbone.frozen_dtype))
        if dtype != self.backbone.frozen_dtype:
            self.backbone.store_frozen(dtype)

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Embeddings (B, L, D) of keyframes (B, 3, H, W) in [0, 1], from which `condition` is computed."""

    @abstractmethod
    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """Condition tokens (R, L', D) of R in-betweens at t (R,), from keyframes' embeddings (R, L, D)."""

    def denoise(self, sample: Tensor, timestep: Tensor, tokens: Tensor, t: Tensor) -> Tensor:
        """The backbone's output (R, C, h, w); for methods whose attention depends on t (R,) to override."""
        return self.backbone.denoise(sample, timestep, tokens)

    def preparation(self, training: bool) -> Preparation:
        """Random numbers for one in-between of each window, the same in validation as in training."""
        return self.prepare_sample()

    def prepare_sample(self) -> PrepareSample:
        """What data workers prepare of a whole in-between and its keyframes."""
        flows = "flow" in self.objective.train_from or self.line_condition
        return PrepareSample(
            self.backbone.num_train_timesteps,
            self.objective.timestep_logit_mean,
            self.objective.train_from,
            self.sampling.strength * self.backbone.num_train_timesteps,
            self.backbone.latent_channels,
            self.backbone.multiple,
            self.blend.prior_flows if flows else None,
        )

    def latents_of(self, sample: TrainingSample, count: int) -> Tensor:
        """Latents (B, count, C, h, w) of samples' first frames, from the latent cache if there is one."""

        def encode(frames: Tensor) -> Tensor:
            return self.backbone.encode(pad_to_multiple(frames, self.backbone.multiple))

        ids = sample.frame_ids[:, :count]
        return self._frozen_outputs.get(self.backbone.vae, "latents", sample.frames[:, :count], ids, encode)

    def embeddings_of(self, sample: TrainingSample) -> tuple[Tensor, Tensor]:
        """`embed` of samples' keyframes, each (B, L, D), from the latent cache if there is one."""
        encoder = getattr(self.backbone, "image_encoder", None)
        purpose, ids = type(self).embed.__qualname__, sample.frame_ids[:, 1:3]
        embeddings = self._frozen_outputs.get(encoder, purpose, sample.frames[:, 1:3], ids, self.embed)
        first, last = embeddings.unbind(1)
        return first, last

    def training_tokens(self, sample: TrainingSample) -> Tensor:
        """Condition tokens (B, L, D) of training samples."""
        return self.condition(*self.embeddings_of(sample), sample.t)

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """The objective's loss on one in-between of each window, each at its own timestep."""
        sample: TrainingSample = self.sample_of(batch)
        objective, scheduler, timestep = self.objective, self.backbone.scheduler, sample.timestep
        needs_keyframes = (
            self.keyframe_latents or objective.needs_keyframes or "slerp" in objective.train_from
        )
        x_0, *keyframes = self.latents_of(sample, 3 if needs_keyframes else 1).unbind(1)
        noise, init_latents = sample.noise, x_0
        if objective.train_from != ("target",):
            init_latents = self._init_latents(sample, x_0, keyframes)
            noise = noise + init_noise(scheduler, init_latents - x_0, sample.init_timestep)
        x_t = scheduler.add_noise(x_0, noise, timestep)

        dropped = sample.dropout_uniform < constant(
            sample.dropout_uniform, self.condition_dropout, self.keyframe_dropout, self.line_condition_dropout
        )
        tokens = self.training_tokens(sample)
        tokens = torch.where(dropped[:, 0, None, None], self.backbone.null_condition.to(tokens), tokens)
        visible = [latents * ~dropped[:, 1, None, None, None] for latents in keyframes]
        inputs = [x_t, *self.extra_inputs(visible, init_latents)]
        if self.line_condition:
            lines = self.line_density(self._warped(sample, slice(None)))
            inputs.append(lines * ~dropped[:, 2, None, None, None])

        output = self.denoise(torch.cat(inputs, dim=1), timestep, tokens, sample.t)
        prediction = objective.predictor(self.backbone, init_latents, keyframes)(output, x_t, timestep)
        loss = objective.loss(self.backbone, prediction, x_0, noise, timestep)
        if perceptual := self.perceptual:
            predicted = pred_original_sample(scheduler, prediction, x_t, timestep)
            crops = decoded_crops(self.backbone, predicted, sample.frames[:, 0], sample.corner)
            distance = perceptual(*crops)
            return {"loss": loss + self.perceptual_weight * distance, "logs": {"perceptual": distance}}
        return {"loss": loss}

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        return DiffusionInterpolator(self, first, last)(t, frame_generators(generator, *t.shape))

    def interpolator(
        self, first: Tensor, last: Tensor, generator: Sequence[torch.Generator] = ()
    ) -> Callable[[Tensor], Tensor]:
        """See `Method.interpolator`: keyframes are encoded, and their flow is estimated, once."""
        interpolator = DiffusionInterpolator(self, first, last)
        return lambda t: interpolator(
            t, frame_generators([each.clone_state() for each in generator], *t.shape)
        )

    def extra_inputs(self, keyframes: Sequence[Tensor], init_latents: Tensor) -> list[Tensor]:
        """Latents concatenated to the noised ones, each like `init_latents` (R, C, h, w)."""
        return self.objective.extra_inputs(keyframes if self.keyframe_latents else (), init_latents)

    def line_density(self, frames: Tensor) -> Tensor:
        """The line condition (R, 1, h, w) of padded frames (R, 3, H', W')."""
        return line_density(frames, self.backbone.multiple)

    def _init_latents(self, sample: TrainingSample, x_0: Tensor, keyframes: list[Tensor]) -> Tensor:
        """The latents (B, C, h, w) that samples are noised from: initial latents, or their own `x_0`."""
        init_latents = x_0.clone()
        # `train_from` is on the CPU: nothing waits for the device
        slerped, warped = (_rows_with(sample.train_from, init, x_0.device) for init in ("slerp", "flow"))
        if len(slerped):
            init_latents[slerped] = slerp(keyframes[0][slerped], keyframes[1][slerped], sample.t[slerped])
        if len(warped):
            init_latents[warped] = self.backbone.encode(self._warped(sample, warped))
        return init_latents

    def _warped(self, sample: TrainingSample, rows: Tensor | slice) -> Tensor:
        """Some samples' keyframes, warped to their t and blended, padded: (R, 3, H', W') in [0, 1]."""
        first, last = sample.frames[rows, 1], sample.frames[rows, 2]
        blend = self.blend(first, last, sample.flows[rows])(sample.t[rows, None])
        return pad_to_multiple(blend[:, 0].clamp(0, 1), self.backbone.multiple)


def _rows_with(values: Sequence[str], value: str, device: torch.device) -> Tensor:
    """Indices (R,) int64 of the samples with a value, copied to the device without waiting for it."""
    rows = [row for row, each in enumerate(values) if each == value]
    return torch.tensor(rows, dtype=torch.int64).to(device, non_blocking=True)
