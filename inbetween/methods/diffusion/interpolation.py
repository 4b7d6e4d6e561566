"""Image-to-image sampling of in-betweens by a diffusion method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.slerp import slerp
from inbetween.methods.diffusion.sampling import denoise_from

if TYPE_CHECKING:
    from inbetween.methods.diffusion.base import DiffusionMethod


class DiffusionInterpolator:
    """In-betweens of B pairs of keyframes, whose latents, embeddings and flow are computed once.

    Args:
        method: Encodes, conditions and denoises; its `sampling` says how.
        first: (B, 3, H, W) in [0, 1].
        last: (B, 3, H, W) in [0, 1].
    """

    @torch.no_grad()
    def __init__(self, method: DiffusionMethod, first: Tensor, last: Tensor) -> None:
        self.method, self.size = method, first.shape[-2:]
        backbone, sampling = method.backbone, method.sampling
        keyframes = pad_to_multiple(torch.cat([first, last]), backbone.multiple)
        self.latents = backbone.encode(keyframes).chunk(2)
        self.embeddings = method.embed(torch.cat([first, last])).chunk(2)
        self.residuals: tuple[Tensor, ...] = ()  # the autoencoder's reconstruction errors of the keyframes
        pair = [first, last]
        if sampling.autoencoder_residual:
            parts = torch.split(torch.cat(self.latents), sampling.max_frames or 2 * len(first))
            decoded = torch.cat([backbone.decode(latents) for latents in parts])
            self.residuals = (keyframes - decoded)[..., : self.size[0], : self.size[1]].chunk(2)
            # further channels, so that the residuals are warped and blended as the keyframes are
            pair = [torch.cat(both, dim=1) for both in zip(pair, self.residuals, strict=True)]
        warps = sampling.init == "flow" or method.line_condition
        self.blend = method.blend(pair[0], pair[1]) if warps else None

    @torch.no_grad()
    def __call__(self, t: Tensor, generators: list[torch.Generator]) -> Tensor:
        """Frames (B, N, 3, H, W) at t (B, N), the noise of each from one of B N generators."""
        method, sampling, count = self.method, self.method.sampling, t.shape[1]
        warped, residual = self._warped(t)
        frames = []
        indices = torch.arange(t.numel(), device=t.device)
        for rows in torch.tensor_split(indices, -(-len(indices) // (sampling.max_frames or len(indices)))):
            window, at = rows // count, t.flatten()[rows]
            keyframes = [latents[window] for latents in self.latents]
            if sampling.init == "flow":
                init_latents = method.backbone.encode(warped[rows])
            else:
                init_latents = slerp(keyframes[0], keyframes[1], at)
            extra = method.extra_inputs(keyframes, init_latents)
            if method.line_condition:
                extra.append(method.line_density(warped[rows]))
            first, last = (embeddings[window] for embeddings in self.embeddings)
            tokens = method.condition(first, last, at)
            latents = self._sample(
                init_latents, keyframes, extra, tokens, at, [generators[row] for row in rows.tolist()]
            )
            frames.append(method.backbone.decode(latents)[..., : self.size[0], : self.size[1]])
        decoded = torch.cat(frames).view(*t.shape, 3, *self.size)
        return decoded if residual is None else (decoded + residual).clamp(0, 1)

    def _warped(self, t: Tensor) -> tuple[Tensor, Tensor | None]:
        """Both keyframes, and their residuals, warped to t (B, N) and blended.

        Returns:
            Padded frames (B N, 3, H', W'), empty if they are not needed; and the residual (B, N, 3, H, W) to
            be added to decoded frames, or None. Without `init: flow` the latter is blended but not warped.
        """
        warped: Tensor = t.new_zeros(0)
        residual: Tensor | None = None
        if self.residuals:
            weight = t.float()[:, :, None, None, None]
            first, last = (each[:, None] for each in self.residuals)
            residual = (1 - weight) * first + weight * last
        if self.blend is not None:
            blended = self.blend(t)
            multiple = self.method.backbone.multiple
            warped = pad_to_multiple(blended[:, :, :3].clamp(0, 1), multiple).flatten(0, 1)
            if self.residuals and self.method.sampling.init == "flow":
                residual = blended[:, :, 3:]
        return warped, residual

    def _sample(
        self,
        init_latents: Tensor,
        keyframes: list[Tensor],
        extra: list[Tensor],
        tokens: Tensor,
        t: Tensor,
        generators: list[torch.Generator],
    ) -> Tensor:
        """Noise and denoise `init_latents` (R, C, h, w), with classifier-free guidance."""
        method, sampling = self.method, self.method.sampling
        scale = sampling.guidance_scale
        null = method.backbone.null_condition.to(tokens).expand_as(tokens)
        predict = method.objective.predictor(method.backbone, init_latents, keyframes)

        def denoise(sample: Tensor, timestep: Tensor) -> Tensor:
            x = torch.cat([sample, *extra], dim=1)
            if scale == 1:
                output = method.denoise(x, timestep, tokens, t)
            else:
                both = torch.cat([x] * 2), timestep, torch.cat([null, tokens]), torch.cat([t] * 2)
                unconditional, conditional = method.denoise(*both).chunk(2)
                output = unconditional + scale * (conditional - unconditional)
            return predict(output, sample, timestep)

        scheduler = sampling.make_scheduler(method.backbone.scheduler)
        return denoise_from(scheduler, denoise, init_latents, generators, sampling)
