"""What `interpolate` writes beside the frames, to see them together: at which rate, and whether it can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, cast

from inbetween.commands.sequence_folder import SequenceFolder
from inbetween.errors import UserError
from inbetween.io.animation import FASTEST, MOST_PLAYS, SLOWEST, Playing, check_animation

Written = Literal["webp", "gif", "apng", "mp4", "sheet", "none"]


class Playback:
    """The files that show a job's frames together.

    Args:
        write: Their kinds; none of them, or `none` alone, for no file.
        fps: Frames a second as given; None to follow the keyframes.
        plays: How often a file plays; 0 is for ever.

    Raises:
        UserError: One is out of range, or `none` is not alone.
    """

    def __init__(self, write: Sequence[Written], fps: float | None, plays: int) -> None:
        if "none" in write and len(write) > 1:
            raise UserError(f"write is {' '.join(write)}: give none alone, or leave it out.")
        if fps is not None and not SLOWEST <= fps <= max(FASTEST.values()):
            raise UserError(f"fps is {fps:g}: give {SLOWEST:g} to {max(FASTEST.values()):g} frames a second.")
        if not 0 <= plays <= MOST_PLAYS:
            raise UserError(f"plays is {plays}: give 0 (for ever) to {MOST_PLAYS}.")
        self.kinds = [cast(Playing, kind) for kind in dict.fromkeys(write) if kind not in ("none", "sheet")]
        self.sheet = "sheet" in write
        self.fps, self.plays = fps, plays

    def check(self, size: tuple[int, int], count: int, hold: int) -> None:
        """Check that all can be written, before anything is.

        Args:
            size: Height and width of the frames.
            count: Number of frames.
            hold: How often each is shown.

        Raises:
            UserError: Frames are too large or too many, or `fps` is too high for a kind.
        """
        for kind in self.kinds:
            check_animation(kind, size, count, self.plays)
            if self.fps and self._too_fast(kind, self.fps, hold):
                raise UserError(
                    f"fps is {self.fps:g}, and {kind} shows {FASTEST[kind]:g} images a second at most: give"
                    " less, or another format with --write."
                )

    def write(
        self, folder: SequenceFolder, count: int, followed: float, keyframes: set[int]
    ) -> Iterator[str]:
        """Write all files.

        Args:
            folder: The finished frames.
            count: Number of frames.
            followed: Frames a second where none are given.
            keyframes: Numbers of those that are keyframes.

        Yields:
            A warning for a file that plays slower.
        """
        for kind in self.kinds:
            fps = self.fps or max(followed, SLOWEST)
            if self._too_fast(kind, fps, folder.hold):
                fastest = FASTEST[kind] * (1 if kind == "mp4" else folder.hold)
                yield (
                    f"warning: {kind} plays at {fastest:g} frames a second, slower than the keyframes' own"
                    f" {fps:g}: the format has no more"
                )
                fps = fastest
            folder.play(count, kind, fps, self.plays)
        if self.sheet:
            folder.write_sheet(count, keyframes)

    @staticmethod
    def _too_fast(kind: Playing, fps: float, hold: int) -> bool:
        return fps / (1 if kind == "mp4" else hold) > FASTEST[kind]
