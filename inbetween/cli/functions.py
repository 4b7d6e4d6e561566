"""The project's own commands: functions, called with arguments from YAML and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Literal, get_args

from jsonargparse import ArgumentParser

from inbetween.cli.configs import resolve_configs
from inbetween.errors import UserError

Lists = Mapping[str, tuple[Any, str]]


@dataclass(frozen=True)
class Function:
    """A command that is a function.

    Args:
        function: What is called, its parameters being the command's keys.
        lists: Parameters that are lists in YAML and separate words on the command line: the type of
            an element, and their help.
        reads_configs: Whether `--config` sets the keys; if not, the function takes the file names.
        flags: Parameters that are true if they are given without a value: their help.
        positional: Name, choices and help of a positional parameter.
        failed: Whether what it returns means that its check has failed: exit code 1.
    """

    function: Callable[..., Any]
    lists: Lists = field(default_factory=dict)
    reads_configs: bool = True
    flags: Mapping[str, str] = field(default_factory=dict)
    positional: tuple[str, tuple[str, ...], str] | None = None
    failed: Callable[[Any], bool] = lambda _: False

    def call(self, name: str, args: list[str]) -> int:
        """Call it with the arguments of a command line; returns the exit code, 0 or 1."""
        parser = ArgumentParser(prog=name, exit_on_error=False)
        if self.reads_configs:
            parser.add_argument("-c", "--config", action="config", help="YAML file with the keys below.")
            args = resolve_configs(args)
        else:
            text = "YAML file of an experiment; of several, later ones override earlier ones."
            parser.add_argument("-c", "--config", action="append", default=[], help=text)
        defaults = signature(self.function).parameters
        for key, (kind, text) in self.lists.items():
            default = list(defaults[key].default or ())
            parser.add_argument(f"--{key}", nargs="*", type=kind, default=default, help=text)
        for key, text in self.flags.items():
            parser.add_argument(f"--{key}", nargs="?", const=True, type=bool, default=False, help=text)
        skip: set[str | int] = {"config", *self.lists, *self.flags}
        if self.positional:
            key, choices, text = self.positional
            if not args:
                raise UserError(f"There is nothing to fetch: give {', '.join(choices)}.")
            parser.add_argument(key, nargs="+", choices=choices, help=text)
            skip.add(key)
        parser.add_function_arguments(self.function, skip=skip)
        given = parser.instantiate(parser.parse_args(args))
        if self.reads_configs:
            given.pop("config")
        return int(self.failed(self.function(**given.as_dict())))


METHODS: Lists = {"methods": (str, "Names of shipped methods, or YAML files as FILE or FILE=CHECKPOINT.")}
CYCLE = {
    "cycle": "Also measure cycle consistency: a keyframe against the in-between of the in-betweens before"
    " and after it."
}
EXPERIMENTS: Lists = {
    **METHODS,
    "sizes": (str, "Sizes of inference: HEIGHTxWIDTH:N is one window with N in-betweens."),
}
SEQUENCE: Lists = {
    "keyframes": (str, "Images in order, a folder of them (in natural order), an animated file, or a video."),
    "write": (
        Literal["webp", "gif", "apng", "mp4", "sheet", "none"],
        "What to write beside the frames: files that play (webp, gif, apng, mp4), all frames on one sheet, or"
        " none.",
    ),
    "t": (float, "Positions of the in-betweens: increasing numbers between 0 and 1."),
    "spacing_map": (
        str,
        "Grey images, one per in-between, or a folder: how far each region has moved (0 to 1).",
    ),
}


def run_function(command: str, args: list[str]) -> int:
    """Call the function of one of the project's own commands; returns the exit code, 0 or 1."""
    return function_of(command).call(f"inbetween {command}", args)


def function_of(command: str) -> Function:
    """The function of a command; the others are not imported, since most are slow to import."""
    if command == "interpolate":
        from inbetween.commands.interpolate import interpolate

        return Function(interpolate, SEQUENCE)
    if command == "app":
        from inbetween.app.command import app

        return Function(app)
    if command == "adapt":
        from inbetween.commands.adapt import adapt

        return Function(adapt)
    if command == "compare":
        from inbetween.commands.compare import compare

        return Function(compare, METHODS, flags=CYCLE)
    if command == "audit":
        from inbetween.commands.audit import audit

        return Function(audit, failed=lambda found: found.failed)
    if command == "shard":
        from inbetween.commands.shard import shard

        return Function(shard)
    if command == "benchmark":
        from inbetween.commands.benchmark import benchmark

        return Function(benchmark, EXPERIMENTS, reads_configs=False)
    from inbetween.commands.fetch_weights import NetworkName, fetch_weights

    words = "What to fetch: the weights of one network or of several."
    return Function(fetch_weights, positional=("networks", get_args(NetworkName), words))
