"""Scenes cut into windows, and windows read from the frame store."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from inbetween.data.augment import augment_images
from inbetween.data.fit import pad
from inbetween.data.scenes import Scene
from inbetween.data.source import WindowDataset, WindowSpec
from inbetween.data.store import FrameStore, StoredScene
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.io.images import Pixels
from inbetween.types import Window

log = logging.getLogger(__name__)

_AUGMENT_STREAM = 1  # keeps the augmentation of a window independent of its noise


def shots_of(stored: StoredScene, collapse_holds: bool) -> list[list[int]]:
    """Frame numbers of each shot, a held frame once if holds are collapsed."""
    return shots_in(stored.hold_starts, stored.cuts, collapse_holds)


def shots_in(hold_starts: Sequence[int], cuts: Sequence[int], collapse_holds: bool) -> list[list[int]]:
    """`shots_of` a scene with these holds and cuts: see `StoredScene`."""
    bounds = [0, *cuts, len(hold_starts)]
    runs = [range(start, end) for start, end in pairwise(bounds)]
    if not collapse_holds:
        return [list(run) for run in runs]
    # frames that do not start a hold repeat the one before them
    return [[number for number in run if number == run[0] or hold_starts[number] == number] for run in runs]


def windows_of(shot: list[int], spec: WindowSpec) -> list[tuple[int, ...]]:
    """Frame numbers, N + 2 each, of all complete windows of a shot."""
    return [
        tuple(shot[start : start + span + 1 : gap])
        for gap in spec.gaps
        for span in [(spec.between + 1) * gap]
        for start in range(0, len(shot) - span, spec.stride)
    ]


class StoredWindows(WindowDataset):
    """Windows of scenes whose decoded frames are stored.

    Args:
        spec: How they are cut and fitted.
    """

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec

    @abstractmethod
    def at(self, index: int) -> tuple[StoredScene, tuple[int, ...]]:
        """The scene of a window, and the numbers of the window's N + 2 frames in it."""

    def __getitem__(self, key: tuple[int, int]) -> Window:
        epoch, index = key
        spec = self.spec
        stored, numbers = self.at(index)
        _, _, height, width = stored.fit.box
        images = stored.read(numbers)
        ids = self.frame_ids(index)
        t = torch.arange(1, spec.between + 1, dtype=torch.float32) / (spec.between + 1)
        if spec.augment:
            seed = sample_seed(spec.seed, epoch, index, _AUGMENT_STREAM)
            images, reversed_ = augment_images(images, height, width, spec.augment, seed)
            if reversed_:
                t, ids = (1 - t).flip(0), None if ids is None else ids.flip(0)
        tensor = self._fitted(images, stored)
        frames = stored.scene.frames
        window = Window(
            first=tensor[0],
            last=tensor[-1],
            targets=tensor[1:-1],
            t=t,
            box=torch.tensor(stored.fit.box),
            index=torch.tensor(index),
            seed=torch.tensor(sample_seed(spec.seed, epoch, index)),
            animation=stored.scene.animation,
            name=f"{stored.scene.label}/{frames[numbers[0]].stem}-{frames[numbers[-1]].stem}",
        )
        if ids is not None:
            window["frame_ids"] = ids
        return window

    def frame_ids(self, index: int) -> Tensor | None:
        """See `WindowDataset.frame_ids`."""
        if self.spec.augment and self.spec.augment.changes_pixels:
            return None
        stored, numbers = self.at(index)
        return torch.tensor([stored.ids[number] for number in numbers])

    def keyframe_triplet(self, index: int) -> Tensor | None:
        """See `WindowDataset.keyframe_triplet`: three keyframes in a row, as far apart as the window's.

        Both of the window and the one after them in the shot, or at the end of the shot the one before.
        """
        stored, numbers = self.at(index)
        shot = next(shot for shot in shots_of(stored, self.spec.collapse_holds) if numbers[0] in shot)
        start = shot.index(numbers[0])
        span = shot.index(numbers[-1]) - start
        if start + 2 * span >= len(shot):
            start -= span
        if start < 0:
            return None
        return self._fitted(stored.read(tuple(shot[start : start + 2 * span + 1 : span])), stored)

    def _fitted(self, images: Pixels, stored: StoredScene) -> Tensor:
        """Stored frames (F, h, w, 3) as (F, 3, H, W) in [0, 1], padded to the window's size."""
        images = pad(images, stored.fit.box, self.spec.size, self.spec.background)
        return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float().div_(255)


class SceneWindows(StoredWindows):
    """Windows of scenes on disk. Frames are decoded once, into the store, on construction.

    Args:
        scenes: At least one.
        spec: How to cut and fit them.

    Raises:
        UserError: A frame cannot be used, or no scene is long enough for a window.
    """

    def __init__(self, scenes: list[Scene], spec: WindowSpec) -> None:
        super().__init__(spec)
        self.scenes = FrameStore(spec).open(scenes)
        shots = [shots_of(stored, spec.collapse_holds) for stored in self.scenes]
        self.windows = [
            (place, window)
            for place, runs in enumerate(shots)
            for shot in runs
            for window in windows_of(shot, spec)
        ]
        if not self.windows:
            need = (spec.between + 1) * min(spec.gaps) + 1
            longest = max(len(shot) for runs in shots for shot in runs)
            raise UserError(
                f"No scene is long enough: a window of between {spec.between} and gap {min(spec.gaps)} needs "
                f"{need} frames in a row, the longest of {len(scenes)} scenes has {longest}: "
                "lower between or gaps."
            )
        self._report(shots)

    def _report(self, shots: list[list[list[int]]]) -> None:
        frames = sum(len(stored.hold_starts) for stored in self.scenes)
        held = frames - sum(len(shot) for runs in shots for shot in runs)
        cuts = sum(len(stored.cuts) for stored in self.scenes)
        log.info(
            "%d windows from %d scenes with %d frames: %d held, %d cuts.",
            len(self.windows),
            len(self.scenes),
            frames,
            held,
            cuts,
        )
        short = len(self.scenes) - len({place for place, _ in self.windows})
        if short:
            log.warning(
                "%d of %d scenes are too short for a window and are left out.", short, len(self.scenes)
            )

    def __len__(self) -> int:
        return len(self.windows)

    def at(self, index: int) -> tuple[StoredScene, tuple[int, ...]]:
        """See `StoredWindows.at`."""
        place, numbers = self.windows[index]
        return self.scenes[place], numbers
