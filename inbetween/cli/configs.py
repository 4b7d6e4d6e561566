"""The YAML files of a command line."""

import yaml

from inbetween.configs import BASE, read_config, read_yaml
from inbetween.paths import find_config


def resolve_configs(args: list[str]) -> list[str]:
    """Replace what follows --config and -c: by a path (see `find_config`), or by YAML where it has a base."""
    resolved, is_config = [], False
    for arg in args:
        option, equals, value = arg.partition("=")
        if is_config:
            resolved.append(resolved_config(arg))
        elif equals and option in {"--config", "-c"}:
            resolved.append(f"{option}={resolved_config(value)}")
        else:
            resolved.append(arg)
        is_config = arg in {"--config", "-c"}
    return resolved


def resolved_config(name: str) -> str:
    """The path of a YAML file, or all keys of one that names a `base`, as jsonargparse takes both.

    It is read here as well, since jsonargparse's error for a file that is no YAML does not name the file.
    """
    path = find_config(name)
    return yaml.safe_dump(read_config(path), sort_keys=False) if BASE in read_yaml(path) else str(path)
