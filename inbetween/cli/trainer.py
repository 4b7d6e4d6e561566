"""The commands of LightningCLI: fit, validate, test and predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelSummary, ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_info

from inbetween.callbacks import (
    EMA,
    DataWait,
    FirstValidation,
    FrameMetrics,
    Interruption,
    LearnedWeights,
    LoraWriter,
    ParameterSummary,
    PredictionWriter,
    PretrainedWriter,
    Resumption,
    SamePrecision,
    StepProgressBar,
    WholeCheckpoints,
    is_dry,
    run_folder,
)
from inbetween.callbacks.run_config import RunConfig
from inbetween.cli.checks import (
    check_batches,
    check_folders,
    check_numbers,
    check_optimizer,
    check_steps,
    check_time,
    check_work,
    refused_keys,
)
from inbetween.cli.configs import resolve_configs
from inbetween.cli.results import last_checkpoint, results, spare_working_folder
from inbetween.data import WindowDataModule
from inbetween.errors import UserError
from inbetween.methods import Method, TrainableMethod
from inbetween.methods.optimization import no_end, nothing_to_train
from inbetween.mistakes import REFUSALS, mistake_behind, not_made, refused_by_library
from inbetween.weights.checkpoints import load_weights, read_checkpoint
from inbetween.weights.precision import REPLACED, resolve_precision

FROZEN_DTYPE = "model.init_args.backbone.init_args.frozen_dtype"
# Callbacks whose `setup` checks for mistakes, and may be called twice.
CHECKS_EARLY = (LearnedWeights, LoraWriter, PredictionWriter, PretrainedWriter, EMA)


class InbetweenCLI(LightningCLI):
    """LightningCLI with one data module, any method, and checkpoints that must fit the method.

    Args:
        args: Command and its arguments.
        **options: Further ones of LightningCLI's.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM; its text names the checkpoint to resume from.
        UserError: A user's mistake, or a failure that a run can be resumed after.
    """

    def __init__(self, args: list[str], **options: Any) -> None:  # noqa: ANN401 - LightningCLI's
        self.weights: tuple[str, dict[str, Any]] | None = None  # a checkpoint's name and weights
        # what `fit` resumes from: a checkpoint, the progress of Lightning's loops in it, and its training
        # time in seconds
        self.checkpoint: str | None = None
        self.counts: dict[str, Any] = {}
        self.trained = 0.0
        self.replaced = False  # whether another precision than requested is used
        try:
            super().__init__(Method, WindowDataModule, args=args, **options)
        except SystemExit as ended:  # how Lightning exits after it, when all callbacks have run
            if not isinstance(ended.__context__, KeyboardInterrupt):
                raise
            if not self.trainer.is_global_zero:
                raise SystemExit(130) from None  # the main process reports for all
            # a run stopped before its first step resumes from the checkpoint it started from
            checkpoint = last_checkpoint(self.trainer) or self.checkpoint
            raise KeyboardInterrupt(f"resume with --ckpt_path {checkpoint}" if checkpoint else "") from None
        except Exception as error:
            if getattr(self, "trainer", None) is None:
                raise
            # where saving a checkpoint of the failed run fails too, Lightning skips the data module
            self.datamodule.teardown("exception")
            folder = run_folder(self.trainer) or self.trainer.default_root_dir
            mistake = mistake_behind(error, self.config.subcommand, f"A file in {folder}")
            checkpoint = last_checkpoint(self.trainer)
            if mistake is None:
                raise
            on = f" Add --ckpt_path {checkpoint} to resume." if checkpoint else ""
            raise UserError(f"{mistake}{on}") from error

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, then check numbers, and the checkpoint's method against the config's."""
        super().parse_arguments(parser, args)
        given = self.config[self.config.subcommand]
        if not isinstance(given.trainer, Namespace):
            raise UserError(f"trainer is {given.trainer}: give its keys, such as trainer.max_steps.")
        check_numbers(given.trainer.as_dict(), given.seed_everything)
        checkpoint = given.get("ckpt_path")
        if checkpoint in {"best", "last"}:
            raise UserError(
                f"ckpt_path is {checkpoint}, which only works within the same run: give a file, such as"
                " logs/exp1/version_0/checkpoints/last.ckpt."
            )
        if checkpoint and checkpoint != "hpc":  # a checkpoint saved for a cluster's scheduler
            saved = read_checkpoint(Path(checkpoint), given.model.class_path)
            self.weights = checkpoint, saved["state_dict"]
            if checkpoint.endswith(".safetensors"):
                given.ckpt_path = None  # weights alone: for inference, or to initialise another training
            elif self.config.subcommand == "fit":
                if not {"optimizer_states", "loops", "callbacks"} <= saved.keys():
                    raise UserError(
                        f"{checkpoint} holds weights alone, for inference: resume from last.ckpt."
                    )
                self.checkpoint, self.counts = checkpoint, saved["loops"]["fit_loop"]
                timer = saved["callbacks"].get("Timer", {"time_elapsed": {"train": 0.0}})  # of max_time
                self.trained = timer["time_elapsed"]["train"]

    def instantiate_classes(self) -> None:
        """Build the objects that the config describes.

        Raises:
            UserError: A library refuses them.
        """
        try:
            super().instantiate_classes()
        except REFUSALS as error:
            mistake = mistake_behind(error, self.config.subcommand) or not_made(error, "This run")
            if mistake is None:
                raise
            raise mistake from error

    def instantiate_trainer(self, **options: Any) -> Trainer:  # noqa: ANN401 - LightningCLI's
        """Build the trainer, in the precision that is fastest here: see `resolve_precision`.

        The config in the run's folder has the precision that was used, so that a run resumed with it
        elsewhere computes in the same.
        """
        given = self.config[self.config.subcommand]
        precision = resolve_precision(given.trainer.precision, given.trainer.accelerator)
        self.replaced = precision != given.trainer.precision
        given.trainer.precision = precision
        slow = resolve_precision("bf16-mixed", given.trainer.accelerator) != "bf16-mixed"
        if slow and given.get(FROZEN_DTYPE) == "bfloat16":  # done by `DiffusionMethod.setup`
            self.replaced, given[FROZEN_DTYPE] = True, "float32"
        keys = self.config_init[self.config.subcommand].trainer
        callbacks = keys.callbacks or []
        callbacks = [*callbacks] if isinstance(callbacks, list) else [callbacks]
        screen = {
            ProgressBar: (keys.enable_progress_bar, StepProgressBar),
            ModelSummary: (keys.enable_model_summary, ParameterSummary),
        }
        for kind, (enabled, ours) in screen.items():
            if enabled is not False and not keys.barebones and not _has(callbacks, kind):
                callbacks.append(ours())

        def build(**others: Any) -> Trainer:  # noqa: ANN401 - Lightning's
            # LightningCLI adds callbacks to the list that it gets
            ours = {"precision": precision, "callbacks": [*callbacks]}
            return super(InbetweenCLI, self).instantiate_trainer(**ours | options | others)

        try:
            trainer = build()
        except REFUSALS as error:
            if not refused_by_library(error):
                raise
            raise refused_keys(build, keys.as_dict(), error) from error
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # and not one that the user gave
            trainer.strategy.checkpoint_io = WholeCheckpoints()
        return trainer

    def before_fit(self) -> None:
        """Check for mistakes before a logger makes a folder; Lightning calls this before `fit`."""
        check_work(self.trainer, "train")
        if not any(parameter.requires_grad for parameter in self.model.parameters()):
            raise nothing_to_train(self.model)
        assert isinstance(self.model, TrainableMethod)  # others have no parameters
        if self.model.schedule == "cosine" and self.trainer.max_steps < 0 and self.trainer.max_epochs == -1:
            raise no_end()
        check_optimizer(self.model)
        check_steps(self.trainer, self.checkpoint, self.counts)
        check_time(self._callbacks, self.checkpoint, self.trained)
        # the cheap checks first: it may download and run a text encoder
        self.model.check_trainer(self.trainer)
        self.model.check_windows(self.datamodule.spec.between)
        self.model.prepare_fit()
        self._prepare("fit")
        if self.counts:
            check_batches(self.trainer, self.datamodule, self.counts)
        spare_working_folder(self.trainer, self._callbacks)

    def before_validate(self) -> None:
        """Check for mistakes before a logger makes a folder; Lightning calls this before `validate`."""
        check_work(self.trainer, "val")
        self._prepare("validate")

    def before_test(self) -> None:
        """Check for mistakes before a logger makes a folder; Lightning calls this before `test`."""
        check_work(self.trainer, "test")
        self._prepare("test")

    def before_predict(self) -> None:
        """Check for mistakes before a logger makes a folder, and add a writer; Lightning calls this."""
        check_work(self.trainer, "predict")
        self._prepare("predict")
        self.config_init["predict"]["return_predictions"] = (
            False  # the writer saves them; tensors are not needed
        )
        if not self._writers():
            self._callbacks.append(PredictionWriter())

    def after_predict(self) -> None:
        """Print the frames' folder; Lightning calls this after `predict`."""
        if self.trainer.is_global_zero and not is_dry(self.trainer):
            for writer in self._writers():
                print(f"frames: {writer.folder}")

    def _writers(self) -> list[PredictionWriter]:
        return [callback for callback in self._callbacks if isinstance(callback, PredictionWriter)]

    @property
    def _callbacks(self) -> list[Callback]:
        """The trainer's own list, which Lightning's class does not declare."""
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]  # see above
        return callbacks

    def _prepare(self, stage: str) -> None:
        """Load a checkpoint's weights, which Lightning does again, and read the windows."""
        if self.weights is not None:
            name, weights = self.weights
            load_weights(self.model, weights, name)
            self.weights = None
        if self.trainer.is_global_zero:
            check_folders(self.trainer)
        for callback in self._callbacks:  # Lightning calls `setup` after loggers have made their folders
            if isinstance(callback, CHECKS_EARLY) or (
                self.trainer.world_size == 1 and isinstance(callback, FrameMetrics)
            ):
                callback.setup(self.trainer, self.model, stage)
        self.model.check_trainer(self.trainer)
        if stage != "predict":  # which has no loss
            self.model.check_windows(self.datamodule.spec.between)
        self.datamodule.trainer = self.trainer  # for the number of processes
        self.datamodule.setup(stage)
        if self.replaced:
            rank_zero_info(REPLACED)

    def after_fit(self) -> None:
        """Print the paths of the results; Lightning calls this after `fit`."""
        if self.trainer.is_global_zero:
            print(*results(self.trainer), sep="\n")


def _has(callbacks: list[Callback], kind: type[Callback]) -> bool:
    return any(isinstance(callback, kind) for callback in callbacks)


def run_trainer(command: str, args: list[str]) -> None:
    """Run one command of LightningCLI's; parsers for all of them would take three times as long to build."""
    args = resolve_configs(args)
    known = InbetweenCLI.subcommands()[command]
    only = type("InbetweenCLI", (InbetweenCLI,), {"subcommands": staticmethod(lambda: {command: known})})
    options: dict[str, Any] = {"exit_on_error": False}
    only(
        [command, *args],
        subclass_mode_model=True,
        seed_everything_default=0,
        auto_configure_optimizers=False,
        save_config_callback=RunConfig,
        save_config_kwargs={"save_to_log_dir": False},
        trainer_defaults={
            "callbacks": [Interruption(), SamePrecision(), DataWait(), Resumption(), FirstValidation()]
        },
        parser_kwargs={"prog": "inbetween", **options, command: options},
    )
    # Lightning does so for GPUs alone; gloo's remaining threads may abort the interpreter's exit
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
