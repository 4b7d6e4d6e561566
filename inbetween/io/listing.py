"""Files and folders in natural order."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from inbetween.io.images import SUFFIXES


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts 2 before 10 and does not mind the case of letters."""
    parts = re.split(r"(\d+)", name)
    key = [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part]
    return [*key, (2, 0, name)]  # the name itself last, so that no two names are equal


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder, in natural order, without hidden ones and what archivers leave behind."""
    found = (path for path in folder.iterdir() if not _is_litter(path.name) and path.is_dir())
    return sorted(found, key=lambda path: natural_key(path.name))


def frames_in(folder: Path) -> tuple[Path, ...]:
    """Images in a folder, in natural order."""
    return files_in(folder, SUFFIXES)


def files_in(folder: Path, suffixes: frozenset[str]) -> tuple[Path, ...]:
    """Files in a folder whose suffix, in small letters, is one of `suffixes`, in natural order."""
    return _in_order(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def files_beside(folder: Path, suffixes: frozenset[str]) -> tuple[Path, ...]:
    """The other files in a folder, in natural order."""
    return _in_order(path for path in folder.iterdir() if path.suffix.lower() not in suffixes)


def _in_order(paths: Iterable[Path]) -> tuple[Path, ...]:
    files = (path for path in paths if not _is_litter(path.name) and path.is_file())
    return tuple(sorted(files, key=lambda path: natural_key(path.name)))


def walk(root: Path) -> list[Path]:
    """`root` and all folders below it in natural order; links are followed, loops are not."""
    seen: set[str] = set()
    found: list[Path] = []
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        place = os.path.realpath(folder)
        if place not in seen:
            seen.add(place)
            found.append(folder)
            waiting.extend(reversed(subfolders(folder)))
    return found


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db")
