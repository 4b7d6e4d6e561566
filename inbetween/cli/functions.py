"""The project's own commands: functions, called with what their keys say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonargparse import ArgumentParser

from inbetween.commands.benchmark import benchmark
from inbetween.commands.compare import compare
from inbetween.commands.interpolate import interpolate
from inbetween.commands.lpips_weights import fetch_lpips

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
