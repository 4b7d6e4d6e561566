"""First-last-frame video diffusion: a pretrained video model between two keyframes, and LoRA for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor
from torch.optim import Optimizer

from inbetween.errors import UserError, check_at_least
from inbetween.functional.seeds import generators
from inbetween.methods.base import Generators, Method, TrainableMethod
from inbetween.methods.diffusion.latent_diffusion import FrozenDtype
from inbetween.methods.diffusion.video import memory
from inbetween.methods.diffusion.video.clip_cache import ClipCache
from inbetween.methods.diffusion.video.filling import FitData
from inbetween.methods.diffusion.video.interpolation import ClipInterpolator
from inbetween.methods.diffusion.video.loading import VideoSource
from inbetween.methods.diffusion.video.lora import adapters, add_adapters, file_of, load_lora, lora_weights
from inbetween.methods.diffusion.video.model import Tensors, VideoSampling, check_use
from inbetween.methods.diffusion.video.prompts import PromptEmbeddings, check_texts
from inbetween.methods.diffusion.video.timing import check_num_frames, check_window, clip_length
from inbetween.methods.diffusion.video.training_clip import PrepareClip, TrainingClip
from inbetween.modules.fsdp import equal_rows, own_part, shard
from inbetween.paths import cache_folder
from inbetween.types import StepOutput, WindowBatch


class FirstLastVideo(TrainableMethod):
    """In-betweens from a pretrained video model that takes a first and a last frame.

    `interpolate` samples a clip with the model's own diffusers pipeline and takes its frames at t. `fit`
    trains low-rank adapters (LoRA, arXiv 2106.09685) of the denoiser on whole windows by the model's own
    objective, flow matching (arXiv 2210.02747): at x_s = (1 - s) x_0 + s noise it predicts noise - x_0. Its
    conditions are those that the pipeline prepares for a window's first and last frame.

    Args:
        pretrained: Folder that `save_pretrained` of a diffusers pipeline wrote, or hub id such as
            `Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers`. Its `model_index.json` says which kind of model it is.
        prompt: What clips show, in words. A window's own caption takes its place in training and validation.
        negative_prompt: What they do not show; used where `sampling.guidance_scale` is above 1.
        revision: Branch, tag or commit of a hub id; None is the newest of its main branch.
        variant: Suffix of the weight files.
        trained: Which weights are trained: `lora`, adapters of the attention's projections; or `none`.
        lora_rank: Rank of the adapters. Their scale is 1 (alpha equals the rank).
        lora: File or folder in diffusers' format, such as a run's `lora`, that the adapters begin as; None is
            adapters that do nothing. A checkpoint takes their place.
        sampling: How clips are sampled.
        gradient_checkpointing: Recompute activations instead of storing them: less memory, more time.
        frozen_dtype: How weights of the denoiser, the text encoder and LTX-Video's autoencoder are stored;
            other autoencoders and image encoders stay float32, as does all where bfloat16 is slow.
        latent_cache: Folder that keeps encoded clips, filled before the first step; true is `latents` in the
            user's cache; None encodes them each time. Of no use where frames do not recur.
        prompt_cache: Folder that keeps the embeddings of prompts; None is `prompts` in the user's cache.
        **options: See `TrainableMethod`.

    Raises:
        UserError: The model cannot be loaded or does not interpolate, or a prompt is no text.
    """

    architecture: ClassVar[tuple[str, ...]] = ("trained", "lora_rank")
    samples_clips: ClassVar[bool] = True
    begins_trained = True

    def __init__(
        self,
        pretrained: str,
        prompt: str = "",
        negative_prompt: str = "",
        revision: str | None = None,
        variant: str | None = None,
        trained: Literal["lora", "none"] = "lora",
        lora_rank: int = 16,
        lora: Path | None = None,
        sampling: VideoSampling = VideoSampling(),  # noqa: B008  frozen
        gradient_checkpointing: bool = True,
        frozen_dtype: FrozenDtype = "bfloat16",
        latent_cache: bool | Path | None = None,
        prompt_cache: Path | None = None,
        **options: Any,  # noqa: ANN401 - the base's, which jsonargparse and mypy find there
    ) -> None:
        super().__init__(**options)
        check_at_least(1, lora_rank=lora_rank)
        check_texts(prompt=prompt, negative_prompt=negative_prompt)
        self.prompt, self.negative_prompt, self.sampling = prompt, negative_prompt, sampling
        source = VideoSource(pretrained, revision, variant, frozen_dtype)
        self.pretrained = pretrained
        self.video_model = source.model()
        check_use(self.video_model, sampling, trained != "none")
        check_num_frames(sampling.num_frames, self.video_model.frame_step, self.video_model.max_frames)
        for denoiser in self.video_model.denoisers.values():
            if gradient_checkpointing:
                denoiser.enable_gradient_checkpointing()  # type: ignore[operator]  # diffusers' own
            if trained == "lora":
                add_adapters(denoiser, self.video_model.lora_layers, lora_rank)
        if lora is not None:
            if trained != "lora":
                raise UserError(f"lora is {lora} and trained {trained}: set trained to lora.")
            load_lora(self.video_model.pipeline, self.video_model.denoisers, Path(lora))
        self.embeddings = PromptEmbeddings(source, cache_folder(prompt_cache, "prompts"))
        folder = None if isinstance(latent_cache, bool) else latent_cache
        self.clips = ClipCache(self.video_model, cache_folder(folder, "latents") if latent_cache else None)
        self._run_device: torch.device | None = None

    def prepare_fit(self) -> None:
        """Embed the prompts, before a run writes anything and before its memory is used.

        Raises:
            UserError: The text encoder cannot be loaded.
        """
        self.embeddings.get([self.prompt, *self._negative], self.video_model, self._run_device)

    def check_windows(self, between: int) -> None:
        """See `Method`."""
        check_window(between, self.video_model.frame_step)

    def check_chart(self, t: Sequence[float]) -> None:
        """See `Method`."""
        clip_length(t, self.video_model.frame_step, self.video_model.max_frames, self.sampling.num_frames)

    def check_memory(self, device: torch.device) -> None:
        """Check that the weights have a place on a GPU.

        Raises:
            UserError: They do not.
        """
        if device.type == "cuda":
            needed = sum(weight.nbytes for weight in self.parameters() if weight.device != device)
            remedy = "shard them over several GPUs (FSDP2), or use a smaller model"
            memory.check_memory(self.pretrained, needed, device, remedy)

    def check_trainer(self, trainer: L.Trainer) -> None:
        """See `Method`: the precision, and where a device holds all weights, its memory."""
        if trainer.precision in ("bf16-true", "16-true"):
            raise UserError(
                f"trainer.precision is {trainer.precision}, which would round adapters and autoencoder: set"
                " it to bf16-mixed; frozen_dtype bfloat16 halves the memory of the other weights."
            )
        self._run_device = trainer.strategy.root_device
        if isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            self.check_memory(self._run_device)

    def setup(self, stage: str) -> None:
        """Check the trainer, if the command line has not."""
        self.check_trainer(self.trainer)

    def configure_model(self) -> None:
        """Shard the denoisers block by block, where the strategy is `FSDP2Strategy`."""
        for denoiser in self.video_model.denoisers.values():
            lists = [part for part in denoiser.children() if isinstance(part, torch.nn.ModuleList)]
            shard(self, [*(block for blocks in lists for block in blocks), denoiser])

    def on_fit_start(self) -> None:
        """Embed captions, and fill the latent cache, so that training runs the denoiser alone."""
        super().on_fit_start()
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # not declared
        if not isinstance(data, FitData):
            return
        windows = data.fit_windows()
        captions = (caption for each, _, _ in windows for caption in each.captions())
        share = slice(self.global_rank, None, self.trainer.world_size)
        own = [(each, indices[share], both_ways) for each, indices, both_ways in windows]
        self.embeddings.fill(captions, self.video_model, self.device)
        self.clips.fill(own, self.device, data.num_workers, shown=self.trainer.is_global_zero)
        self.trainer.strategy.barrier("clips")

    def preparation(self, training: bool) -> PrepareClip:
        """Frames or cached latents of whole windows, and random numbers."""
        model = self.video_model
        channels, _, side, _ = model.latent_shape(1, model.multiple, model.multiple)
        return PrepareClip(
            model.frame_step,
            model.multiple,
            channels,
            model.multiple // side,
            self.prompt,
            self.clips.shards,
            self.clips.fingerprint,
        )

    def on_train_epoch_end(self) -> None:
        """Write what is new in the latent cache."""
        self.clips.flush()

    def teardown(self, stage: str) -> None:
        """Write what is new in the latent cache, and let the trainer move the encoders with the rest."""
        self.clips.flush()
        self.clips.encoders.stop_resting()

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """Flow matching on whole windows.

        Of a model with two denoisers, a training step is about one of them, as often as noise levels are
        its, and the same one in all processes; in validation each counts with that share.
        """
        sample: TrainingClip = self.sample_of(batch)
        clips = self.clips.encoded(sample)
        prompts = self.embeddings.stacked(sample.prompt, self.video_model, sample.noise.device)
        if not self.training:
            shares = self.video_model.stages.items()
            losses = [share * self.loss_of(stage, sample, clips, prompts) for stage, share in shares]
            return {"loss": torch.stack(losses).sum()}
        chosen = self.video_model.stage_at(self.global_step)
        loss = self.loss_of(chosen, sample, clips, prompts)
        for name, denoiser in self.video_model.denoisers.items():
            if name != chosen:  # no gradient, but in the graph: DDP waits for all parameters
                loss = loss + 0 * sum(own_part(weight).sum() for weight in adapters(denoiser))
        return {"loss": loss}

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Leave the denoiser alone that the step is not about: momentum and decay would move its adapters."""
        super().on_before_optimizer_step(optimizer)
        chosen = self.video_model.stage_at(self.global_step)
        for name, denoiser in self.video_model.denoisers.items():
            for weight in adapters(denoiser) if name != chosen else ():
                weight.grad = None

    def _evaluate(self, batch: WindowBatch, stage: str) -> StepOutput:
        """The loss, of models that have one."""
        return super()._evaluate(batch, stage) if self.video_model.trains else {}

    def loss_of(self, stage: str, sample: TrainingClip, clips: Tensors, prompts: Tensors) -> Tensor:
        """The loss () of one denoiser.

        Args:
            stage: One of `VideoModel.stages`.
            sample: Random numbers.
            clips: As `encoded` returns them.
            prompts: As `PromptEmbeddings.stacked` returns them.
        """
        model = self.video_model
        model.stage = stage
        sigma = model.sigmas(sample.uniform, clips["latents"])
        s, latents, noise = sigma.view(-1, 1, 1, 1, 1), clips["latents"], sample.noise
        velocity = model.denoise((1 - s) * latents + s * noise, sigma, clips, prompts)
        counted = model.predicted(clips).expand_as(latents).flatten(1)
        error = (velocity - (noise - latents)).square().flatten(1)
        return ((error * counted).sum(dim=1) / counted.sum(dim=1)).mean()

    def interpolate(self, first: Tensor, last: Tensor, t: Tensor, generator: Generators = None) -> Tensor:
        """See `Method.interpolate`.

        A clip has the smallest number of frames that the model takes with one at every t; where there is
        none, the largest number, whose nearest frames are taken. `sampling.num_frames` sets it instead.

        Raises:
            UserError: Two t have the same frame.
        """
        noise = generator if isinstance(generator, Sequence) else [generator] * len(first)
        return self._interpolator(first, last, noise, [self.prompt] * len(first))(t)

    def interpolate_batch(self, batch: WindowBatch) -> Tensor:
        """See `Method.interpolate_batch`; with the windows' own captions."""
        prompts = [caption or self.prompt for caption in batch.get("caption", [""] * len(batch["t"]))]
        rows = equal_rows(self, len(prompts))
        first, last, noise = batch["first"][rows], batch["last"][rows], generators(batch["seed"][rows])
        with self.clips.encoders.at_work(self.device):
            frames_at = self._interpolator(first, last, noise, [prompts[row] for row in rows])
            return frames_at(batch["t"][rows])[: len(prompts)]

    def interpolator(
        self, first: Tensor, last: Tensor, generator: Sequence[torch.Generator] = ()
    ) -> Callable[[Tensor], Tensor]:
        """See `Method.interpolator`: a sampled clip is kept as long as it has a frame at each t asked for.

        So evenly spaced t are the same frames however they are split into calls. Others may be of a longer
        clip than before, whose frames are different ones, unless `sampling.num_frames` is set.
        """
        noise: list[torch.Generator | None] = [*generator] or [None] * len(first)
        return self._interpolator(first, last, noise, [self.prompt] * len(first))

    def _interpolator(
        self, first: Tensor, last: Tensor, noise: Sequence[torch.Generator | None], prompts: list[str]
    ) -> ClipInterpolator:
        """Told each prompt and the negative one, or where none is used the same again."""
        negative = [self.negative_prompt] * len(prompts) if self._negative else prompts
        found = self.embeddings.get([*prompts, *negative], self.video_model, first.device)
        conditions = list(zip(found[: len(prompts)], found[len(prompts) :], strict=True))
        return ClipInterpolator(self.video_model, self.sampling, first, last, noise, conditions)

    @property
    def _negative(self) -> list[str]:
        """The negative prompt, if it is used."""
        return [self.negative_prompt] if self.sampling.guidance_scale > 1 else []

    def lora_files(self, weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """See `TrainsLora`."""
        names = enumerate(self.video_model.denoisers)
        return {file_of(place, name): lora_weights(weights, f"video_model.{name}.") for place, name in names}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """As `Method`: adapters are small, and stay float32 in every checkpoint."""
        Method.on_save_checkpoint(self, checkpoint)
