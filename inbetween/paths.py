"""Paths of shipped files, in a checkout and in an installed wheel, and of the user's cache."""

import os
from pathlib import Path

from inbetween.errors import UserError

PACKAGE = Path(__file__).resolve().parent


def cached(name: str) -> Path:
    """A file or folder of the user's cache; it may not exist.

    The cache is `~/.cache/inbetween`, or `inbetween` in the folder that XDG_CACHE_HOME names.

    Raises:
        UserError: The user has no home folder, and XDG_CACHE_HOME is not set.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not root.is_absolute():  # by its specification a relative path is ignored
        try:
            root = Path.home() / ".cache"
        except RuntimeError:
            raise UserError(
                "This user has no home folder for a cache: set XDG_CACHE_HOME to a folder."
            ) from None
    return root / "inbetween" / name


def cache_folder(given: Path | None, name: str) -> Path:
    """The folder `given`, or `name` in the user's cache: see `cached`."""
    return cached(name) if given is None else Path(given).expanduser()


def shipped(*parts: str) -> Path:
    """A file or folder that ships: `shipped("configs", "exp1.yaml")`; it may not exist."""
    installed = PACKAGE.joinpath(*parts)
    return installed if installed.exists() else PACKAGE.parent.joinpath(*parts)


def _found(name: str | Path, folder: str) -> Path | None:
    """The file `name`: as given, or in a shipped folder."""
    given = Path(name).expanduser()
    if given.is_file():
        return given
    ours = shipped(folder, *given.parts)
    return ours if not given.is_absolute() and ours.is_file() else None


def find_config(name: str | Path) -> Path:
    """The YAML file `name`: as given, or in the shipped `configs` folder.

    Raises:
        UserError: It is in neither.
    """
    path = _found(name, "configs")
    if path is None:
        folder = shipped("configs")
        known = ", ".join(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")))
        raise UserError(f"There is no config file {name}; give a path, or one of those that ship: {known}.")
    return path


def find_checkpoint(name: str | Path) -> Path:
    """The checkpoint `name`: as given, or in the shipped `checkpoints` folder.

    Raises:
        UserError: It is in neither.
    """
    path = _found(name, "checkpoints")
    if path is None:
        raise UserError(f"There is no checkpoint {name}; `fit` writes them below logs/.")
    return path
