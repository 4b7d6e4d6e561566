"""Translates errors that are users' mistakes into one sentence each.

The project's own checks raise `UserError`. Errors of libraries are translated here, by where they were raised
and not by their text: missing memory, files that cannot be used, classes that cannot be instantiated with the
given keys, and what Lightning refuses before a run's first step or in its own callbacks. All others are
faults of the program, and keep their traceback.
"""

from __future__ import annotations

import re
import sysconfig
import traceback
from types import FrameType

from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningCLI

from inbetween.errors import UserError, user_error_behind
from inbetween.io.files import full_disk

# Where Python and libraries are installed.
INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
SITE_PACKAGES = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib")})
READS_KEYS = ("argparse", "importlib")  # of Python's own
#: What libraries raise for invalid arguments. Others (KeyError, AssertionError, ...) are faults.
REFUSALS = (
    MisconfigurationException,
    ValueError,
    TypeError,
    RuntimeError,
    ImportError,
    NotImplementedError,
)
SMALLER = {
    "interpolate": "give smaller keyframes",
    "benchmark": "lower --sizes or --batch_size",
}
ELSEWHERE = {
    "adapt": "--output",
    "interpolate": "--output",
    "compare": "--output",
    "audit": "--output",
    "shard": "--output",
    "benchmark": "--output",
    "fetch-weights": "XDG_CACHE_HOME",
}
# messages of torch for CPUs and GPUs, and of OpenCV; numpy raises MemoryError
NO_MEMORY = re.compile(
    r"out of memory|can't allocate memory|not enough memory|Unable to allocate|ALLOC_FAILED"
    r"|Insufficient memory"
)

# Parts of jsonargparse's messages that are removed or shortened.
REMOVED = (
    (r" - Not a valid subclass of .*", ""),
    (r"- Expected a path but .+? either not accessible or invalid - ", ""),
    (r"<class '(?:[\w.]+\.)?(\w+)'>", r"\1"),
    (r"\b(typing|collections\.abc)\.", ""),
    (r", NoneType\]", "]"),
    (r"\b(fit|validate|test|predict)\.(?=data|model)", ""),
)
# jsonargparse's messages, and what replaces them.
REWORDED = (
    (r"[Uu]nrecognized arguments: (--\S+).*", r"There is no key \1"),
    (r"[Uu]nrecognized arguments: (.*)", r"\1 is no key and belongs to none"),
    (r"Subcommand '\w+' does not accept option '(.+?)'", r"There is no key \1"),
    (r"Option '(.+?)' is not accepted.*", r"There is no key \1"),
    (r"Parser key \"(.+?)\": Unable to load config '(.+?)'.*", r"\1 is \2, which holds no keys"),
    (
        r".*?Problem with given class_path '(.+?)': (?:Parser key .*)?Option '(.+?)' is not accepted.*",
        r"\1 has no key \2",
    ),
    (r".*module '(\S+)' has no attribute '(\w+)'.*", r"There is no class \2 in \1"),
    (
        r".*?Problem with given class_path '(.+?)': No module named '(.+?)'.*",
        r"There is no class \1: no module \2",
    ),
    (r".*?Import path (\S+) does not correspond to a subclass of (\w+).*", r"\1 is no \2"),
    (r".*Expected '(\S+)' to be a subclass of (\w+).*", r"\1 is no \2"),
    (
        r"Parser key \"([^\"]+)\"(?: element \d+)?: Expected an? (.+?)\. Got value: (.*)",
        r"\1 is \3, expected \2",
    ),
    (
        r"Parser key \"([^\"]+)\": Does not validate against any of the Union subtypes"
        r" Subtypes: \[(.+?)\] Errors: .*?Given value: (.*)",
        r"\1 is \3, expected \2",
    ),
    (r".*?Problem with given class_path '(.+?)': (?!Parser key)(.+?)( - .*|$)", r"\1 cannot be made: \2"),
    (
        r"the following arguments are required: (.+)",
        r"Required keys are missing: \1; give an experiment such as --config exp1.yaml",
    ),
)
CLASS_KEY = (
    r".*?Problem with given class_path '(.+?)': ((?:Parser key .*)?Parser key \"[^\"]+\": )"
    r"(?:Does not validate against any of the Union subtypes Subtypes: \[(.+?)\] Errors: .*?Given value"
    r"|Expected an? ([^.]+)\. Got value): (.+?)(?: - .*|\. Got value.*|$)"
)


def mistake_behind(error: Exception, command: str, unnamed: str = "A file") -> UserError | None:
    """The user's mistake that caused an error of a command; None where there is none.

    Args:
        error: Any.
        command: What was run.
        unnamed: See `full_disk`.
    """
    if found := user_error_behind(error):
        return found
    if isinstance(error, ArgumentError) and refused_by_library(error):
        return UserError(one_sentence(error))
    if short := shortage(error):
        smaller = SMALLER.get(command, "lower data.batch_size, data.val_batch_size or data.size")
        return UserError(f"There is not enough memory ({reason(short)}): {smaller}.")
    if full := full_disk(error, unnamed):
        return UserError(f"{full}: make room, then give the same command again.")
    if isinstance(error, OSError) and error.filename is not None and not of_a_users_module(error):
        elsewhere = ELSEWHERE.get(command, "trainer.logger's save_dir or trainer.default_root_dir")
        why = error.strerror or type(error).__name__
        return UserError(
            f"{error.filename} cannot be used ({why}): fix it or, where it is to be written, give another"
            f" place with {elsewhere}."
        )
    if refused_by_lightning(error):
        return UserError(f"This run cannot be done: {reason(error)}.")
    return None


def shortage(error: BaseException | None) -> BaseException | None:
    """The error, or its cause, that reports missing memory, of the machine or of a GPU."""
    if error is None or isinstance(error, MemoryError):
        return error
    reports_memory = isinstance(error, RuntimeError | OSError) or type(error).__module__ == "cv2"
    return error if reports_memory and NO_MEMORY.search(str(error)) else shortage(error.__cause__)


def refused_by_library(error: BaseException) -> bool:
    """Whether a library raised the root cause of an error, not the program or a class of the user's.

    What a user's class raises in its constructor is its own fault, whatever its arguments; except for an
    unknown keyword argument that it only passes on to its base class.
    """
    while error.__cause__:
        error = error.__cause__
    frames = _frames(error)
    if not frames or _is_installed(frames[-1], SITE_PACKAGES) or _module(frames[-1]) in READS_KEYS:
        return True
    if frames[-1].f_code.co_name == "__getattr__":  # of a module that does not have the class
        return isinstance(error, AttributeError)
    unknown = re.search(r"got an unexpected keyword argument '(\w+)'", str(error))
    made = next((frame for frame in frames if frame.f_code.co_name == "__init__"), frames[-1])
    given = [value for value in made.f_locals.values() if isinstance(value, dict)]
    return unknown is not None and any(unknown[1] in options for options in given)


def of_a_users_module(error: BaseException) -> bool:
    """Whether a file was opened by a module of the user's own, and not by this program."""
    for frame in reversed(_frames(error)):
        if _module(frame) in {"inbetween", "lightning", "jsonargparse"}:
            return False
        if not _is_installed(frame, INSTALLED):
            return True
    return False


def _frames(error: BaseException) -> list[FrameType]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def _is_installed(frame: FrameType, places: tuple[str, ...]) -> bool:
    """Whether a stack frame is of Python or a library; this project's own are not, even if installed."""
    file = frame.f_code.co_filename
    return _module(frame) != "inbetween" and file.startswith((*places, "<frozen"))


def refused_by_lightning(error: Exception) -> bool:
    """Whether Lightning refuses its arguments, and the error is not of a method's step.

    The error is one of `REFUSALS` that Lightning raises itself, with only libraries on the stack, before the
    first step of a loop, or in a callback, logger or profiler of Lightning's.
    """
    if not isinstance(error, (*REFUSALS, OSError)):
        return False
    frames = _frames(error)
    modules = [str(frame.f_globals.get("__name__")) for frame in frames]
    names = [frame.f_code.co_name for frame in frames]
    # only stack frames below the command line's own matter
    ours = (place for place, module in enumerate(modules) if module.startswith("inbetween.cli."))
    behind = max(ours, default=-1) + 1
    modules, names = modules[behind:], names[behind:]
    if not modules or not modules[-1].startswith(("lightning.", "torch.optim.")):
        return False
    if not all(module.partition(".")[0] in {"lightning", "torch", "contextlib"} for module in modules):
        return False  # code of a method, a callback or a source: ours, or the user's own
    components = (
        "lightning.pytorch.callbacks.",
        "lightning.pytorch.loggers.",
        "lightning.pytorch.profilers.",
    )
    steps = {"advance", "_evaluation_step", "_predict_step"}
    return any(module.startswith(components) for module in modules) or not steps.intersection(names)


def not_made(error: Exception, what: str) -> UserError | None:
    """The mistake where a library refuses the values of keys; None for a fault of the program.

    Args:
        error: One of `REFUSALS`.
        what: Which keys, unless the class that refuses them is known.
    """
    if not refused_by_library(error):
        return None
    text = reason(error)
    if text.startswith("There is no") or " cannot be made: " in text:
        return UserError(f"{text}; choose another one, or install what it needs.")
    return UserError(f"{_class_that_raised(error) or what} cannot be made: {text}; change its keys.")


def _class_that_raised(error: BaseException) -> str | None:
    """The class whose constructor raised an error, if any."""
    while error.__cause__:
        error = error.__cause__
    for frame in _frames(error):
        made = frame.f_locals.get("self")
        if frame.f_code.co_name == "__init__" and not isinstance(made, LightningCLI):
            return type(made).__name__
    return None


def reason(error: BaseException) -> str:
    """The reason in one line: at most two sentences of a library's message, without a full stop."""
    message = str(error).strip() or type(error).__name__
    if message.startswith("Caught "):  # by a data worker: torch adds its traceback
        message = message.splitlines()[-1].partition(": ")[2]
    text = " ".join(message.split()).replace("`", "")
    text = re.sub(r"\[enforce fail at .*?\] .*?== \S+\. |\. Error code \d+ \(.*?\)", "", text)
    text = re.sub(r"Does not validate .*?Errors: - (.+?)( - Expected .*| Given value.*)", r"\1", text)
    found = re.split(r"(?<=[a-z0-9)'\]])[.;] (?=[A-Z])", reworded(text))
    return "; ".join(found[:2])[:400].rstrip(". !")


def reworded(text: str) -> str:
    """A message reworded by the first of `REWORDED` that matches; keys of a class are named with it."""
    for pattern, words in REMOVED:
        text = re.sub(pattern, words, text)
    # a class whose keys have values of other types
    if found := re.fullmatch(CLASS_KEY, text):
        keys = ".".join(re.findall(r'Parser key "(.+?)"', found[2]))
        return f"{keys} of {found[1]} is {found[5]}, expected {_in_words(found[3] or found[4])}"
    for pattern, words in REWORDED:
        if found := re.fullmatch(pattern, text):
            before, expected, kind = found.expand(words).rpartition(", expected ")
            return f"{before}{expected}{_in_words(kind) if expected else kind}"
    return text


def _in_words(kind: str) -> str:
    """A Python type in plain words."""
    kind = re.sub(r"Literal\[(.+?)\]", lambda found: "one of " + found[1].replace("'", ""), kind)
    return {"int": "a whole number", "float": "a number", "bool": "true or false"}.get(kind, kind)


def one_sentence(error: ArgumentError) -> str:
    """The message of jsonargparse in one line, without the types that it tried."""
    return f"{reworded(' '.join(str(error).split()).rstrip('.'))}; `--help` lists the keys."
