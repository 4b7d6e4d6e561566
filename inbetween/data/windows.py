"""Scenes cut into windows, and windows read from the frame store."""

import logging
from itertools import pairwise

import numpy as np
import torch

from inbetween.data.augment import augment_images
from inbetween.data.fit import pad
from inbetween.data.scenes import Scene
from inbetween.data.source import WindowDataset, WindowSpec
from inbetween.data.store import FrameStore, StoredScene
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.types import Window

log = logging.getLogger(__name__)

_AUGMENT_STREAM = 1  # keeps the augmentation of a window independent of its noise


def shots_of(stored: StoredScene, collapse_holds: bool) -> list[list[int]]:
    """Frame numbers of each uncut run of frames, a held frame once if holds are collapsed."""
    bounds = [0, *stored.cuts, len(stored.drawings)]
    runs = [range(start, end) for start, end in pairwise(bounds)]
    if not collapse_holds:
        return [list(run) for run in runs]
    # a held frame has the number of its first appearance: a frame whose number is not its own is a repeat
    return [
        [number for number in run if number == run[0] or stored.drawings[number] == number] for run in runs
    ]


def windows_of(shot: list[int], spec: WindowSpec) -> list[tuple[int, ...]]:
    """Frame numbers, N + 2 each, of all windows of a shot, up to the last that is full."""
    return [
        tuple(shot[start : start + span + 1 : gap])
        for gap in spec.gaps
        for span in [(spec.between + 1) * gap]
        for start in range(0, len(shot) - span, spec.stride)
    ]


class SceneWindows(WindowDataset):
    """Windows of scenes on disk. Frames are decoded once, into the store, when this is made.

    Args:
        scenes: At least one.
        spec: How to cut and fit them.

    Raises:
        UserError: A frame cannot be used, or no scene is long enough for a window.
    """

    def __init__(self, scenes: list[Scene], spec: WindowSpec) -> None:
        self.spec = spec
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
        frames = sum(len(stored.drawings) for stored in self.scenes)
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

    def __getitem__(self, key: tuple[int, int]) -> Window:
        epoch, index = key
        spec = self.spec
        place, numbers = self.windows[index]
        stored = self.scenes[place]
        _, _, height, width = stored.fit.box
        pictures = stored.read(numbers)
        ids = torch.tensor([stored.ids[number] for number in numbers])
        t = torch.arange(1, spec.between + 1, dtype=torch.float32) / (spec.between + 1)
        if spec.augment:
            seed = sample_seed(spec.seed, epoch, index, _AUGMENT_STREAM)
            pictures, reversed_ = augment_images(pictures, height, width, spec.augment, seed)
            if reversed_:
                t, ids = (1 - t).flip(0), ids.flip(0)
        pictures = pad(pictures, stored.fit.box, spec.size, spec.background)
        images = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float().div_(255)
        frames = stored.scene.frames
        window = Window(
            first=images[0],
            last=images[-1],
            targets=images[1:-1],
            t=t,
            box=torch.tensor(stored.fit.box),
            index=torch.tensor(index),
            seed=torch.tensor(sample_seed(spec.seed, epoch, index)),
            animation=stored.scene.animation,
            name=f"{stored.scene.label}/{frames[numbers[0]].stem}-{frames[numbers[-1]].stem}",
        )
        if not (spec.augment and spec.augment.changes_pixels):
            window["frame_ids"] = ids
        return window
