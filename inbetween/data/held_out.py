"""Sequences of one folder, some drawings of which are kept out of training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from inbetween.data.scenes import Scene, existing_folder
from inbetween.data.source import WindowDataset, WindowSource, WindowSpec
from inbetween.data.store import StoredScene
from inbetween.data.windows import SceneWindows
from inbetween.errors import UserError
from inbetween.io.listing import frames_in
from inbetween.types import Split


class HeldOutScenes(WindowSource):
    """Windows of chosen folders for training, except of the drawings that are held out.

    Validation and test have the windows that lie wholly within the held-out drawings. Training has those
    that touch none of them, no neighbour up to `margin` away, and no drawing that looks the same: animation
    returns to its poses, and a drawing that is in training is no test.

    Args:
        root: The folder that all others are in.
        folders: Folders of one sequence each, as paths below the root; `.` is the root itself.
        held_out: Folders with the numbers, from 0, of the first and the last drawing held out of each.
        margin: Drawings next to those held out that training leaves out, too; a held drawing counts once.

    Raises:
        UserError: A folder is held out that is not among `folders`.
    """

    def __init__(
        self,
        root: Path,
        folders: Sequence[str],
        held_out: Mapping[str, tuple[int, int]] | None = None,
        margin: int = 4,
    ) -> None:
        self.root, self.folders, self.margin = Path(root), tuple(folders), margin
        self.held_out = dict(held_out or {})
        for folder in self.held_out:
            if folder not in self.folders:
                raise UserError(f"held_out has {folder}, which is none of the folders: add it to them.")

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        """Windows of a split; decodes sequences that are not in the store yet.

        Raises:
            UserError: There is no such folder, a drawing cannot be used, or no window is left.
        """
        root = existing_folder(self.root)
        scenes = []
        for folder in self.folders:
            frames = frames_in(existing_folder(root / folder))
            if not frames:
                raise UserError(f"{root / folder} has no images: put the drawings back, or leave it out.")
            scenes.append(Scene(folder, "", "", frames))
        windows = _Chosen(scenes, spec, self, training=split == "train")
        if not windows.windows:
            part = "for training" if split == "train" else "among the drawings held out"
            raise UserError(f"{root} has no window {part}: hold out fewer drawings, or add a sequence.")
        return windows


class _Chosen(SceneWindows):
    """Windows of one side of the border between training and what is held out."""

    def __init__(self, scenes: list[Scene], spec: WindowSpec, source: HeldOutScenes, training: bool) -> None:
        super().__init__(scenes, spec)
        self.margin = source.margin
        bounds = [source.held_out.get(scene.animation) for scene in scenes]
        if not training:
            self.windows = [one for one in self.windows if _within(one[1], bounds[one[0]])]
            return
        held = {
            digest
            for stored, span in zip(self.scenes, bounds, strict=True)
            if span is not None
            for digest in _digests(stored)[span[0] : span[1] + 1]
        }
        ranks = [_ranks(stored) for stored in self.scenes]
        same = [_digests(stored) if held else () for stored in self.scenes]
        self.windows = [
            (place, numbers)
            for place, numbers in self.windows
            if self._apart(ranks[place], numbers, bounds[place])
            and (not held or held.isdisjoint(same[place][number] for number in numbers))
        ]

    def _apart(self, ranks: list[int], numbers: tuple[int, ...], span: tuple[int, int] | None) -> bool:
        """Whether a window lies wholly before or after the drawings held out of its scene."""
        if span is None:
            return True
        before, after = ranks[span[0]] - ranks[numbers[-1]], ranks[numbers[0]] - ranks[span[1]]
        return max(before, after) > self.margin


def _within(numbers: tuple[int, ...], span: tuple[int, int] | None) -> bool:
    return span is not None and span[0] <= numbers[0] and numbers[-1] <= span[1]


def _ranks(stored: StoredScene) -> list[int]:
    """For each frame of a scene, the number of different drawings before its own."""
    order = {start: rank for rank, start in enumerate(sorted({*stored.hold_starts}))}
    return [order[start] for start in stored.hold_starts]


def _digests(stored: StoredScene) -> list[bytes]:
    """For each drawing of a scene, what is equal where it looks the same; of a held one, its first."""
    firsts = dict.fromkeys(stored.hold_starts, b"")
    for number in firsts:
        firsts[number] = hashlib.blake2b(stored.read((number,)).tobytes(), digest_size=16).digest()
    return [firsts[number] for number in stored.hold_starts]
