"""A source of your own: all frames in one folder, named <shot>_<number>.png."""

import re
from itertools import groupby
from pathlib import Path

from inbetween.data import Scene, SceneSource
from inbetween.data.scenes import existing_folder, split_by_name
from inbetween.errors import UserError
from inbetween.io.listing import frames_in
from inbetween.types import Split


class NumberedShots(SceneSource):
    """Frames `<shot>_<number>.<suffix>` in one folder; every shot is an animation of one scene.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __str__(self) -> str:
        return str(self.root)

    def scenes(self, split: Split) -> list[Scene]:
        """The shots of a split, in natural order; splits are assigned by a hash of the shots' names.

        Raises:
            UserError: The folder is not there, or holds no such frames.
        """
        frames = [path for path in frames_in(existing_folder(self.root)) if re.search(r"_\d+$", path.stem)]
        if not frames:
            raise UserError(f"{self.root} has no frames named <shot>_<number>.png.")
        shots = groupby(frames, key=lambda path: path.stem.rpartition("_")[0])
        found = [Scene(shot, "", "", tuple(paths)) for shot, paths in shots]
        return split_by_name(found)[split]
