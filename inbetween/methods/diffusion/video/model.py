"""What every video model offers to the method: conditions, the training objective's parts, sampling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn

from inbetween.errors import UserError, check_at_least
from inbetween.functional.seeds import sample_seed

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

Tensors = dict[str, Tensor]
EDGE = 1e-6  # uniform numbers closer to 0 and 1 have no finite quantile


@dataclass(frozen=True)
class VideoSampling:
    """How clips are sampled.

    Args:
        steps: Denoising steps.
        guidance_scale: Of classifier-free guidance; 1 is without, and takes half of the time.
        num_frames: Frames of a sampled clip, keyframes included; None is the smallest number that the model
            takes and that has a frame at every t.
        time_reversal: Sample both directions together, for models that know no last frame (arXiv
            2403.14611).
        reinjections: With time reversal, how often each of the first steps is repeated with fresh noise, so
            that both directions agree. Each takes the time of a step.
    """

    steps: int = 30
    guidance_scale: float = 1.0
    num_frames: int | None = None
    time_reversal: bool = False
    reinjections: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(1, steps=self.steps, guidance_scale=self.guidance_scale)
        check_at_least(3, num_frames=self.num_frames)
        check_at_least(0, reinjections=self.reinjections)


@dataclass(frozen=True)
class ClipRequest:
    """A clip to be sampled.

    Args:
        first: (3, H, W) in [0, 1]; H and W multiples of the model's `multiple`.
        last: (3, H, W) in [0, 1].
        num_frames: T, keyframes included.
        prompt: As `VideoModel.encode_prompts` returns it.
        negative_prompt: The same; used where guidance is.
    """

    first: Tensor
    last: Tensor
    num_frames: int
    prompt: Tensors
    negative_prompt: Tensors


class VideoModel(nn.Module, ABC):
    """A diffusers video pipeline taken apart, so that its denoiser can be trained.

    Its modules are those of the pipeline, frozen; the pipeline without its text encoder is kept beside them,
    and samples with the same modules, so what is trained here is what it samples with. Clips are batches of
    frames (B, T, 3, H, W) in [0, 1], the keyframes first and last; H and W multiples of `multiple`, T
    of the form k * `frame_step` + 1. Subclasses do not download or read files: see `loading`.

    Args:
        pipeline: A pipeline whose text encoder and tokenizer are None.
    """

    #: Names of the diffusers pipelines (`_class_name` in `model_index.json`) that it is made of.
    pipelines: ClassVar[tuple[str, ...]] = ()
    #: Whether the model takes a last frame. Others only sample with time reversal.
    takes_last: ClassVar[bool] = True
    #: Whether it is trained. Those that are not raise a `UserError` where training would begin.
    trains: ClassVar[bool] = True
    #: Whether the model takes texts.
    takes_text: ClassVar[bool] = True
    #: Full names (regular expression) of the denoiser's layers that get low-rank adapters.
    lora_layers: ClassVar[str] = ""
    #: Parts of the pipeline that stay float32, whatever the denoiser is stored in.
    float32_parts: ClassVar[tuple[str, ...]] = ("vae", "image_encoder")
    #: The most frames of a clip that the published models were trained on.
    max_frames: ClassVar[int] = 81
    #: Which denoiser `sigmas` and `denoise` are about, one of `stages`; set by the method before them.
    stage: str = "transformer"

    @classmethod
    def is_made_of(cls, index: Mapping[str, Any]) -> bool:
        """Whether a pipeline with such a `model_index.json` is of this kind."""
        return index["_class_name"] in cls.pipelines

    def __init__(self, pipeline: DiffusionPipeline) -> None:
        super().__init__()
        # in a list, so that it is no submodule
        self._pipeline = [pipeline]

    def train(self, mode: bool = True) -> VideoModel:
        """Stay in evaluation mode: frozen networks have neither dropout nor running statistics."""
        return super().train(False)

    @property
    def pipeline(self) -> DiffusionPipeline:
        """The pipeline, whose modules are this one's."""
        return self._pipeline[0]

    @property
    @abstractmethod
    def denoisers(self) -> dict[str, nn.Module]:
        """The denoisers by the name that the pipeline has for them, such as `transformer`."""

    @property
    def stages(self) -> dict[str, float]:
        """The denoisers that are trained, and the share of the noise levels that each is for: they add to 1.

        A training step is about one of them, the same in all processes.
        """
        return {next(iter(self.denoisers)): 1.0}

    def stage_at(self, step: int) -> str:
        """The one of `stages` that a training step is about, by chance and the same each time."""
        names, ends = list(self.stages), list(accumulate(self.stages.values()))
        return names[min(bisect_right(ends, sample_seed(step) / 2**63), len(names) - 1)]

    @property
    @abstractmethod
    def frame_step(self) -> int:
        """Frames of a latent frame: a clip has k of it and 1 frames."""

    @property
    @abstractmethod
    def multiple(self) -> int:
        """Height and width of a clip are multiples of it, in pixels."""

    @abstractmethod
    def latent_shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape (C, f, h, w) of the latents of a clip of such frames."""

    @abstractmethod
    def encode_prompts(self, pipeline: DiffusionPipeline, prompts: list[str]) -> list[Tensors]:
        """Embeddings of prompts.

        Args:
            pipeline: The pipeline with its text encoder and tokenizer, and perhaps nothing else.
            prompts: Any texts; the empty one is the null prompt.

        Returns:
            For each what `denoise` and `sample` take, without a batch dimension, on the CPU.
        """

    @abstractmethod
    def encode_clips(self, clips: Tensor) -> Tensors:
        """What the denoiser is trained on, of clips (B, T, 3, H, W); a function of the frames alone.

        Returns:
            `latents` (B, C, f, h, w), normalised as the denoiser takes them, and what it takes as
            conditions: the same as the pipeline prepares for the clips' first and last frames.
        """

    @abstractmethod
    def sigmas(self, uniform: Tensor, latents: Tensor) -> Tensor:
        """Noise levels that the model is trained at.

        Args:
            uniform: Uniform numbers (B,) in (0, 1).
            latents: (B, C, f, h, w); some models are trained at more noise where clips are large.

        Returns:
            (B,) in (0, 1).
        """

    @abstractmethod
    def denoise(self, noised: Tensor, sigma: Tensor, clips: Mapping[str, Tensor], prompts: Tensors) -> Tensor:
        """The predicted velocity, noise minus clean latents.

        Args:
            noised: (B, C, f, h, w), (1 - sigma) of the latents and sigma of the noise.
            sigma: (B,) in (0, 1).
            clips: As `encode_clips` returns them.
            prompts: As `encode_prompts` returns them, stacked.

        Returns:
            (B, C, f, h, w).
        """

    def predicted(self, clips: Mapping[str, Tensor]) -> Tensor:
        """Where the denoiser's prediction counts: 1 there, 0 where it is given the clean latents.

        Returns:
            Of a shape that broadcasts to the latents (B, C, f, h, w).
        """
        return torch.ones((), device=clips["latents"].device)

    @abstractmethod
    def sample(self, clip: ClipRequest, sampling: VideoSampling, generator: torch.Generator | None) -> Tensor:
        """Sample a clip with the pipeline itself.

        Args:
            clip: What is asked for.
            sampling: Steps and guidance.
            generator: Of the noise, on the CPU or the model's device.

        Returns:
            (T, 3, H, W) float32 in [0, 1].
        """


def normal_quantile(uniform: Tensor) -> Tensor:
    """Standard normal numbers, finite, of uniform ones in [0, 1]."""
    quantile: Tensor = torch.special.ndtri(uniform.clamp(EDGE, 1 - EDGE))
    return quantile


class SampledVideoModel(VideoModel):
    """A video model that knows no last frame: it is sampled with time reversal, and not trained."""

    takes_last: ClassVar[bool] = False
    trains: ClassVar[bool] = False

    def _refuse(self) -> NoReturn:
        raise UserError(
            f"{type(self.pipeline).__name__} knows no last frame, and is only sampled here: fit a model that"
            " takes one."
        )

    def encode_clips(self, clips: Tensor) -> Tensors:
        """Not for training: raises a `UserError`."""
        self._refuse()

    def sigmas(self, uniform: Tensor, latents: Tensor) -> Tensor:
        """Not for training: raises a `UserError`."""
        self._refuse()

    def denoise(self, noised: Tensor, sigma: Tensor, clips: Mapping[str, Tensor], prompts: Tensors) -> Tensor:
        """Not for training: raises a `UserError`."""
        self._refuse()


def check_use(model: VideoModel, sampling: VideoSampling, trained: bool) -> None:
    """Check that a model can be used so.

    Args:
        model: The model.
        sampling: How it is to be sampled.
        trained: Whether it is to be trained.

    Raises:
        UserError: Time reversal of a model that takes a last frame, or a model that takes none without it;
            or training of one that is only sampled.
    """
    name = type(model.pipeline).__name__
    if sampling.time_reversal and model.takes_last:
        raise UserError(
            f"sampling.time_reversal is for models that know no last frame, and {name} takes one:"
            " leave it out."
        )
    if not sampling.time_reversal and not model.takes_last:
        raise UserError(
            f"{name} knows no last frame: set sampling.time_reversal to true, or take a model that does."
        )
    if trained and not model.trains:
        raise UserError(f"{name} is only sampled here: set trained to none, or take another model.")
