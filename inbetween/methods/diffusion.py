"""What every diffusion method shares: the training loss and the drawing. A method says how it conditions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inbetween.errors import UserError
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.seeds import generators
from inbetween.functional.slerp import slerp
from inbetween.methods.base import RUN_HYPERPARAMETERS, Generators
from inbetween.methods.perceptual import PERCEPTUAL_HYPERPARAMETERS, PerceptualMethod
from inbetween.modules.blends import load_blend
from inbetween.modules.conditioning import line_density
from inbetween.modules.correction import unsettled
from inbetween.modules.latent_cache import LatentCache
from inbetween.modules.latent_diffusion import LatentDiffusion, TrainedPart
from inbetween.modules.noising import TrainFrom, drawn_each, path_timesteps, timesteps_of
from inbetween.modules.perceptual import decoded_crops
from inbetween.modules.sampling import Sampling, denoise_from, frame_streams, noise_like
from inbetween.types import StepOutput, WindowBatch


class DiffusionMethod(PerceptualMethod):
    """In-betweens from a latent-diffusion backbone.

    Training adds noise to the latent of one true in-between of each window, any of its positions, at a
    timestep of its own, and regresses the backbone's prediction. Drawing begins at the keyframes'
    latents, slerped to t and noised (SDEdit, arXiv 2108.01073), or where `sampling` says. All frames of a
    window start from one noise, so that neither N nor the neighbours change the frame at t. Windows of
    any N and any t can follow each other in both.

    A denoiser that has only seen true frames takes a start's ghosts for drawing. With a start in
    `train_from` it learns what to make of them: some samples then lie on the path that drawing takes from
    that start to the true frame, whose noise holds the difference of both (`LatentDiffusion.start_noise`).

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
        structure: Lay the lines of both keyframes, warped to t along `sampling.flow` and blended, beside
            the noised latent in the same way.
        structure_dropout: Share of training samples in [0, 1] that see no lines, so that a method
            relies on them no more than they deserve.
        sampling: How frames are drawn.
        perceptual_weight: Weight of LPIPS on VGG16 of a part of the clean picture that each prediction
            stands for, decoded, to the true one. Squares alone teach to fade what is uncertain.
        latent_cache: Folder that keeps, from epoch to epoch, what frozen parts of the backbone make of
            training frames; None computes it anew each time. Of no use to frames that do not come back:
            synthetic cels, and drawings that augmentation changes.
        **options: See `PerceptualMethod`.

    Raises:
        UserError: Options that contradict each other.
    """

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
        structure: bool = False,
        structure_dropout: float = 0.1,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
        perceptual_weight: float = 0.0,
        latent_cache: Path | None = None,
        **options: Any,  # noqa: ANN401 - the base's, which jsonargparse and mypy find there
    ) -> None:
        super().__init__(perceptual_weight=perceptual_weight, **options)
        self.save_hyperparameters(
            ignore=[
                *RUN_HYPERPARAMETERS,
                *PERCEPTUAL_HYPERPARAMETERS,
                "min_snr_gamma",
                "timestep_logit_mean",
                "train_from",
                "keyframe_dropout",
                "latent_cache",
            ]
        )
        for name, share in {
            "condition_dropout": condition_dropout,
            "keyframe_dropout": keyframe_dropout,
            "structure_dropout": structure_dropout,
        }.items():
            if not 0 <= share <= 1:
                raise UserError(f"{name} is {share}: give a share between 0 and 1.")
        if sampling.guidance_scale != 1 and condition_dropout == 0 and trained != "none":
            raise UserError(
                f"guidance_scale is {sampling.guidance_scale} and condition_dropout 0: guidance needs a"
                " denoiser that was trained without condition as well, so train with condition_dropout"
                " 0.1, or set guidance_scale to 1."
            )
        if not train_from:
            raise UserError("train_from is empty: give truth, slerp or flow, or several of them.")
        if backbone.corrects and ("truth" in train_from or sampling.start == "noise"):
            raise UserError(
                "The backbone's denoiser corrects a start, and here it would have none: give train_from"
                " slerp, flow or both, and sampling.start slerp or flow."
            )
        sampling.make_scheduler(backbone.scheduler)  # a wrong name is found now, and not after training
        self.backbone = backbone
        backbone.train_part(trained, lora_rank)
        new = keyframe_latents and not backbone.corrects
        extra = 2 * backbone.latent_channels * new + structure
        if extra:
            backbone.widen_input(extra)
        self.condition_dropout, self.min_snr_gamma = condition_dropout, min_snr_gamma
        self.timestep_logit_mean = timestep_logit_mean
        self.train_from = tuple(train_from)
        self.keyframe_latents, self.keyframe_dropout = keyframe_latents, keyframe_dropout
        self.structure, self.structure_dropout = structure, structure_dropout
        self.sampling = sampling
        self._blend = load_blend(sampling.flow)
        self.latent_cache = latent_cache
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

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """What the condition is made of, (B, L, D) for keyframes (B, 3, H, W) in [0, 1]."""

    @abstractmethod
    def condition(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """Tokens (R, L', D) for R in-betweens at t (R,), from their keyframes' embeddings (R, L, D)."""

    def denoise(self, sample: Tensor, timestep: Tensor, tokens: Tensor, t: Tensor) -> Tensor:
        """The backbone's output (R, C, h, w); for methods whose attention knows t (R,) to override."""
        return self.backbone.denoise(sample, timestep, tokens)

    def latents_of(self, batch: WindowBatch, positions: Tensor) -> Tensor:
        """Latents (B, K, C, h, w) of drawings of training windows, from the cache where they are in it.

        Args:
            batch: The windows.
            positions: (B, K) int64: 0 is first, 1 to N are the targets, N + 1 is last.
        """

        def encode(frames: Tensor) -> Tensor:
            return self.backbone.encode(pad_to_multiple(frames, self.backbone.multiple))

        latents = self._kept("vae", "latents", batch, positions, encode)
        return latents.view(*positions.shape, *latents.shape[1:])

    def embeddings_of(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        """`embed` of the keyframes of training windows, each (B, L, D), from the cache likewise."""
        windows, count = batch["t"].shape
        ends = torch.tensor([0, count + 1], device=batch["t"].device).expand(windows, 2)
        embedding = self._kept("image_encoder", type(self).embed.__qualname__, batch, ends, self.embed)
        first, last = embedding.view(windows, 2, *embedding.shape[1:]).unbind(1)
        return first, last

    def training_tokens(self, batch: WindowBatch, t: Tensor, streams: list[torch.Generator]) -> Tensor:
        """What training tells the denoiser (B, L, D) of the in-betweens at t (B,)."""
        return self.condition(*self.embeddings_of(batch), t)

    def _kept(
        self,
        part: str,
        purpose: str,
        batch: WindowBatch,
        positions: Tensor,
        compute: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """What `compute` makes, with a part of the backbone, of frames at `positions` (B, K): (B K, ...)."""
        frames = torch.cat([batch["first"][:, None], batch["targets"], batch["last"][:, None]], dim=1)
        rows = torch.arange(len(positions), device=positions.device)[:, None]
        chosen = frames[rows, positions].flatten(0, 1)
        network = getattr(self.backbone, part, None)
        if self.latent_cache is None or "frame_ids" not in batch or network is None:
            return compute(chosen)
        cache = self._caches.setdefault(part, LatentCache(self.latent_cache, network, purpose))
        if not cache.usable:
            return compute(chosen)
        return cache.get(batch["frame_ids"][rows, positions].flatten(), lambda of: compute(chosen[of]))

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """Squared error of the prediction for one in-between per window, one timestep each."""
        streams = generators(batch["seed"])
        windows, count = batch["t"].shape
        chosen = drawn_each(streams, lambda stream: torch.randint(count, (), generator=stream))
        chosen = chosen.to(self.device)
        steps = self.backbone.num_train_timesteps
        timestep = timesteps_of(streams, steps, self.timestep_logit_mean).to(self.device)
        t = batch["t"].gather(1, chosen[:, None])[:, 0]

        positions = (chosen + 1)[:, None]
        if self.keyframe_latents or "slerp" in self.train_from or self.backbone.corrects:
            ends = torch.tensor([0, count + 1], device=self.device).expand(windows, 2)
            positions = torch.cat([positions, ends], dim=1)
        x_0, *keyframes = self.latents_of(batch, positions).unbind(1)
        noise = noise_like(x_0, streams)
        start = x_0
        if self.train_from != ("truth",):
            start, on_path = x_0.clone(), torch.zeros_like(chosen, dtype=torch.bool)
            kinds = drawn_each(
                streams, lambda stream: torch.randint(len(self.train_from), (), generator=stream)
            )
            for kind, name in enumerate(self.train_from):
                rows = (kinds == kind).nonzero()[:, 0].to(self.device)
                if name != "truth" and len(rows):
                    start[rows] = (
                        self.backbone.encode(self._warped(batch, t, rows))
                        if name == "flow"
                        else slerp(keyframes[0][rows], keyframes[1][rows], t[rows])
                    )
                    on_path[rows] = True
            begin, come = path_timesteps(streams, self.sampling.strength * steps)
            timestep = torch.where(on_path, come.to(self.device), timestep)
            noise = noise + self.backbone.start_noise(start - x_0, begin.to(self.device))
        x_t = self.backbone.scheduler.add_noise(x_0, noise, timestep)
        tokens = self.training_tokens(batch, t, streams)
        unseen = self._dropped(streams, self.condition_dropout)[:, None, None]
        tokens = torch.where(unseen, self.backbone.null_condition.to(tokens), tokens)

        open_to = unsettled(*keyframes, start)
        if self.keyframe_latents and self.keyframe_dropout:
            seen = ~self._dropped(streams, self.keyframe_dropout)[:, None, None, None]
            keyframes = [latents * seen for latents in keyframes]
        inputs = [x_t, *self._shown(keyframes, start)]
        if self.structure:
            lines = self._lines(self._warped(batch, t, torch.arange(windows, device=self.device)))
            inputs.append(lines * ~self._dropped(streams, self.structure_dropout)[:, None, None, None])
        output = self.denoise(torch.cat(inputs, dim=1), timestep, tokens, t)
        prediction = self.backbone.prediction_of(output, start, open_to, x_t, timestep)
        target = self.backbone.training_target(x_0, noise, timestep)
        error = (prediction - target).square().flatten(1).mean(1)
        if self.min_snr_gamma is not None:
            error = error * self.backbone.min_snr_weight(timestep, self.min_snr_gamma)
        if perceptual := self.perceptual:
            clean = self.backbone.clean_of(prediction, x_t, timestep)
            true = batch["targets"][torch.arange(windows, device=self.device), chosen]
            distance = perceptual(*decoded_crops(self.backbone, clean, true, streams))
            return {
                "loss": error.mean() + self.perceptual_weight * distance,
                "logs": {"perceptual": distance},
            }
        return {"loss": error.mean()}

    @torch.no_grad()
    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`."""
        count, (height, width) = t.shape[1], first.shape[-2:]
        streams = frame_streams(generator, len(t), count)
        keyframes = pad_to_multiple(torch.cat([first, last]), self.backbone.multiple)
        z_first, z_last = self.backbone.encode(keyframes).chunk(2)
        e_first, e_last = self.embed(torch.cat([first, last])).chunk(2)
        from_flow = self.sampling.start == "flow"
        pair, detail = [first, last], None
        if self.sampling.keep_detail:
            ends = torch.split(torch.cat([z_first, z_last]), self.sampling.max_frames or 2 * len(t))
            kept = torch.cat([self.backbone.decode(latents) for latents in ends])
            lost = (keyframes - kept)[..., :height, :width].chunk(2)
            pair = [torch.cat(both, dim=1) for both in zip(pair, lost, strict=True)]
            share = t.float()[:, :, None, None, None]
            detail = (1 - share) * lost[0][:, None] + share * lost[1][:, None]
        if from_flow or self.structure:
            moved = self._blend(pair[0], pair[1], t)
            warped = pad_to_multiple(moved[:, :, :3].clamp(0, 1), self.backbone.multiple).flatten(0, 1)
            if from_flow and self.sampling.keep_detail:
                detail = moved[:, :, 3:]

        frames = []
        every = torch.arange(t.numel(), device=t.device)
        for rows in torch.tensor_split(every, -(-len(every) // (self.sampling.max_frames or len(every)))):
            window, at = rows // count, t.flatten()[rows]
            if from_flow:
                start = self.backbone.encode(warped[rows])
            else:
                start = slerp(z_first[window], z_last[window], at)
            z_ends = [z_first[window], z_last[window]]
            further, open_to = self._shown(z_ends, start), unsettled(*z_ends, start)
            if self.structure:
                further.append(self._lines(warped[rows]))
            tokens = self.condition(e_first[window], e_last[window], at)
            own = [streams[row] for row in rows.tolist()]
            latents = self._drawn_latents(start, open_to, further, tokens, at, own)
            frames.append(self.backbone.decode(latents)[..., :height, :width])
        drawn = torch.cat(frames).view(*t.shape, 3, height, width)
        return drawn if detail is None else (drawn + detail).clamp(0, 1)

    def _drawn_latents(
        self,
        start: Tensor,
        open_to: Tensor,
        further: list[Tensor],
        tokens: Tensor,
        t: Tensor,
        streams: list[torch.Generator],
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
            return self.backbone.prediction_of(output, start, open_to, sample, timestep)

        scheduler = self.sampling.make_scheduler(self.backbone.scheduler)
        return denoise_from(scheduler, denoise, start, streams, self.sampling)

    def _shown(self, keyframes: list[Tensor], start: Tensor) -> list[Tensor]:
        """Latents that the denoiser sees beside the noised one, each like `start` (R, C, h, w)."""
        shown = keyframes if self.keyframe_latents else []
        if self.backbone.corrects:
            return [*(shown or [torch.zeros_like(start)] * 2), start]
        return shown

    def _warped(self, batch: WindowBatch, t: Tensor, rows: Tensor) -> Tensor:
        """Some windows' keyframes, warped to t (B,) and blended, padded: (R, 3, H', W') in [0, 1]."""
        blend = self._blend(batch["first"][rows], batch["last"][rows], t[rows, None])
        return pad_to_multiple(blend[:, 0].clamp(0, 1), self.backbone.multiple)

    def _lines(self, frames: Tensor) -> Tensor:
        """Where the lines of frames (R, 3, H', W') run, (R, 1, h, w)."""
        return line_density(frames, self.backbone.multiple)

    def _dropped(self, streams: list[torch.Generator], share: float) -> Tensor:
        """Which samples (B,) bool go without a part of their condition, each by its own stream."""
        drawn = drawn_each(streams, lambda stream: torch.rand((), generator=stream))
        return (drawn < share).to(self.device)
