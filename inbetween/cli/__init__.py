"""The command line: LightningCLI for fit, validate, test and predict, and the project's own commands."""

import threading
from collections.abc import Callable
from typing import TypeVar

from inbetween.cli.messages import quiet, without_full_disks
from inbetween.mistakes import mistake_behind

T = TypeVar("T")

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")


def run(command: str, args: list[str]) -> int:
    """Run one command of `inbetween.__main__.COMMANDS` with its arguments; returns the exit code, 0 or 1.

    Raises:
        UserError: A user's mistake.
    """
    # imported here, so that each command imports only what it needs
    if command in TRAINER_COMMANDS:
        from inbetween.cli.trainer import run_trainer

        guarded(command, lambda: run_trainer(command, args))
        return 0
    from inbetween.cli.functions import run_function

    return guarded(command, lambda: run_function(command, args))


def guarded(command: str, work: Callable[[], T]) -> T:
    """Run a command with filtered library messages and users' mistakes reported in one sentence.

    Args:
        command: Its name, for messages about mistakes.
        work: What it does; its result is returned.

    Raises:
        UserError: A user's mistake.
    """
    quiet()
    threading.excepthook, before = without_full_disks(threading.excepthook), threading.excepthook
    try:
        return work()
    except Exception as error:
        mistake = mistake_behind(error, command)
        if mistake is None:
            raise
        raise mistake from None
    finally:
        threading.excepthook = before
