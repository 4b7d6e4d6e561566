"""Scenes from video files."""

from pathlib import Path

from inbetween.data.scenes import Scene
from inbetween.data.unpacked import UnpackedScenes
from inbetween.io.video import write_video_frames
from inbetween.paths import cache_folder

_VERSION = 1  # of the frames written here


class VideoScenes(UnpackedScenes):
    """Video files (`.mp4`, `.mov`, `.mkv`, `.webm`, `.avi`, `.m4v`, `.gif`) in a folder, nested as you like.

    Every file is a scene; it is split at its cuts, and held frames count once
    (`collapse_holds`). The folder right below the root names the animation, or the file where it lies in the
    root itself. Each file is decoded once, to PNG files that are kept in `cache_dir`; files that cannot be
    decoded are left out with a warning, and remembered.

    Where `train`, `val` or `test` lie right below the root, and no file beside them, they are the splits,
    and the animations lie below them; else animations are split by a hash of their name, about
    80 : 10 : 10. Without a test split, `test` means val.

    Args:
        root: The folder.
        exclude: Names of files to leave out, for example those of an evaluation set.
        side: Pixels of the longer side that frames are kept at; smaller videos keep their size. Give the
            window's longer side, divided by the share that a random crop keeps, or more.
        cache_dir: Folder of the decoded frames, which may be deleted between runs; None takes `video` in the
            user's cache, which is `~/.cache/inbetween`, or as XDG_CACHE_HOME says.

    Raises:
        UserError: A side out of range.
    """

    suffixes = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif"})
    noun = "video file"
    verb = ("Decoding", "decoded")

    def __init__(
        self,
        root: Path,
        exclude: list[str] | None = None,
        side: int = 512,
        cache_dir: Path | None = None,
    ) -> None:
        super().__init__(root, exclude, side, cache_folder(cache_dir, "video"))

    def unpacker(self) -> str:
        """See `UnpackedScenes.unpacker`."""
        return f"video {_VERSION}"

    def identity(self, file: Path) -> bytes:
        """Path, bytes and time of change: videos are too large to be read for that."""
        status = file.stat()
        return f"{file.resolve()} {status.st_size} {status.st_mtime_ns}".encode("utf-8", "surrogateescape")

    def unpack(self, file: Path, folder: Path) -> str | None:
        """See `UnpackedScenes.unpack`."""
        return write_video_frames(file, folder, self.side)

    def scene(self, file: Path, root: Path, frames: tuple[Path, ...]) -> Scene:
        """`<folder>/<path below it without suffix>`, or `<name>` of a file in the root itself."""
        place = file.relative_to(root)
        animation, *below = place.parts
        if not below:
            return Scene(place.stem, place.suffix.lower()[1:], "", frames)
        return Scene(animation, "/".join([*below[:-1], file.name]), "", frames)
