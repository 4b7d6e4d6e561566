"""Scenes rendered from Lottie files: vector animation as JSON."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from inbetween.data import lottie_frames
from inbetween.data.scenes import Scene
from inbetween.data.unpacked import UnpackedScenes
from inbetween.errors import UserError
from inbetween.paths import cache_folder

TIMEOUT = 300.0  # seconds for one file; some keep the renderer busy for ever

_VERSION = 1  # of the frames written here


class LottieScenes(UnpackedScenes):
    """Lottie files (`.json`, `.tgs`) in a folder, nested as you like: each is an animation of one scene.

    Every file is rendered once, by rlottie in a process of its own, to PNG files with transparency that are
    kept in `cache_dir`: all frames at the animation's own rate, mostly 25 to 60 a second, where
    neighbours differ little; larger `gaps` of the data module make larger motions of them. Files that
    the renderer refuses, crashes on or does not finish are left out with a warning, and remembered.

    Where `train`, `val` or `test` lie right below the root, and no file beside them, they are the splits;
    else animations are split by a hash of their path without the suffix, about 80 : 10 : 10. Without a
    test split, `test` means val.

    Args:
        root: The folder.
        exclude: Names of files to leave out, for example those of an evaluation set.
        side: Pixels of the longer side rendered at. Windows shrink frames, they never gain detail: give the
            window's longer side, divided by the share that a random crop keeps, or more.
        cache_dir: Folder of the rendered frames, which may be deleted between runs; None takes `lottie` in
            the user's cache, which is `~/.cache/inbetween`, or as XDG_CACHE_HOME says.

    Raises:
        UserError: A side out of range.
    """

    suffixes = frozenset({".json", ".tgs"})
    noun = "Lottie file"
    verb = ("Rendering", "rendered")

    def __init__(
        self,
        root: Path,
        exclude: list[str] | None = None,
        side: int = 512,
        cache_dir: Path | None = None,
    ) -> None:
        super().__init__(root, exclude, side, cache_folder(cache_dir, "lottie"))

    def unpacker(self) -> str:
        """See `UnpackedScenes.unpacker`."""
        try:
            return f"{_VERSION} {version('rlottie-python')}"
        except PackageNotFoundError:
            raise UserError(
                "Lottie files need the renderer rlottie-python: pip install rlottie-python."
            ) from None

    def unpack(self, file: Path, folder: Path) -> str | None:
        """See `UnpackedScenes.unpack`."""
        return _run_renderer(file, folder, self.side)

    def scene(self, file: Path, root: Path, frames: tuple[Path, ...]) -> Scene:
        """`<path without suffix>/<suffix>`: what is there as .json and as .tgs is one animation."""
        animation = file.relative_to(root).with_suffix("").as_posix()
        return Scene(animation, file.suffix.lower()[1:], "", frames)


def _run_renderer(file: Path, folder: Path, side: int) -> str | None:
    """Render a file into a folder; why that cannot be done, or None.

    Raises:
        UserError: Something is wrong that is not the file's fault.
    """
    # -P: modules beside the script must not pass for others of their names
    command = [sys.executable, "-P", lottie_frames.__file__, str(file.resolve()), str(folder), str(side)]
    try:
        run = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"not done after {TIMEOUT:.0f} seconds"
    said = run.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
    if run.returncode == 1:  # an exception of Python's
        raise UserError(f"Rendering {file} failed ({said[-1]}): reinstall rlottie-python, or make room.")
    if run.returncode == lottie_frames.REFUSED:
        return said[-1]
    return "crashes the renderer" if run.returncode else None
