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
from inbetween.errors import UserError
from inbetween.io.animation import Playing, encode_animation
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


def encode_playing(kind: Playing, paths: Sequence[Path], hold: int, fps: float) -> bytes:
    """A file that plays; MP4 shows each held drawing several times, the others show it for longer."""
    if kind == "mp4":
        return encode_animation([path for path in paths for _ in range(hold)], kind, 1 / fps)
    return encode_animation(paths, kind, hold / fps)


#: What can be downloaded, by suffix.
FORMATS = {
    "zip": Format("PNG files (zip)", encode_zip),
    "mp4": Format("MP4", partial(encode_playing, "mp4")),
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
        look = project.look()
    found = [picture for picture in pictures if picture]
    if missing := len(pictures) - len(found):
        some = f"{missing} drawings are" if missing > 1 else "1 drawing is"
        raise UserError(f"{some} not made yet: press Draw first.")
    try:
        paths = [
            (picture if picture.look == look else project.pictures.add(picture.read(), look)).path
            for picture in found
        ]
        content = FORMATS[suffix].encode(paths, hold, fps)
        write_whole(project.folder / f"animation.{suffix}", content)
    except UserError as error:  # where it names a key of the command line
        raise UserError(str(error).replace(" with --write", "")) from None
    except OSError as error:
        raise UserError(f"The file cannot be written ({error.strerror or error}): make room.") from error
    return f"animation.{suffix}"
