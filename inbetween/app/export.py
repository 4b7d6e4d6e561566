"""A finished sequence as one file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from inbetween.app.project import Project
from inbetween.app.sequence import sequence_of
from inbetween.commands.animation import Animation, check_animation, encode_animation
from inbetween.errors import UserError
from inbetween.io.files import write_whole


class Format(NamedTuple):
    """A kind of file.

    Args:
        label: What the page calls it.
        encode: Makes it of the PNG files in order, how often each is shown, and the frames a second.
    """

    label: str
    encode: Callable[[Sequence[Path], int, float], bytes]


def encode_zip(paths: Sequence[Path], hold: int, fps: float) -> bytes:
    """PNG files with the names that `interpolate` gives them, each as often as it is held."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        for number in range(len(paths) * hold):
            archive.writestr(f"{number:04d}.png", paths[number // hold].read_bytes())
    return content.getvalue()


def encode_playing(animation: Animation, paths: Sequence[Path], hold: int, fps: float) -> bytes:
    """A file that plays."""
    return encode_animation(paths, animation, hold / fps)


#: What can be downloaded, by suffix; `check_animation` knows those that play.
FORMATS = {
    "zip": Format("PNG files (zip)", encode_zip),
    "gif": Format("GIF", partial(encode_playing, "gif")),
    "webp": Format("WebP", partial(encode_playing, "webp")),
}


def export(project: Project, suffix: str) -> str:
    """Write the sequence as one file in the project's folder.

    Args:
        project: All of its drawings are made.
        suffix: A key of `FORMATS`.

    Returns:
        The file's name.

    Raises:
        UserError: Something is missing, or the format cannot hold the sequence.
    """
    if suffix not in FORMATS:
        raise UserError(f"There is no format {suffix}: choose one of {', '.join(FORMATS)}.")
    with project.lock:
        pictures = [frame.picture for frame in sequence_of(project)]
        hold, fps = project.hold, project.fps
    if len(pictures) < 2:
        raise UserError("There is no sequence yet: drop two keyframes.")
    paths = [picture.path for picture in pictures if picture]
    if missing := len(pictures) - len(paths):
        some = f"{missing} drawings are" if missing > 1 else "1 drawing is"
        raise UserError(f"{some} not made yet: press Draw first.")
    if suffix != "zip":
        check_animation(suffix, fps, project.keyframes[0].picture.size)  # type: ignore[arg-type]
    try:
        content = FORMATS[suffix].encode(paths, hold, fps)
        write_whole(project.folder / f"animation.{suffix}", content)
    except OSError as error:
        raise UserError(f"The file cannot be written ({error.strerror or error}): make room.") from error
    return f"animation.{suffix}"
