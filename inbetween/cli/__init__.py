"""The command line: LightningCLI for fit, validate, test and predict, and the project's own commands."""

import threading

from inbetween.cli.configs import resolve_configs
from inbetween.cli.functions import run_function
from inbetween.cli.messages import quiet, silent_about_full_disks
from inbetween.cli.trainer import TRAINER_COMMANDS, run_trainer
from inbetween.mistakes import mistake_behind


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
        mistake = mistake_behind(error, command)
        if mistake is None:
            raise
        raise mistake from None
    finally:
        threading.excepthook = before
