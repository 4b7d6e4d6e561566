"""Files that a command reads: whether they are still what they were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inbetween.errors import UserError
from inbetween.io.sequences import SourceImage


def file_state(path: Path) -> list[Any]:
    """Path, size and modification time of a file, as JSON values."""
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]


def state_of(source_image: SourceImage) -> list[Any]:
    """The state of an image's file, and the image's index in it."""
    state = file_state(source_image.path)
    return state if source_image.frame is None else [*state, source_image.frame]


def check_unchanged(states: Mapping[Path, list[Any]]) -> None:
    """Check that files are what they were when the command began: frames would be of other keyframes.

    Args:
        states: Each file's `file_state`.

    Raises:
        UserError: One has been changed or removed.
    """
    for path, state in states.items():
        if not path.exists() or file_state(path) != state:
            raise UserError(
                f"{path} has been changed or removed since the command began: give the same command again,"
                " with --overwrite true."
            )
