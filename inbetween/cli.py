"""The command line: LightningCLI for fit, validate, test and predict, and the project's own commands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError, ArgumentParser
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelSummary, ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_info

from inbetween.callbacks import (
    DataWait,
    Interruption,
    ParameterSummary,
    PredictionWriter,
    Resumption,
    SamePrecision,
    StepProgressBar,
    WholeCheckpoints,
    is_dry,
    run_folder,
)
from inbetween.commands.benchmark import benchmark
from inbetween.commands.compare import compare
from inbetween.commands.interpolate import interpolate
from inbetween.commands.lpips_weights import fetch_lpips
from inbetween.commands.methods import load_weights, read_checkpoint, read_yaml
from inbetween.commands.runs import (
    check_batches,
    check_steps,
    check_time,
    check_work,
    last_checkpoint,
    results,
    spare_working_folder,
)
from inbetween.data import WindowDataModule
from inbetween.errors import UserError
from inbetween.messages import mistake_behind, one_sentence, quiet, silent_about_full_disks
from inbetween.methods import Method, TrainableMethod
from inbetween.methods.base import no_end, nothing_to_train
from inbetween.methods.diffusion import DiffusionMethod
from inbetween.modules.precision import REPLACED, fastest
from inbetween.paths import find_config

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")
FROZEN_DTYPE = "model.init_args.backbone.init_args.frozen_dtype"
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "interpolate": interpolate,
    "compare": compare,
    "benchmark": benchmark,
    "fetch-lpips": fetch_lpips,
}
# What is a list in YAML and words one after the other on the command line.
LISTS: dict[str, dict[str, tuple[type, str]]] = {
    "compare": {"methods": (str, "YAML files, each as FILE or FILE=CHECKPOINT.")},
    "benchmark": {
        "methods": (str, "YAML files to measure, each as FILE or FILE=CHECKPOINT."),
        "sizes": (str, "What is drawn: HEIGHTxWIDTH:N is one window with N in-betweens."),
    },
    "interpolate": {
        "keyframes": (str, "Pictures in order, or a folder of them (in natural order)."),
        "t": (float, "A chart of your own: where each drawing lies, rising numbers between 0 and 1."),
        "spacing_map": (str, "Grey pictures, one per drawing, or a folder: how far each region has gone."),
    },
}


class RunConfig(SaveConfigCallback):
    """Keeps the whole config in the run's folder; a run that has none leaves nothing."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file, from the main process; called before each stage."""
        folder = run_folder(trainer)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            self.parser.save(self.config, folder / self.config_filename, skip_unset=False, overwrite=True)


class InbetweenCLI(LightningCLI):
    """LightningCLI with one data module, any method, and checkpoints that must fit the method.

    Args:
        args: Command and its arguments.
        **options: Further ones of LightningCLI's.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM; its text says how to go on.
        UserError: A mistake in what the user gave, or something failed that a run can go on after.
    """

    def __init__(self, args: list[str], **options: Any) -> None:  # noqa: ANN401 - LightningCLI's
        self.weights: dict[str, Any] | None = None
        # what `fit` goes on from: a checkpoint, Lightning's counts in it, and for how many seconds it trained
        self.checkpoint: str | None = None
        self.counts: dict[str, Any] = {}
        self.trained = 0.0
        self.replaced = False  # whether this machine computes in another precision than was asked for
        try:
            super().__init__(Method, WindowDataModule, args=args, **options)
        except SystemExit as ended:  # Lightning's way to end after it, when all callbacks had their turn
            if not isinstance(ended.__context__, KeyboardInterrupt):
                raise
            if not self.trainer.is_global_zero:
                raise SystemExit(130) from None  # one process speaks for all
            # a run that was stopped before its first step goes on from where it came
            checkpoint = last_checkpoint(self.trainer) or self.checkpoint
            raise KeyboardInterrupt(f"go on with --ckpt_path {checkpoint}" if checkpoint else "") from None
        except Exception as error:
            if getattr(self, "trainer", None) is None:
                raise
            # where a checkpoint of the failed run fails too, Lightning forgets the data module
            self.datamodule.teardown("exception")
            folder = run_folder(self.trainer) or self.trainer.default_root_dir
            mistake, checkpoint = mistake_behind(error, f"A file in {folder}"), last_checkpoint(self.trainer)
            if mistake is None:
                raise
            on = f" Add --ckpt_path {checkpoint} to go on where it stopped." if checkpoint else ""
            raise UserError(f"{mistake}{on}") from error

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, then compare the checkpoint's method with the config's."""
        super().parse_arguments(parser, args)
        given = self.config[self.config.subcommand]
        checkpoint = given.get("ckpt_path")
        if checkpoint in {"best", "last"}:
            raise UserError(
                f"ckpt_path is {checkpoint}, which no other run knows: give a file, such as"
                " logs/exp1/version_0/checkpoints/last.ckpt."
            )
        if checkpoint and checkpoint not in {"hpc", "registry"}:
            saved = read_checkpoint(Path(checkpoint), given.model.class_path)
            if checkpoint.endswith(".safetensors"):
                # weights alone: to be drawn with, or to begin another training from
                self.weights, given.ckpt_path = saved["state_dict"], None
            elif self.config.subcommand == "fit":
                if "optimizer_states" not in saved:
                    raise UserError(f"{checkpoint} holds weights alone, to draw with: go on from last.ckpt.")
                self.checkpoint, self.counts = checkpoint, saved["loops"]["fit_loop"]
                timer = saved["callbacks"].get("Timer", {"time_elapsed": {"train": 0.0}})  # of max_time
                self.trained = timer["time_elapsed"]["train"]

    def instantiate_trainer(self, **options: Any) -> Trainer:  # noqa: ANN401 - LightningCLI's
        """Build the trainer, in the precision that is fastest here: see `fastest`.

        The config in the run's folder says what was used, so that a run that goes on from it elsewhere
        computes alike.
        """
        given = self.config[self.config.subcommand]
        precision = fastest(given.trainer.precision, given.trainer.accelerator)
        self.replaced = precision != given.trainer.precision
        given.trainer.precision = precision
        if isinstance(self.model, DiffusionMethod) and given.get(FROZEN_DTYPE) == "bfloat16":
            stored = str(self.model.backbone.frozen_dtype).removeprefix("torch.")
            self.replaced |= stored != "bfloat16"
            given[FROZEN_DTYPE] = stored
        asked = self.config_init[self.config.subcommand].trainer
        callbacks = asked.callbacks or []
        callbacks = [*callbacks] if isinstance(callbacks, list) else [callbacks]
        screen = {
            ProgressBar: (asked.enable_progress_bar, StepProgressBar),
            ModelSummary: (asked.enable_model_summary, ParameterSummary),
        }
        for kind, (enabled, ours) in screen.items():
            if enabled is not False and not asked.barebones and not _has(callbacks, kind):
                callbacks.append(ours())
        trainer = super().instantiate_trainer(precision=precision, callbacks=callbacks, **options)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # and not one that the user gave
            trainer.strategy.checkpoint_io = WholeCheckpoints()
        return trainer

    def before_fit(self) -> None:
        """Find mistakes before a logger makes a folder; Lightning calls this before `fit`."""
        check_work(self.trainer, "train")
        if not any(parameter.requires_grad for parameter in self.model.parameters()):
            raise nothing_to_train(self.model)
        assert isinstance(self.model, TrainableMethod)  # others have no parameters
        if self.model.schedule == "cosine" and self.trainer.max_steps < 0 and self.trainer.max_epochs == -1:
            raise no_end()
        check_steps(self.trainer, self.checkpoint, self.counts)
        check_time(self._callbacks, self.checkpoint, self.trained)
        self.model.prepare_fit()
        self._prepare("fit")
        if self.counts:
            check_batches(self.trainer, self.datamodule, self.counts)
        spare_working_folder(self.trainer, self._callbacks)

    def before_validate(self) -> None:
        """Find mistakes before a logger makes a folder; Lightning calls this before `validate`."""
        check_work(self.trainer, "val")
        self._prepare("validate")

    def before_test(self) -> None:
        """Find mistakes before a logger makes a folder; Lightning calls this before `test`."""
        check_work(self.trainer, "test")
        self._prepare("test")

    def before_predict(self) -> None:
        """Find mistakes before a logger makes a folder, and see to a writer; Lightning calls this."""
        check_work(self.trainer, "predict")
        self._prepare("predict")
        self.config_init["predict"]["return_predictions"] = False  # files are wanted, not tensors
        if not self._writers():
            self._callbacks.append(PredictionWriter())

    def after_predict(self) -> None:
        """Say where the drawings are; Lightning calls this after `predict`."""
        if self.trainer.is_global_zero and not is_dry(self.trainer):
            for writer in self._writers():
                print(f"drawings: {writer.folder}")

    def _writers(self) -> list[PredictionWriter]:
        return [callback for callback in self._callbacks if isinstance(callback, PredictionWriter)]

    @property
    def _callbacks(self) -> list[Callback]:
        """The trainer's own list, which Lightning's class does not declare."""
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]  # see above
        return callbacks

    def _prepare(self, stage: str) -> None:
        """Read the windows, and the weights of a checkpoint that holds nothing else."""
        if self.weights is not None:
            load_weights(self.model, self.weights, "the checkpoint")
        self.datamodule.trainer = self.trainer  # knows the number of processes
        self.datamodule.setup(stage)
        if self.replaced:
            rank_zero_info(REPLACED)

    def after_fit(self) -> None:
        """Say where the results are; Lightning calls this after `fit`."""
        if self.trainer.is_global_zero:
            print(*results(self.trainer), sep="\n")


def _has(callbacks: list[Callback], kind: type[Callback]) -> bool:
    return any(isinstance(callback, kind) for callback in callbacks)


def resolve_configs(args: list[str]) -> list[str]:
    """Replace the names behind --config and -c by paths; see `find_config`."""
    resolved, is_config = [], False
    for arg in args:
        option, equals, value = arg.partition("=")
        if is_config:
            resolved.append(str(readable_config(arg)))
        elif equals and option in {"--config", "-c"}:
            resolved.append(f"{option}={readable_config(value)}")
        else:
            resolved.append(arg)
        is_config = arg in {"--config", "-c"}
    return resolved


def readable_config(name: str) -> Path:
    """`find_config`, and a look whether it is YAML: jsonargparse's complaint does not name the file."""
    path = find_config(name)
    read_yaml(path)
    return path


def run(command: str, args: list[str]) -> None:
    """Run one command of `inbetween.__main__.COMMANDS` with its arguments.

    Raises:
        UserError: A mistake in what the user gave.
    """
    quiet()
    args = resolve_configs(args)
    threading.excepthook, before = silent_about_full_disks(threading.excepthook), threading.excepthook
    try:
        if command in TRAINER_COMMANDS:
            run_trainer(command, args)
        else:
            run_function(command, args)
    except Exception as error:
        mistake = mistake_behind(error)
        if mistake is None and isinstance(error, ArgumentError):
            mistake = UserError(one_sentence(error))
        if mistake is None:
            raise
        raise mistake from None
    finally:
        threading.excepthook = before


def run_trainer(command: str, args: list[str]) -> None:
    """Hand `command` to LightningCLI."""
    options: dict[str, Any] = {"exit_on_error": False}
    InbetweenCLI(
        [command, *args],
        subclass_mode_model=True,
        seed_everything_default=0,
        auto_configure_optimizers=False,
        save_config_callback=RunConfig,
        save_config_kwargs={"save_to_log_dir": False},
        trainer_defaults={"callbacks": [Interruption(), SamePrecision(), DataWait(), Resumption()]},
        parser_kwargs={"prog": "inbetween", **options, **dict.fromkeys(TRAINER_COMMANDS, options)},
    )
    # Lightning does so for GPUs alone; threads that gloo leaves behind may abort the interpreter's exit
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def run_function(command: str, args: list[str]) -> None:
    """Call the function behind one of the project's own commands with what its keys say."""
    function = FUNCTIONS[command]
    parser = ArgumentParser(prog=f"inbetween {command}", exit_on_error=False)
    if function is benchmark:  # measures what other commands run, from the same files
        parser.add_argument(
            "-c", "--config", action="append", default=[], help="YAML file of an experiment; several add up."
        )
    else:
        parser.add_argument("-c", "--config", action="config", help="YAML file with the keys below.")
    lists = LISTS.get(command, {})
    for name, (kind, text) in lists.items():
        parser.add_argument(f"--{name}", nargs="*", type=kind, default=[], help=text)
    parser.add_function_arguments(function, skip={"config", *lists})
    given = parser.instantiate(parser.parse_args(args))
    if function is not benchmark:
        given.pop("config")
    function(**given.as_dict())
