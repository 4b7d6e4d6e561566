"""The command line: LightningCLI for fit, validate, test and predict, and the project's own commands."""

import threading
from collections.abc import Callable

from inbetween.cli.messages import quiet, silent_about_full_disks
from inbetween.mistakes import mistake_behind

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")


def run(command: str, args: list[str]) -> None:
    """Run one command of `inbetween.__main__.COMMANDS` with its arguments.

    Raises:
        UserError: A user's mistake.
    """
    # imported here, so that each command imports only what it needs
    if command in TRAINER_COMMANDS:
        from inbetween.cli.trainer import run_trainer

        guarded(command, lambda: run_trainer(command, args))
    else:
        from inbetween.cli.functions import run_function

        guarded(command, lambda: run_function(command, args))


def guarded(command: str, work: Callable[[], object]) -> None:
    """Run a command with filtered library messages and users' mistakes in one sentence.

    Args:
        command: Its name, for messages about mistakes.
        work: What it does.

    Raises:
        UserError: A user's mistake.
    """
    quiet()
    threading.excepthook, before = silent_about_full_disks(threading.excepthook), threading.excepthook
    try:
        work()
    except Exception as error:
        mistake = mistake_behind(error, command)
        if mistake is None:
            raise
        raise mistake from None
    finally:
        threading.excepthook = before
