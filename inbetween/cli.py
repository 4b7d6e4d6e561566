"""The command line: LightningCLI for fit, validate, test and predict, and the project's own commands."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI, SaveConfigCallback

from inbetween.commands.compare import compare
from inbetween.commands.lpips_weights import fetch_lpips
from inbetween.commands.methods import read_checkpoint
from inbetween.data import WindowDataModule
from inbetween.errors import UserError, user_error_behind
from inbetween.methods import Method
from inbetween.paths import find_config

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")
FUNCTIONS: dict[str, Callable[..., Any]] = {"compare": compare, "fetch-lpips": fetch_lpips}


class InbetweenCLI(LightningCLI):
    """LightningCLI with one data module, any method, and checkpoints that must fit the method."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, then compare the checkpoint's method with the config's."""
        super().parse_arguments(parser, args)
        given = self.config[self.config.subcommand]
        checkpoint = given.get("ckpt_path")
        if checkpoint and checkpoint not in {"best", "last", "hpc", "registry"}:
            read_checkpoint(Path(checkpoint), given.model.class_path)

    def after_fit(self) -> None:
        """Say where the results are; Lightning calls this after `fit`."""
        if self.trainer.is_global_zero:
            last = getattr(self.trainer.checkpoint_callback, "last_model_path", "")
            print(f"checkpoint: {last or 'none written'}")
            print(f"TensorBoard: tensorboard --logdir {self.trainer.log_dir}")


def resolve_configs(args: list[str]) -> list[str]:
    """Replace the names behind --config and -c by paths; see `find_config`."""
    resolved, is_config = [], False
    for arg in args:
        option, equals, value = arg.partition("=")
        if is_config:
            resolved.append(str(find_config(arg)))
        elif equals and option in {"--config", "-c"}:
            resolved.append(f"{option}={find_config(value)}")
        else:
            resolved.append(arg)
        is_config = arg in {"--config", "-c"}
    return resolved


def run(command: str, args: list[str]) -> None:
    """Run one command of `inbetween.__main__.COMMANDS` with its arguments.

    Raises:
        UserError: A mistake in what the user gave.
    """
    quiet()
    args = resolve_configs(args)
    try:
        if command in TRAINER_COMMANDS:
            run_trainer(command, args)
        else:
            run_function(command, args)
    except Exception as error:
        mistake = user_error_behind(error)
        if mistake is None and isinstance(error, ArgumentError):
            mistake = UserError(one_sentence(error))
        if mistake is None:
            raise
        raise mistake from None


def run_trainer(command: str, args: list[str]) -> None:
    """Hand `command` to LightningCLI."""
    options: dict[str, Any] = {"exit_on_error": False}
    sys.argv[1:] = []  # LightningCLI warns when it is given arguments while the process has some, too
    InbetweenCLI(
        Method,
        WindowDataModule,
        subclass_mode_model=True,
        seed_everything_default=0,
        auto_configure_optimizers=False,
        save_config_callback=SaveConfigCallback,
        save_config_kwargs={"overwrite": True},
        parser_kwargs={**options, **dict.fromkeys(TRAINER_COMMANDS, options)},
        args=[command, *args],
    )


def run_function(command: str, args: list[str]) -> None:
    """Call the function behind one of the project's own commands with what its keys say."""
    function = FUNCTIONS[command]
    parser = ArgumentParser(prog=f"inbetween {command}", exit_on_error=False)
    parser.add_argument("-c", "--config", action="config", help="YAML file with the keys below.")
    parser.add_function_arguments(function, skip={"methods"})
    if function is compare:
        parser.add_argument(
            "--methods", nargs="*", default=[], help="YAML files, each as FILE or FILE=CHECKPOINT."
        )
    given = parser.instantiate(parser.parse_args(args))
    given.pop("config")
    function(**given.as_dict())


def one_sentence(error: ArgumentError) -> str:
    """Jsonargparse's message in one line, without the types it tried in vain."""
    text = " ".join(str(error).split())
    problem = re.search(r"Problem with given class_path .*?(?= - Expected a <class 'NoneType'>|$)", text)
    text = problem.group() if problem else text
    return f"{text.rstrip('.')}; `--help` lists the keys."


def quiet() -> None:
    """Silence what Lightning says that its users can do nothing about."""
    # bf16-mixed keeps its weights in float32, which is what the summary counts
    warnings.filterwarnings("ignore", message=".*Precision bf16-mixed is not supported by the model summary")
    # Lightning 2.6 with torch 2.14
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec")
    # a frozen backbone stays in evaluation mode on purpose
    warnings.filterwarnings("ignore", message=".*module.s. in eval mode at the start of training")
    # cels are drawn, frames come from a memory map: workers are an option, not a need
    warnings.filterwarnings("ignore", message=".*does not have many workers which may be a bottleneck")
    # jsonargparse 4.5x on what LightningCLI 2.6 calls
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="lightning")
    # advertisements for a logger
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "litlogger" not in record.getMessage()
    )
