"""Help is complete and cheap."""

import inspect
import re
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from jsonargparse import ArgumentParser

import inbetween.callbacks
import inbetween.data
import inbetween.methods
import inbetween.methods.diffusion
from inbetween import __version__
from inbetween.__main__ import COMMANDS, main
from inbetween.app.command import app
from inbetween.commands.audit import audit
from inbetween.commands.benchmark import benchmark
from inbetween.commands.compare import compare
from inbetween.commands.interpolate import interpolate
from inbetween.commands.shard import shard

CLASSES = [
    item
    for package in (inbetween.methods, inbetween.methods.diffusion, inbetween.data, inbetween.callbacks)
    for item in vars(package).values()
    if inspect.isclass(item) and not inspect.isabstract(item) and item.__init__ is not object.__init__
]


def undocumented(target: Callable[..., object]) -> list[str]:
    """Options that `--help` lists without a word on what they do."""
    parser = ArgumentParser(prog="x", exit_on_error=False)
    add = parser.add_class_arguments if inspect.isclass(target) else parser.add_function_arguments
    add(target)
    entries = re.split(r"\n  (?=-)", parser.format_help().partition("\n\n")[2])
    # An entry is the option, then its text; jsonargparse appends the type and the default in brackets.
    found = {}
    for entry in entries[1:]:
        option, _, text = " ".join(entry.split("\n\n")[0].split()).partition(" ")
        words = re.sub(r"^(\{.*?\}|\[.*?\]|[A-Z_,.\[\] |]+(?= ))", "", text).strip()
        found[option] = words
    return [option for option, text in found.items() if re.match(r"\(|$", text)]


class Silent:
    """Documents nothing.

    Args:
        spoken: What is said.
    """

    def __init__(self, spoken: int = 1, silent: int = 2, choice: bool = True) -> None: ...


def test_an_undocumented_argument_is_found() -> None:
    assert undocumented(Silent) == ["--silent", "--choice"]


@pytest.mark.parametrize(
    "target", [*CLASSES, app, audit, benchmark, compare, interpolate, shard], ids=lambda item: item.__name__
)
def test_every_argument_is_documented(target: Callable[..., object]) -> None:
    assert undocumented(target) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code in (0, None)
    out, err = capsys.readouterr()
    assert re.match(rf"usage: inbetween (\[options\] )?{command} ", out)
    assert err == ""


def test_version_and_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
    assert main([]) == 2
    assert "usage: python -m inbetween COMMAND" in capsys.readouterr().out


def test_help_takes_less_than_two_seconds() -> None:
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "inbetween", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=inbetween.data.__path__[0] + "/../..",
    )
    assert time.perf_counter() - start < 2
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w+", ended.stdout, re.MULTILINE)


def test_a_reader_may_stop_reading() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "inbetween", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # before it writes
    assert process.stderr.read() == b""
    assert process.wait() == 0
