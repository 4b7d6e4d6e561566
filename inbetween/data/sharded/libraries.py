"""The libraries that shards need, which the extra `shards` installs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from inbetween.errors import UserError


def needed(module: str) -> Any:  # noqa: ANN401 - a module
    """A module of an optional library.

    Raises:
        UserError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        library = module.partition(".")[0]
        raise UserError(
            f'Shards need {library}, which is not installed: pip install "inbetween[shards]".'
        ) from None
