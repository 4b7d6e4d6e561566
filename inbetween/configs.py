"""YAML files, and the ones that they name as their base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from inbetween.errors import UserError
from inbetween.paths import find_config

BASE = "base"  # the key


def read_config(path: Path) -> dict[str, Any]:
    """A YAML file's keys, laid over those of the file that it names as its `base`, and so on: see `merged`.

    A base is looked for beside the file that names it, then as `find_config` does.

    Raises:
        UserError: A file cannot be read, is no YAML with keys, or is a base of itself.
    """
    return _with_bases(path, ())


def _with_bases(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    keys = read_yaml(path)
    if BASE not in keys:
        return keys
    name = keys.pop(BASE)
    if not isinstance(name, str):
        raise UserError(f"{BASE} of {path} is {name}: give a YAML file.")
    beside = path.parent / name
    below = beside if beside.is_file() else find_config(name)
    above = (*above, path.resolve())
    if below.resolve() in above:
        raise UserError(f"{path} names {name} as its {BASE}, which stands on {path.name} itself.")
    return merged(_with_bases(below, above), keys)


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested keys of two YAML files, those of `over` winning.

    Lists replace; `key+` appends to `key`. Another class brings its arguments along.
    """
    result = dict(under)
    for key, value in over.items():
        old = under.get(key)
        if isinstance(under.get(key.removesuffix("+")), list) and key.endswith("+"):
            result[key[:-1]] = under[key[:-1]] + value
        elif isinstance(old, dict) and isinstance(value, dict):
            classes = {keys["class_path"] for keys in (old, value) if "class_path" in keys}
            result[key] = merged(old, value) if len(classes) < 2 else value
        else:
            result[key] = value
    return result


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's keys.

    Raises:
        UserError: It cannot be read, or is no YAML with keys.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text: give a YAML file.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", error)).split())
        raise UserError(f"{path} is no valid YAML{place}: {reason}.") from error
    if contains_itself(content):
        raise UserError(f"{path} has a key that contains itself: write out what the alias stands for.")
    if not isinstance(content, dict):
        raise UserError(f"{path} has no keys: give a YAML file such as the shipped exp1.yaml.")
    return content


def contains_itself(content: Any, above: tuple[int, ...] = ()) -> bool:  # noqa: ANN401 - YAML
    """Whether a YAML alias stands for something around it."""
    if not isinstance(content, dict | list):
        return False
    inside = content.values() if isinstance(content, dict) else content
    here = (*above, id(content))
    return id(content) in above or any(contains_itself(value, here) for value in inside)
