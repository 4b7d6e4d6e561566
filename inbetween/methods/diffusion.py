"""What every diffusion method shares: the training loss and the drawing. A method says how it conditions."""

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
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.methods.spacing_flow.blend import load_blend
from inbetween.modules.conditioning import line_density
from inbetween.modules.latent_cache import LatentCache
from inbetween.modules.latent_diffusion import LatentDiffusion, TrainedPart
from inbetween.modules.noising import NoisedSample, Noising, TrainFrom
from inbetween.modules.perceptual import decoded_crops
from inbetween.modules.precision import frozen_dtype_on
from inbetween.modules.residual_refiner import compute_change_mask
from inbetween.modules.sampling import Sampling, denoise_from, frame_generators
from inbetween.paths import cache_folder
from inbetween.types import StepOutput, WindowBatch

INITS = ("slerp", "flow")  # of paths; `truth` has none


class DiffusionMethod(PerceptualMethod):
    """In-betweens from a latent-diffusion backbone.

    Training adds noise to the latent of one true in-between of each window, any of its positions, at a
    timestep of its own, and regresses the backbone's prediction. Drawing begins at the keyframes'
    latents, slerped to t and noised (SDEdit, arXiv 2108.01073), or where `sampling` says. All frames of a
    window start from one noise, so that neither N nor the neighbours change the frame at t. Windows of
    any N and any t can follow each other in both.

    A denoiser that has only seen true frames takes a start's ghosts for drawing. With a start in
    `train_from` it learns what to make of them: some samples then lie on the path that drawing takes from
    that start to the true frame, whose noise holds the difference of both (`LatentDiffusion.init_noise`).

    Subclasses implement `embed` and `condition`.

    Args:
        backbone: The latent-diffusion model.
        trained: Its part that is trained, beside what the method adds: `attn2`, the denoiser's
            cross-attention; `lora`, a low-rank addition to it; `all` but the autoencoder; or `none`.
        lora_rank: Rank of `lora`.
        condition_dropout: Share of training samples in [0, 1] that see the null condition in place of
            theirs, which `guidance_scale` in drawing needs; 0.1 is usual.
        min_snr_gamma: Weighs the losses of timesteps by min-SNR-gamma (arXiv 2303.09556), 5 being usual;
            None weighs all alike.
        timestep_logit_mean: Draws training's timesteps logit-normally with this mean and deviation 1
            (arXiv 2403.03206); None draws them uniformly. -1 has its median at 27 % of the noise
            schedule, for drawing with a small `strength`, which never sees the rest.
        train_from: What the noised latents of training come from, each sample one of these with equal
            chance: `truth`, the in-between alone, as is usual; `slerp` or `flow`, the starts of that name
            in `sampling`, with a strength up to its own.
        keyframe_latents: Lay both keyframes' latents beside the noised one: where things are, which
            tokens do not tell. They are further input channels of the denoiser, whose weights begin at
            zero; a correcting one brings them.
        keyframe_dropout: Share of training samples in [0, 1] that see zeros in their place, for a
            denoiser that is to do without as well.
        line_condition: Lay the lines of both keyframes, warped to t along `sampling.flow` and blended, beside
            the noised latent in the same way.
        line_condition_dropout: Share of training samples in [0, 1] that see no lines, so that a method
            relies on them no more than they deserve.
        sampling: How frames are drawn.
        perceptual_weight: Weight of LPIPS on VGG16 of a part of the clean picture that each prediction
            stands for, decoded, to the true one. Squares alone teach to fade what is uncertain.
        latent_cache: Folder that keeps, from epoch to epoch, what frozen parts of the backbone make of
            training frames; true takes `latents` in the user's cache, which is `~/.cache/inbetween`, or as
            XDG_CACHE_HOME says; None computes it anew each time. Of no use to frames that do not come
            back: synthetic cels, and drawings that augmentation changes.
        **options: See `PerceptualMethod`.

    Raises:
        UserError: Options that contradict each other.
    """

    architecture: ClassVar[tuple[str, ...]] = (
        "backbone",
        "trained",
        "lora_rank",
        "condition_dropout",  # says whether guidance is possible
        "keyframe_latents",
        "line_condition",
    )

    def __init__(
        self,
        backbone: LatentDiffusion,
        trained: TrainedPart = "attn2",
        lora_rank: int = 8,
        condition_dropout: float = 0.0,
        min_snr_gamma: float | None = None,
        timestep_logit_mean: float | None = None,
        train_from: Sequence[TrainFrom] = ("truth",),
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
        check_at_least(0, min_snr_gamma=min_snr_gamma, perceptual_weight=perceptual_weight)
        if sampling.guidance_scale != 1 and condition_dropout == 0 and trained != "none":
            raise UserError(
                f"guidance_scale is {sampling.guidance_scale} and condition_dropout 0: guidance needs a"
                " denoiser that was trained without condition as well, so train with condition_dropout"
                " 0.1, or set guidance_scale to 1."
            )
        if not train_from:
            raise UserError("train_from is empty: give truth, slerp or flow, or several of them.")
        if backbone.residual_refiner and ("truth" in train_from or sampling.init == "noise"):
            raise UserError(
                "The backbone's denoiser corrects a start, and here it would have none: give train_from"
                " slerp, flow or both, and sampling.init slerp or flow."
            )
        sampling.make_scheduler(backbone.scheduler)  # a wrong name is found now, and not after training
        self.backbone = backbone
        backbone.train_part(trained, lora_rank)
        new = keyframe_latents and not backbone.residual_refiner
        extra = 2 * backbone.latent_channels * new + line_condition
        if extra:
            backbone.widen_input(extra)
        self.condition_dropout, self.min_snr_gamma = condition_dropout, min_snr_gamma
        self.timestep_logit_mean = timestep_logit_mean
        self.train_from = tuple(train_from)
        self.keyframe_latents, self.keyframe_dropout = keyframe_latents, keyframe_dropout
        self.line_condition, self.line_condition_dropout = line_condition, line_condition_dropout
        self.sampling = sampling
        self._blend = load_blend(sampling.flow)
        self.latent_cache: Path | None = None
        if latent_cache:
            self.latent_cache = cache_folder(None if latent_cache is True else latent_cache, "latents")
        self._caches: dict[str, LatentCache] = {}

    def prepare_fit(self) -> None:
        """Besides what `PerceptualMethod` does, see that there are paths to learn from.

        Raises:
            UserError: Drawing does not leave its start.
        """
        if self.train_from != ("truth",) and not self.sampling.strength:
            raise UserError(
                f"train_from is {', '.join(self.train_from)} and sampling.strength 0, so no path leads from"
                " a start: give a strength, or truth alone."
            )
        super().prepare_fit()

    def setup(self, stage: str) -> None:
        """Store frozen weights as the first process's device wants it: the machines of a run may differ."""
        strategy = self.trainer.strategy
        dtype = strategy.broadcast(frozen_dtype_on(strategy.root_device, self.backbone.frozen_dtype))
        if dtype != self.backbone.frozen_dtype:
            self.backbone.store_frozen(dtype)

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """What the condition is made of, (B, L, D) for keyframes (B, 3, H, W) in [0, 1]."""

    @abstractmethod
    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """Tokens (R, L', D) for R in-betweens at t (R,), from their keyframes' embeddings (R, L, D)."""

    def denoise(self, sample: Tensor, timestep: Tensor, tokens: Tensor, t: Tensor) -> Tensor:
        """The backbone's output (R, C, h, w); for methods whose attention knows t (R,) to override."""
        return self.backbone.denoise(sample, timestep, tokens)

    def preparation(self, training: bool) -> Noising:
        """Noise, timestep and start of one in-between of each window; what is measured is drawn like it."""
        flows = "flow" in self.train_from or self.line_condition
        return Noising(
            self.backbone.num_train_timesteps,
            self.timestep_logit_mean,
            self.train_from,
            self.sampling.strength * self.backbone.num_train_timesteps,
            self.backbone.latent_channels,
            self.backbone.multiple,
            self._blend.prior_flows if flows else None,
        )

    def latents_of(self, sample: NoisedSample, count: int) -> Tensor:
        """Latents (B, count, C, h, w) of samples' first frames, from the cache where they are in it."""

        def encode(frames: Tensor) -> Tensor:
            return self.backbone.encode(pad_to_multiple(frames, self.backbone.multiple))

        latents = self._from_cache("vae", "latents", sample, slice(count), encode)
        return latents.view(-1, count, *latents.shape[1:])

    def embeddings_of(self, sample: NoisedSample) -> tuple[Tensor, Tensor]:
        """`embed` of the keyframes of training samples, each (B, L, D), from the cache likewise."""
        embedding = self._from_cache(
            "image_encoder", type(self).embed.__qualname__, sample, slice(1, 3), self.embed
        )
        first, last = embedding.view(-1, 2, *embedding.shape[1:]).unbind(1)
        return first, last

    def training_tokens(self, sample: NoisedSample) -> Tensor:
        """What training tells the denoiser of the in-betweens, (B, L, D)."""
        return self.condition(*self.embeddings_of(sample), sample.t)

    def _from_cache(
        self,
        part: str,
        purpose: str,
        sample: NoisedSample,
        places: slice,
        compute: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """What `compute` makes, with a part of the backbone, of K of the samples' frames: (B K, ...)."""
        chosen = sample.frames[:, places].flatten(0, 1)
        network = getattr(self.backbone, part, None)
        if self.latent_cache is None or not sample.frame_ids.shape[1] or network is None:
            return compute(chosen)
        cache = self._caches.setdefault(part, LatentCache(self.latent_cache, network, purpose))
        if not cache.usable:
            return compute(chosen)
        return cache.get(sample.frame_ids[:, places].flatten(), lambda of: compute(chosen[of]))

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """Squared error of the prediction for one in-between per window, one timestep each."""
        sample: NoisedSample = self.sample_of(batch)
        needs_ends = self.keyframe_latents or "slerp" in self.train_from or self.backbone.residual_refiner
        x_0, *keyframes = self.latents_of(sample, 3 if needs_ends else 1).unbind(1)
        noise, init_latents, timestep = sample.noise, x_0, sample.timestep
        if self.train_from != ("truth",):
            init_latents = x_0.clone()
            # where each starts is known to the processor: nothing waits for the device
            slerped, warped = (_rows_of(sample.init, one, init_latents.device) for one in INITS)
            if len(slerped):
                init_latents[slerped] = slerp(keyframes[0][slerped], keyframes[1][slerped], sample.t[slerped])
            if len(warped):
                init_latents[warped] = self.backbone.encode(self._warped(sample, warped))
            noise = noise + self.backbone.init_noise(init_latents - x_0, sample.begin)
        x_t = self.backbone.scheduler.add_noise(x_0, noise, timestep)
        tokens = self.training_tokens(sample)
        # of the condition, of the keyframes' latents, of their lines
        unseen = sample.chances < constant(
            sample.chances, self.condition_dropout, self.keyframe_dropout, self.line_condition_dropout
        )
        tokens = torch.where(unseen[:, 0, None, None], self.backbone.null_condition.to(tokens), tokens)

        change_mask = compute_change_mask(*keyframes, init_latents)
        shown = [latents * ~unseen[:, 1, None, None, None] for latents in keyframes]
        inputs = [x_t, *self._shown(shown, init_latents)]
        if self.line_condition:
            lines = self._lines(self._warped(sample, slice(None)))
            inputs.append(lines * ~unseen[:, 2, None, None, None])
        output = self.denoise(torch.cat(inputs, dim=1), timestep, tokens, sample.t)
        prediction = self.backbone.prediction_of(output, init_latents, change_mask, x_t, timestep)
        target = self.backbone.training_target(x_0, noise, timestep)
        error = (prediction - target).square().flatten(1).mean(1)
        if self.min_snr_gamma is not None:
            error = error * self.backbone.min_snr_weight(timestep, self.min_snr_gamma)
        if perceptual := self.perceptual:
            clean = self.backbone.pred_original_sample(prediction, x_t, timestep)
            distance = perceptual(*decoded_crops(self.backbone, clean, sample.frames[:, 0], sample.corner))
            return {
                "loss": error.mean() + self.perceptual_weight * distance,
                "logs": {"perceptual": distance},
            }
        return {"loss": error.mean()}

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        return self._build_interpolator(first, last)(t, frame_generators(generator, *t.shape))

    def interpolator(
        self, first: Tensor, last: Tensor, generator: Sequence[torch.Generator] = ()
    ) -> Callable[[Tensor], Tensor]:
        """See `Method.interpolator`: keyframes are encoded, and their flow is estimated, once."""
        interpolator = self._build_interpolator(first, last)
        return lambda t: interpolator(
            t, frame_generators([each.clone_state() for each in generator], *t.shape)
        )

    @torch.no_grad()
    def _build_interpolator(
        self, first: Tensor, last: Tensor
    ) -> Callable[[Tensor, list[torch.Generator]], Tensor]:
        """What draws frames (B, N, 3, H, W) at t (B, N), each from the noise of one of B N streams."""
        sampling, (height, width) = self.sampling, first.shape[-2:]
        keyframes = pad_to_multiple(torch.cat([first, last]), self.backbone.multiple)
        z_first, z_last = self.backbone.encode(keyframes).chunk(2)
        e_first, e_last = self.embed(torch.cat([first, last])).chunk(2)
        from_flow = sampling.init == "flow"
        pair = [first, last]
        if sampling.autoencoder_residual:
            ends = torch.split(torch.cat([z_first, z_last]), sampling.max_frames or 2 * len(first))
            kept = torch.cat([self.backbone.decode(latents) for latents in ends])
            lost = (keyframes - kept)[..., :height, :width].chunk(2)
            pair = [torch.cat(both, dim=1) for both in zip(pair, lost, strict=True)]
        blend = self._blend(pair[0], pair[1]) if from_flow or self.line_condition else None

        @torch.no_grad()
        def interpolator(t: Tensor, generators: list[torch.Generator]) -> Tensor:
            count, detail = t.shape[1], None
            if sampling.autoencoder_residual:
                share = t.float()[:, :, None, None, None]
                detail = (1 - share) * lost[0][:, None] + share * lost[1][:, None]
            if blend is not None:
                moved = blend(t)
                warped = pad_to_multiple(moved[:, :, :3].clamp(0, 1), self.backbone.multiple).flatten(0, 1)
                if from_flow and sampling.autoencoder_residual:
                    detail = moved[:, :, 3:]

            frames = []
            every = torch.arange(t.numel(), device=t.device)
            for rows in torch.tensor_split(every, -(-len(every) // (sampling.max_frames or len(every)))):
                window, place = rows // count, t.flatten()[rows]
                if from_flow:
                    init_latents = self.backbone.encode(warped[rows])
                else:
                    init_latents = slerp(z_first[window], z_last[window], place)
                z_ends = [z_first[window], z_last[window]]
                further, change_mask = (
                    self._shown(z_ends, init_latents),
                    compute_change_mask(*z_ends, init_latents),
                )
                if self.line_condition:
                    further.append(self._lines(warped[rows]))
                tokens = self.condition(e_first[window], e_last[window], place)
                own = [generators[row] for row in rows.tolist()]
                latents = self._sampled_latents(init_latents, change_mask, further, tokens, place, own)
                frames.append(self.backbone.decode(latents)[..., :height, :width])
            decoded = torch.cat(frames).view(*t.shape, 3, height, width)
            return decoded if detail is None else (decoded + detail).clamp(0, 1)

        return interpolator

    def _sampled_latents(
        self,
        init_latents: Tensor,
        change_mask: Tensor,
        further: list[Tensor],
        tokens: Tensor,
        t: Tensor,
        generators: list[torch.Generator],
    ) -> Tensor:
        """Denoise `start` (R, C, h, w), told by `further` channels, `tokens` and t (R,)."""
        scale = self.sampling.guidance_scale
        null = self.backbone.null_condition.to(tokens).expand_as(tokens)

        def denoise(sample: Tensor, timestep: Tensor) -> Tensor:
            channels = torch.cat([sample, *further], dim=1)
            if scale == 1:
                output = self.denoise(channels, timestep, tokens, t)
            else:
                both = torch.cat([channels] * 2), timestep, torch.cat([null, tokens]), torch.cat([t] * 2)
                without, with_condition = self.denoise(*both).chunk(2)
                output = without + scale * (with_condition - without)
            return self.backbone.prediction_of(output, init_latents, change_mask, sample, timestep)

        scheduler = self.sampling.make_scheduler(self.backbone.scheduler)
        return denoise_from(scheduler, denoise, init_latents, generators, self.sampling)

    def _shown(self, keyframes: list[Tensor], init_latents: Tensor) -> list[Tensor]:
        """Latents that the denoiser sees beside the noised one, each like `init_latents` (R, C, h, w)."""
        shown = keyframes if self.keyframe_latents else []
        if self.backbone.residual_refiner:
            return [*(shown or [torch.zeros_like(init_latents)] * 2), init_latents]
        return shown

    def _warped(self, sample: NoisedSample, rows: Tensor | slice) -> Tensor:
        """Some samples' keyframes, warped to their t and blended, padded: (R, 3, H', W') in [0, 1]."""
        first, last = sample.frames[rows, 1], sample.frames[rows, 2]
        blend = self._blend(first, last, sample.flows[rows])(sample.t[rows, None])
        return pad_to_multiple(blend[:, 0].clamp(0, 1), self.backbone.multiple)

    def _lines(self, frames: Tensor) -> Tensor:
        """Where the lines of frames (R, 3, H', W') run, (R, 1, h, w)."""
        return line_density(frames, self.backbone.multiple)


def _rows_of(kinds: Sequence[str], kind: str, device: torch.device) -> Tensor:
    """Which samples are of a kind, (R,) int64; the device is told without being waited for."""
    rows = [row for row, each in enumerate(kinds) if each == kind]
    return torch.tensor(rows, dtype=torch.int64).to(device, non_blocking=True)
