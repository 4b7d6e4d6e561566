"""The project's own commands: functions, called with arguments from YAML and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from jsonargparse import ArgumentParser

from inbetween.cli.configs import resolve_configs
from inbetween.errors import UserError

Lists = Mapping[str, tuple[type, str]]


@dataclass(frozen=True)
class Function:
    """A command that is a function.

    Args:
        function: What is called, its parameters being the command's keys.
        lists: Parameters that are lists in YAML and separate words on the command line: the type of
            an element, and their help.
        reads_configs: Whether `--config` gives the keys; if not, the function itself takes the files' names.
        positional: Name, choices and help of a parameter that is the words of the command line themselves.
    """

    function: Callable[..., Any]
    lists: Lists = field(default_factory=dict)
    reads_configs: bool = True
    positional: tuple[str, tuple[str, ...], str] | None = None

    def call(self, name: str, args: list[str]) -> None:
        """Call it with the arguments of a command line."""
        parser = ArgumentParser(prog=name, exit_on_error=False)
        if self.reads_configs:
            parser.add_argument("-c", "--config", action="config", help="YAML file with the keys below.")
            args = resolve_configs(args)
        else:
            text = "YAML file of an experiment; several add up."
            parser.add_argument("-c", "--config", action="append", default=[], help=text)
        for key, (kind, text) in self.lists.items():
            parser.add_argument(f"--{key}", nargs="*", type=kind, default=[], help=text)
        skip: set[str | int] = {"config", *self.lists}
        if self.positional:
            key, choices, text = self.positional
            if not args:
                raise UserError(f"Nothing says what to fetch: give {', '.join(choices)}.")
            parser.add_argument(key, nargs="+", choices=choices, help=text)
            skip.add(key)
        parser.add_function_arguments(self.function, skip=skip)
        given = parser.instantiate(parser.parse_args(args))
        if self.reads_configs:
            given.pop("config")
        self.function(**given.as_dict())


METHODS: Lists = {"methods": (str, "Names of methods that ship, or YAML files as FILE or FILE=CHECKPOINT.")}
EXPERIMENTS: Lists = {
    **METHODS,
    "sizes": (str, "Sizes of inference: HEIGHTxWIDTH:N is one window with N in-betweens."),
}
SEQUENCE: Lists = {
    "keyframes": (str, "Images in order, or a folder of them (in natural order)."),
    "t": (float, "Where each in-between lies: increasing numbers between 0 and 1."),
    "spacing_map": (str, "Grey images, one per in-between, or a folder: how far each region has moved."),
}


def run_function(command: str, args: list[str]) -> None:
    """Call the function behind one of the project's own commands."""
    function_of(command).call(f"inbetween {command}", args)


def function_of(command: str) -> Function:
    """The function behind a command; no other one is imported, since most of them import much."""
    if command == "interpolate":
        from inbetween.commands.interpolate import interpolate

        return Function(interpolate, SEQUENCE)
    if command == "compare":
        from inbetween.commands.compare import compare

        return Function(compare, METHODS)
    if command == "benchmark":
        from inbetween.commands.benchmark import benchmark

        return Function(benchmark, EXPERIMENTS, reads_configs=False)
    from inbetween.commands.fetch_weights import NetworkName, fetch_weights

    words = "What to fetch: the weights of one network or of several."
    return Function(fetch_weights, positional=("networks", get_args(NetworkName), words))
