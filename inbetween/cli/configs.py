"""The YAML files of a command line."""

from pathlib import Path

from inbetween.commands.methods import read_yaml
from inbetween.paths import find_config


def resolve_configs(args: list[str]) -> list[str]:
    """Replace the names behind --config and -c by paths; see `find_config`."""
    resolved, is_config = [], False
    for arg in args:
        option, equals, value = arg.partition("=")
        if is_config:
            resolved.append(str(readable_config(arg)))
        elif equals and option in {"--config", "-c"}:
            resolved.append(f"{option}={readable_config(value)}")
        else:
            resolved.append(arg)
        is_config = arg in {"--config", "-c"}
    return resolved


def readable_config(name: str) -> Path:
    """`find_config`, and a look whether it is YAML: jsonargparse's complaint does not name the file."""
    path = find_config(name)
    read_yaml(path)
    return path
