"""A plain float32 loop of keyframe diffusion, and the benchmark's lines of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.commands.benchmark.experiments import Experiment
from inbetween.commands.benchmark.measuring import Line
from inbetween.commands.benchmark.subject import MethodSubject, Phase, Subject, Task
from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.slerp import slerp
from inbetween.methods.diffusion import Backbone, Denoising, DiffusionMethod
from inbetween.methods.diffusion.latent_diffusion import LatentDiffusion, mode_of
from inbetween.types import WindowBatch


class BaselineLoop:
    """Keyframe diffusion as a plain float32 loop, without any optimisation of its speed.

    Training encodes both keyframes and the target at every step, takes one position for the whole batch,
    computes the gradients of the whole denoiser and optimises its cross-attention. Sampling denoises one
    frame after the other. Layers are the libraries' own, in their default memory layout.

    Args:
        backbone: Fresh from its weights, all float32; it is taken over.
    """

    def __init__(self, backbone: LatentDiffusion) -> None:
        for module in backbone.modules():
            if isinstance(module, nn.GroupNorm):
                module.__class__ = nn.GroupNorm
        self.backbone = backbone.float().to(memory_format=torch.contiguous_format)
        self.vae, self.unet, self.scheduler = backbone.vae, backbone.unet, backbone.scheduler
        self.unet.requires_grad_(True)
        attn2 = [parameter for name, parameter in self.unet.named_parameters() if ".attn2." in name]
        self.optimizer = torch.optim.AdamW(attn2, lr=1e-4)

    def train(self, batch: WindowBatch) -> None:
        """One training step."""
        place = int(torch.randint(batch["t"].shape[1], ()))
        self.encode(batch["first"])
        self.encode(batch["last"])
        latents = self.encode(batch["targets"][:, place])
        noise = torch.randn_like(latents)
        timestep = torch.randint(self.backbone.num_train_timesteps, (len(latents),), device=latents.device)
        noised = self.scheduler.add_noise(latents, noise, timestep)
        tokens = self.tokens(batch["first"], batch["last"])
        prediction = self.unet(noised, timestep, encoder_hidden_states=tokens).sample
        loss = F.mse_loss(prediction, noise)
        self.unet.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    @torch.no_grad()
    def interpolate(self, batch: WindowBatch, steps: int) -> Tensor:
        """Frames (B, N, 3, H, W) of the windows, one after the other, each in so many denoiser steps."""
        windows = zip(batch["first"][:, None], batch["last"][:, None], batch["t"], strict=True)
        return torch.stack([self._interpolate_window(*window, steps) for window in windows])

    def _interpolate_window(self, first: Tensor, last: Tensor, t: Tensor, steps: int) -> Tensor:
        z_first, z_last, tokens = self.encode(first), self.encode(last), self.tokens(first, last)
        height, width = first.shape[-2:]
        self.scheduler.set_timesteps(max(steps, 1), device=first.device)
        frames = []
        for position in t:
            sample = slerp(z_first, z_last, position[None])
            sample = sample + torch.randn_like(sample)
            for timestep in self.scheduler.timesteps[:steps]:
                prediction = self.unet(sample, timestep, encoder_hidden_states=tokens).sample
                sample = self.scheduler.step(prediction, timestep, sample).prev_sample
            image = self.vae.decode(sample / float(self.vae.config.scaling_factor)).sample
            frames.append((image[0] / 2 + 0.5).clamp(0, 1)[:, :height, :width])
        return torch.stack(frames)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Normalised latents (B, C, h, w) of images (B, 3, H, W) in [0, 1]."""
        images = pad_to_multiple(images, self.backbone.multiple)
        latents = mode_of(self.vae.encode(images * 2 - 1))
        return latents * float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def tokens(self, first: Tensor, last: Tensor) -> Tensor:
        """A token for each keyframe (B, 2, D), or the fixed condition of a backbone without image encoder."""
        if isinstance(self.backbone, Backbone):
            return torch.stack([self.backbone.embed(first), self.backbone.embed(last)], dim=1)
        return self.backbone.fixed_condition.expand(len(first), -1, -1)


class BaselineSubject:
    """The loop as the benchmark times it.

    Args:
        loop: Makes the loop, or gives one that is made, when it is needed first.
        steps: Denoiser steps of a frame.
    """

    phases = (Phase(),)
    left_out = 0.0

    def __init__(self, loop: Callable[[], BaselineLoop], steps: int) -> None:
        self.loop, self.steps = loop, steps

    def prepared(self, batch: WindowBatch) -> tuple[WindowBatch, float]:
        """The batch: data workers compute nothing of it."""
        return batch, 0.0

    def train(self, batch: WindowBatch, progress: float) -> None:
        """A training step, which is the same all along."""
        self.loop().train(batch)

    def interpolate(self, batch: WindowBatch) -> None:
        """All in-betweens."""
        self.loop().interpolate(batch, self.steps)


@dataclass(frozen=True)
class BaselineExperiment:
    """The loop on an experiment's backbone.

    Args:
        backbone: `class_path` and `init_args`.
        steps: Denoiser steps of a frame.
    """

    backbone: dict[str, Any]
    steps: int

    def subject(self, fabric: L.Fabric) -> BaselineSubject:
        """See `Buildable`."""
        loop = self.loop(fabric)
        return BaselineSubject(lambda: loop, self.steps)

    def loop(self, fabric: L.Fabric) -> BaselineLoop:
        """The loop, on the run's device."""
        keys = {
            **self.backbone,
            "init_args": {**self.backbone.get("init_args", {}), "frozen_dtype": "float32"},
        }
        parser = ArgumentParser(exit_on_error=False)
        parser.add_subclass_arguments(LatentDiffusion, "backbone", required=True)
        backbone: LatentDiffusion = parser.instantiate(parser.parse_object({"backbone": keys})).backbone
        return BaselineLoop(backbone.to(fabric.device))


class Baselines:
    """The lines that diffusion methods are compared with: one for each backbone, task and number of steps.

    Lines on the same backbone share its weights, which are built when they are needed first.

    Args:
        fabric: Knows the device.
    """

    def __init__(self, fabric: L.Fabric) -> None:
        self.fabric = fabric
        self.loops: dict[str, BaselineLoop] = {}
        self.lines: dict[str, Line] = {}

    def __call__(self, experiment: Experiment, subject: Subject, task: Task) -> Line | None:
        """The baseline's line for an experiment's task; None where there is nothing to compare.

        The baseline predicts noise: it cannot take a denoiser that refines an initial image.
        """
        method = subject.method if isinstance(subject, MethodSubject) else None
        if not isinstance(method, DiffusionMethod) or not isinstance(method.objective, Denoising):
            return None
        backbone = experiment.keys["model"]["init_args"]["backbone"]
        steps = method.sampling.steps if task.kind == "interpolate" else 0
        key = json.dumps([backbone, str(task), steps])
        if key not in self.lines:
            baseline = BaselineExperiment(backbone, steps)
            built = BaselineSubject(lambda: self._shared(baseline), steps)
            name = f"baseline loop ({experiment.name})"
            self.lines[key] = Line(name, task, baseline, built, mixed=False)
        return self.lines[key]

    def _shared(self, baseline: BaselineExperiment) -> BaselineLoop:
        key = json.dumps(baseline.backbone)
        if key not in self.loops:
            self.loops[key] = baseline.loop(self.fabric)
        return self.loops[key]
