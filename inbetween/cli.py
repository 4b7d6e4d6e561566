"""The command line: LightningCLI for fit, validate, test and predict, and the project's own commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI, SaveConfigCallback

from inbetween.commands.compare import compare
from inbetween.commands.lpips_weights import fetch_lpips
from inbetween.commands.methods import read_checkpoint
from inbetween.data import WindowDataModule
from inbetween.errors import UserError
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
            best = getattr(self.trainer.checkpoint_callback, "last_model_path", "")
            print(f"checkpoint: {best or 'none written'}\nTensorBoard: tensorboard --logdir {self.trainer.log_dir}")


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
    args = resolve_configs(args)
    try:
        if command in TRAINER_COMMANDS:
            run_trainer(command, args)
        else:
            run_function(command, args)
    except ArgumentError as error:
        raise UserError(one_sentence(error)) from error


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
        parser_kwargs={**options, **{name: options for name in TRAINER_COMMANDS}},
        args=[command, *args],
    )


def run_function(command: str, args: list[str]) -> None:
    """Call the function behind one of the project's own commands with what its keys say."""
    function = FUNCTIONS[command]
    parser = ArgumentParser(prog=f"inbetween {command}", exit_on_error=False)
    parser.add_argument("-c", "--config", action=ActionConfigFile, help="YAML file with the keys below.")
    parser.add_function_arguments(function, fail_untyped=False)
    given = parser.instantiate(parser.parse_args(args))
    given.pop("config")
    function(**given.as_dict())


def one_sentence(error: ArgumentError) -> str:
    """jsonargparse's many-line message as one line."""
    return " ".join(str(error).split())
